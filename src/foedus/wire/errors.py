"""Errors on the wire: what every refused or failed call answers, to and from the error tree."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foedus.core.base.errors import BadInput, Fault, FoedusError
from foedus.wire.message import Message


class FaultView(Message):
    """One thing that is wrong."""

    path: str
    fault: str
    remedy: str


class ErrorView(Message):
    """What every refused or failed call answers."""

    code: str
    message: str
    remedy: str = ""
    retryable: bool = False
    faults: list[FaultView] = []
    request: str = ""
    """Id of the request, to find it in the hub's log."""


def view_of(error: FoedusError, request: str = "") -> ErrorView:
    """Put an error on the wire; ``request`` is the id under which the hub's log has it."""
    faults = error.faults if isinstance(error, BadInput) else ()
    return ErrorView(
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        retryable=error.retryable,
        faults=[FaultView(path=one.path, fault=one.fault, remedy=one.remedy) for one in faults],
        request=request,
    )


def error_of(view: ErrorView) -> FoedusError:
    """Return the error that a view tells of. A code that this version does not know becomes a `FoedusError`."""
    kind = _kinds().get(view.code, FoedusError)
    if issubclass(kind, BadInput):
        faults = [Fault(path=one.path, fault=one.fault, remedy=one.remedy) for one in view.faults]
        error: FoedusError = kind(*(faults or [Fault(path="request", fault=view.message, remedy=view.remedy)]))
    else:
        error = kind(view.message, remedy=view.remedy)
    if view.request:
        error.add_note(f"request {view.request}")
    return error


def unfit(found: Iterable[Mapping[str, Any]], remedy: str, *, where: str = "") -> BadInput:
    """Return everything that pydantic found wrong (its ``errors()``), each with its path as the rules write it."""
    return BadInput(*(_fault(one, remedy, where) for one in found))


def _fault(one: Mapping[str, Any], remedy: str, where: str) -> Fault:
    path = f"{where}{path_of(one['loc'])}" or "request"
    if one["type"] == "extra_forbidden":
        return Fault(path=path, fault="there is no such field", remedy="remove it, or mend its name")
    return Fault(path=path, fault=_words(one), remedy=remedy)


_RANGES = {
    "greater_than_equal": ("less than", "ge"),
    "greater_than": ("not more than", "gt"),
    "less_than_equal": ("more than", "le"),
    "less_than": ("not less than", "lt"),
}
"""Kind of pydantic's error -> what the number is, and which bound it is compared with."""
_KINDS = {
    "missing": "is missing",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "string_type": "is not text",
    "path_type": "is not a path",
    "dict_type": "is not a table",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
}
"""Kind of pydantic's error -> our words for it."""


def _words(one: Mapping[str, Any]) -> str:
    """Say what is wrong as the rules say it; what they have no words for keeps pydantic's."""
    kind, message = str(one["type"]), str(one["msg"])
    if kind in _RANGES:
        word, bound = _RANGES[kind]
        limit = one["ctx"][bound]
        return f"{one['input']} is {word} {int(limit) if limit == int(limit) else limit}"
    if kind in {"literal_error", "enum"}:
        return f"is not {one['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        return f"is not written as {one['ctx']['pattern']}"
    return _KINDS.get(kind, f"{message[:1].lower()}{message[1:]}")


def path_of(where: Sequence[str | int]) -> str:
    """Write where a fault is as the rules do.

    >>> path_of(("jobs", 3, "script"))
    'jobs[3].script'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")


def _kinds() -> dict[str, type[FoedusError]]:
    found: dict[str, type[FoedusError]] = {}
    kinds: list[type[FoedusError]] = [FoedusError]
    while kinds:
        kind = kinds.pop()
        found.setdefault(kind.code, kind)
        kinds.extend(kind.__subclasses__())
    return found
