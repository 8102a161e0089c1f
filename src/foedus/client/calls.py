"""A call of the hub's API as a value, and how its answer is read. No I/O: the faces send what is described here."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from foedus.client.steps import Answer
from foedus.core.base.errors import (
    BadInput,
    Broken,
    Conflict,
    Fault,
    FoedusError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooLarge,
    Unreachable,
)
from foedus.wire.errors import ErrorView, error_of, unfit
from foedus.wire.message import Message

R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)
Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[R]):
    """One call: what is sent, and how a good answer is read."""

    method: str
    path: str
    """Below the API's prefix."""
    read: Callable[[Answer], R]
    """Raises `Broken` where the answer is not what this version of Foedus expects."""
    params: Params = ()
    headers: Params = ()
    body: bytes | None = None
    media: str = "application/json"
    keyed: bool = False
    """It changes something: it carries an ``Idempotency-Key``."""
    wait_s: float = 0
    """How long the hub may hold it back."""

    @property
    def timeout_s(self) -> float:
        """How long to wait for the answer."""
        return 30 + self.wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An answer that is an error, and whether the same call may succeed later."""

    error: FoedusError
    retryable: bool


def path(*parts: str) -> str:
    """Join parts of a path; each is quoted whole, and no id can reach into another resource.

    Raises `BadInput` for a part that has no place in a path: ``""``, ``"."`` and ``".."``.
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise BadInput(Fault(path="name", fault=f"{part!r} names nothing", remedy="give an id or a name"))
    return "/" + "/".join(quote(part, safe="") for part in parts)


def params(**values: str | float | tuple[str, ...] | None) -> Params:
    """Return the query's pairs; `None` is left out, a tuple is repeated."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, tuple):
            pairs.extend((name, one) for one in value)
        elif value is not None:
            pairs.append((name, str(value)))
    return tuple(pairs)


def request(kind: type[Message], **fields: object) -> bytes:
    """Return the JSON of a message; raises `BadInput` with all faults of its fields."""
    return built(kind, **fields).model_dump_json().encode()


def built(kind: type[M], **fields: object) -> M:
    """Return a message; raises `BadInput` with all faults of its fields."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise unfit(error.errors(), "mend it and call again") from error


def model(kind: type[M]) -> Callable[[Answer], M]:
    """Read the answer as a message of this kind."""

    def read(answer: Answer) -> M:
        try:
            return kind.model_validate_json(answer.body, extra="ignore")
        except ValidationError as error:
            fields = sorted({".".join(map(str, one["loc"])) or "the whole" for one in error.errors()})
            raise Broken(
                f"the hub's answer is not a {kind.__name__} as this client knows it ({', '.join(fields[:5])})",
                remedy="client and hub are of different versions, or the address is not a Foedus hub's: check both",
            ) from error

    return read


def text(answer: Answer) -> str:
    """Read the answer as text; what is not UTF-8 is kept visible."""
    return answer.body.decode("utf-8", errors="backslashreplace")


def octets(answer: Answer) -> bytes:
    """Read the answer as bytes."""
    return answer.body


def nothing(_: Answer) -> None:
    """Expect no answer but success."""


_GATEWAY = frozenset({429, 502, 503, 504})
"""What stands before the hub answers so; it says nothing about the call itself."""

_BY_STATUS: dict[int, type[FoedusError]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}
"""For answers that do not come from a hub's own code."""


def failed(answer: Answer) -> Failed:
    """Read an answer that is not a success as an error of the tree."""
    try:
        view = ErrorView.model_validate_json(answer.body, extra="ignore")
    except ValidationError:
        return Failed(error=_foreign(answer), retryable=answer.status in _GATEWAY)
    return Failed(error=error_of(view), retryable=view.retryable)


def _foreign(answer: Answer) -> FoedusError:
    """Make the best of an error that carries no `ErrorView`: a proxy's, or a page of something else."""
    said = _said(answer)
    if answer.status in _GATEWAY:
        return Unreachable(
            f"no answer from the hub: HTTP {answer.status} from what stands before it{said}", remedy="try again later"
        )
    kind = _BY_STATUS.get(answer.status, FoedusError)
    return kind(
        f"HTTP {answer.status}{said}, and not in the words of a Foedus hub",
        remedy="check the hub's address: FOEDUS_HUB",
    )


def _said(answer: Answer) -> str:
    try:
        found: object = json.loads(answer.body)
    except ValueError:
        return ""
    detail: object = found.get("detail") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return f" ({detail})" if isinstance(detail, str) else ""
