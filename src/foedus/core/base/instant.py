"""Points in time: whole milliseconds since 1970-01-01T00:00:00Z. Shown and sent as RFC 3339, always in UTC."""

from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

Instant = NewType("Instant", int)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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


def iso(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC; milliseconds only where there are any.

    >>> iso(Instant(0)), iso(Instant(1500))
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.500Z')
    """
    moment = _EPOCH + timedelta(milliseconds=instant)
    precision = "milliseconds" if instant % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_iso(text: str) -> Instant:
    """Read RFC 3339; raises `ValueError` for anything else, and for a time without an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write it like 2026-11-23T08:00:00Z")
    return Instant((moment - _EPOCH) // _MILLISECOND)
