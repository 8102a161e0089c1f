"""Tables that the scheduler prints, cut into fields safely, and the numbers in them.

Users choose much of what is printed (comments, folders, command lines), so no fixed character can part the fields. Each
query brings a separator of its own that nobody could have known when he named his job.
"""

import re
import secrets

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.instant import Instant, from_seconds
from foedus.core.ledger.usage_json import NATIVE

_WHOLE = re.compile(r"[0-9]{1,20}")
_LARGEST = 10**15 - 1
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


def separator() -> str:
    """Return a fresh separator. It begins with no digit, which squeue would read as a width."""
    return f"|{secrets.token_hex(8)}|"


def cut(text: str, mark: str, width: int, command: str) -> list[tuple[str, ...]]:
    """Cut a table in which `mark` follows each field; fields may hold line breaks.

    Raises `SiteTrouble` if the text is no whole number of rows, as when a command was cut short.
    """
    parts = text.split(mark)
    rest = parts.pop()
    if rest.strip() or len(parts) % width:
        raise SiteTrouble(f"{command} printed {len(parts)} fields and {rest[:80]!r}, not rows of {width}")
    rows = [tuple(parts[start : start + width]) for start in range(0, len(parts), width)]
    return [(row[0].lstrip("\n"), *row[1:]) for row in rows]


def whole(text: str, most: int = _LARGEST) -> int:
    """Read a whole number that can be stored and sent; raises `ValueError` for anything else.

    Python's own `int` takes signs, spaces, underscores, other scripts' digits, and numbers that no database holds.
    """
    if not _WHOLE.fullmatch(text) or int(text) > most:
        raise ValueError(f"{text[:40]!r} is no number of anything")
    return int(text)


def native(text: str) -> str:
    """Read a job id as the books take it; raises `ValueError` for anything else."""
    if not text or not NATIVE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no job id")
    return text


def moment(text: str) -> Instant:
    """Read epoch seconds; raises `ValueError` for anything else."""
    return from_seconds(whole(text, _LAST_SECOND))
