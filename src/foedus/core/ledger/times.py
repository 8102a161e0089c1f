"""Times in the books are text with one spelling each, so that no two different lines say the same."""

import re
from functools import lru_cache
from typing import Final

from foedus.core.base.instant import Instant, parse_iso

_SPELLING: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.(?!000)[0-9]{3})?Z"
)


def exact_instant(text: object) -> Instant | None:
    """Read a time as `foedus.core.base.instant.iso` writes it; `None` for anything else, other spellings included."""
    return _read(text) if isinstance(text, str) else None


@lru_cache(maxsize=256)  # each time is looked at twice: when it is checked, and when it is read
def _read(text: str) -> Instant | None:
    if not _SPELLING.fullmatch(text):
        return None
    try:
        return parse_iso(text)
    except ValueError:
        return None
