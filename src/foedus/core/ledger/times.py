"""Times in the books are text with one spelling each, so that no two different lines say the same."""

import re
from typing import Final

from foedus.core.base.instant import Instant, parse_iso

_SPELLING: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.(?!000)[0-9]{3})?Z"
)


def exact_instant(text: object) -> Instant | None:
    """Read a time as `foedus.core.base.instant.iso` writes it; `None` for anything else, other spellings included."""
    if not isinstance(text, str) or not _SPELLING.fullmatch(text):
        return None
    try:
        return parse_iso(text)
    except ValueError:
        return None
