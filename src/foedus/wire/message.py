"""What all messages share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from foedus.core.base.canon import LARGEST

_DEEPEST = 32
"""Levels of objects and lists in one another: nothing that anybody signs has so many."""


def _shallow(found: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is nested so deep that whoever walks through it may run out of stack."""
    level: list[object] = [found]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one) if isinstance(part, dict | list)]
        if not level:
            return found
    raise ValueError(f"is nested more than {_DEEPEST} levels deep")


def _parts(one: object) -> Iterable[object]:
    return cast("dict[str, object]", one).values() if isinstance(one, dict) else cast("list[object]", one)


if TYPE_CHECKING:
    from foedus.core.base.canon import JsonObject as WireObject
else:
    # pydantic cannot resolve the recursive alias; what must be canonical is checked where it is used
    WireObject = Annotated[dict[str, Any], AfterValidator(_shallow)]

__all__ = ["AttemptNumber", "Code", "Message", "Position", "WireObject"]

AttemptNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Number of an attempt: what the database holds."""
Code = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""An exit code or a signal: what the database holds."""
Position = Annotated[int, Field(ge=0, le=LARGEST)]
"""Offset in a stream, or number of an entry: a whole number that JSON carries exactly."""


class Message(BaseModel):
    """A message: frozen, and refusing fields that it does not know, so that a typing error is never silent.

    Who reads an answer passes over such fields instead: a hub may be newer than its clients and agents, never older.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
