"""Points in time: whole milliseconds since 1970-01-01T00:00:00Z. Shown and sent as RFC 3339, always in UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType, Protocol

Instant = NewType("Instant", int)

CLOCK_SLACK_S = 120
"""How far two machines' clocks may be apart before the one does not take the other's word."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
SPELLING = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.(?!000)[0-9]{3})?Z")
"""How `iso` writes an instant."""
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Clock(Protocol):
    """Where a process gets the time from; the rules get an `Instant`."""

    def now(self) -> Instant:
        """Return the present instant."""
        ...


def from_seconds(epoch_seconds: int) -> Instant:
    """Convert what Slurm prints under ``SLURM_TIME_FORMAT=%s``."""
    return Instant(epoch_seconds * 1000)


def after(instant: Instant, seconds: float) -> Instant:
    """Return the instant that many seconds later (or earlier, if negative)."""
    return Instant(instant + round(seconds * 1000))


def seconds_between(earlier: Instant, later: Instant) -> float:
    """Return the seconds from `earlier` to `later`; negative if they are the other way round."""
    return (later - earlier) / 1000


def passed(since: Instant, seconds: float, now: Instant) -> bool:
    """Say whether that long has passed; also where the clock was set back behind `since`, which then tells nothing."""
    return not 0 <= seconds_between(since, now) < seconds


def iso(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC; milliseconds only where there are any.

    >>> iso(Instant(0)), iso(Instant(1500))
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.500Z')
    """
    moment = _EPOCH + timedelta(milliseconds=instant)
    precision = "milliseconds" if instant % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_iso(text: str) -> Instant:
    """Read RFC 3339; raises `ValueError` for anything else.

    The other spellings of ISO 8601 (dates by week, no colons, an offset with seconds) are refused, and so is a time
    without an offset, or in the midst of a leap second. What is finer than a millisecond is cut off.
    """
    if not _RFC_3339.fullmatch(text):
        raise ValueError(f"{text!r} is no time with its offset from UTC; write it like 2026-11-23T08:00:00Z")
    try:
        return instant(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except OverflowError as error:  # at its own offset the first or the last day there is; in UTC the one beyond
        raise ValueError(f"{text!r} is in no year from 1 to 9999 in UTC") from error


def instant(moment: datetime) -> Instant:
    """Convert a moment that knows its offset from UTC; what is finer than a millisecond is cut off."""
    return Instant((moment - _EPOCH) // _MILLISECOND)


def exact_instant(text: object) -> Instant | None:
    """Read a time as `iso` writes it; `None` for anything else, other spellings included.

    In what is signed each time has this one spelling, so that no two different lines say the same.
    """
    return _exact(text) if isinstance(text, str) else None


@lru_cache(maxsize=256)  # the books look at each time twice: when it is checked, and when it is read
def _exact(text: str) -> Instant | None:
    if not SPELLING.fullmatch(text):
        return None
    try:
        return parse_iso(text)
    except ValueError:
        return None
