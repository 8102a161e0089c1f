"""What the members of the ledger's objects must look like: one small check each, and tables of them.

A check takes the value and says what is wrong with it, or nothing.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import cast

from foedus.core.base.canon import LARGEST
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import DIGEST, JOB_ID, KEY, NAME
from foedus.core.base.instant import exact_instant
from foedus.core.base.letters import sentence_fault

Check = Callable[[object], str | None]


def an_object_at(path: str, found: object, remedy: str) -> Mapping[str, object]:
    """Take what has to be an object; raises `BadInput` if it is none."""
    if not isinstance(found, Mapping):
        raise BadInput(Fault(path=path, fault="is not an object", remedy=remedy))
    return cast("Mapping[str, object]", found)


def checked(path: str, found: object, checks: Mapping[str, Check], remedy: str) -> Mapping[str, object]:
    """Take an object with exactly the members of `checks`; raises `BadInput` with everything that is wrong."""
    parts = an_object_at(path, found, remedy)
    faults = member_faults(parts, checks, path, remedy)
    if faults:
        raise BadInput(*faults)
    return parts


def member_faults(parts: Mapping[str, object], checks: Mapping[str, Check], path: str, remedy: str) -> list[Fault]:
    """Check an object that has exactly the members of `checks`."""
    faults = [
        Fault(path=f"{path}.{name}", fault="is missing", remedy=remedy) for name in sorted(checks.keys() - parts.keys())
    ]
    for name, value in parts.items():
        check = checks.get(name)
        wrong = "does not belong here" if check is None else check(value)
        if wrong:
            faults.append(Fault(path=f"{path}.{name}", fault=wrong, remedy=remedy))
    return faults


def name(value: object) -> str | None:
    """Want a name of a site, partner, project or the like."""
    return None if isinstance(value, str) and NAME.fullmatch(value) else f"{value!r} is not a name"


def job(value: object) -> str | None:
    """Want a job id."""
    return None if isinstance(value, str) and JOB_ID.fullmatch(value) else f"{value!r} is not a job id"


def digest(value: object) -> str | None:
    """Want a SHA-256."""
    if isinstance(value, str) and DIGEST.fullmatch(value):
        return None
    return f"{value!r} is not a SHA-256 in lower-case hexadecimal"


def key(value: object) -> str | None:
    """Want a public key."""
    return None if isinstance(value, str) and KEY.fullmatch(value) else f"{value!r} is not an ed25519: key"


def text(value: object) -> str | None:
    """Want a sentence: some text on one line."""
    return sentence_fault(value)


def a_text_file(value: object) -> str | None:
    """Want the text of a file."""
    return None if isinstance(value, str) and value else "is not the text of a file"


def whole(value: object) -> str | None:
    """Want a whole number, negative ones included."""
    return None if type(value) is int and abs(value) <= LARGEST else f"{value!r} is not a whole number"


def count(value: object) -> str | None:
    """Want a whole number from 0."""
    if type(value) is int and 0 <= value <= LARGEST:
        return None
    return f"{value!r} is not a whole number from 0 to {LARGEST}"


def from_one(value: object) -> str | None:
    """Want a whole number from 1."""
    if type(value) is int and 1 <= value <= LARGEST:
        return None
    return f"{value!r} is not a whole number from 1 to {LARGEST}"


def time(value: object) -> str | None:
    """Want a time in the one spelling."""
    if exact_instant(value) is not None:
        return None
    return f"{value!r} is not a UTC time such as 2026-11-23T08:00:00Z"


def anything(_value: object) -> None:
    """Want nothing in particular: it was looked at before."""
    return


def an_object(value: object) -> str | None:
    """Want an object."""
    return None if isinstance(value, Mapping) else "is not an object"


def a_list(value: object) -> str | None:
    """Want a list."""
    return None if isinstance(value, list) else "is not a list"


def maybe(check: Check) -> Check:
    """Want ``null``, or what `check` wants."""
    return lambda value: None if value is None else check(value)


def one_of(kind: type[StrEnum]) -> Check:
    """Want a word of an enumeration."""
    words = frozenset(str(member) for member in kind)

    def check(value: object) -> str | None:
        return None if isinstance(value, str) and value in words else f"{value!r} is none of {', '.join(sorted(words))}"

    return check


def spelled(pattern: re.Pattern[str], what: str) -> Check:
    """Want text of a certain spelling."""
    return lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else f"{value!r} is not {what}"


def table(keys: Check, values: Check, longest: int) -> Check:
    """Want an object whose names and values all pass."""

    def check(value: object) -> str | None:
        if not isinstance(value, Mapping) or len(cast("Mapping[object, object]", value)) > longest:
            return f"is not an object with at most {longest} members"
        for part, inside in cast("Mapping[object, object]", value).items():
            wrong = keys(part) or values(inside)
            if wrong:
                return f"{part!r}: {wrong}"
        return None

    return check
