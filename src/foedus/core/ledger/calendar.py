"""Months, quarters and years, in UTC: the periods in which pledges and balances are counted."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from foedus.core.agreement.model import Period
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.instant import Instant, iso

_LABEL: Final = re.compile(r"([1-9][0-9]{3})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?")
_LENGTHS: Final = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One month, quarter or year."""

    label: str
    """``2026-11``, ``2026-Q4`` or ``2026``."""
    first: date
    last: date
    """Its last day."""

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def months(self) -> tuple[str, ...]:
        """Its months, such as ``2026-11``."""
        last = self.last.year * 12 + self.last.month
        count = last - self.first.year * 12 - self.first.month + 1
        return tuple(f"{self.first.year}-{self.first.month + step:02d}" for step in range(count))


def month_of(instant: Instant) -> str:
    """Return the month that an instant lies in.

    >>> month_of(Instant(0))
    '1970-01'
    """
    return iso(instant)[:7]


def window_at(day: date, period: Period) -> Window:
    """Return the period that a day lies in."""
    length = _LENGTHS[period]
    begin = (day.month - 1) // length * length + 1
    first = date(day.year, begin, 1)
    after = date(day.year + 1, 1, 1) if begin + length > 12 else date(day.year, begin + length, 1)  # noqa: PLR2004 (months)
    labels = {
        Period.MONTH: f"{day.year}-{begin:02d}",
        Period.QUARTER: f"{day.year}-Q{begin // 3 + 1}",
        Period.YEAR: f"{day.year}",
    }
    return Window(label=labels[period], first=first, last=after - timedelta(days=1))


def window_named(label: str) -> Window:
    """Read ``2026-11``, ``2026-Q4`` or ``2026``; raises `BadInput`."""
    match = _LABEL.fullmatch(label)
    if match is None:
        raise BadInput(
            Fault(
                path="period",
                fault=f"{label!r} is no month, quarter or year",
                remedy="write it like 2026-11, 2026-Q4 or 2026",
            )
        )
    year, quarter, month = match.groups()
    if month:
        return window_at(date(int(year), int(month), 1), Period.MONTH)
    if quarter:
        return window_at(date(int(year), int(quarter) * 3, 1), Period.QUARTER)
    return window_at(date(int(year), 1, 1), Period.YEAR)


def windows_between(period: Period, first: date, last: date) -> tuple[Window, ...]:
    """Return the periods that have a day from `first` to `last`, oldest first."""
    found: list[Window] = []
    day = first
    while day <= last:
        window = window_at(day, period)
        found.append(window)
        day = window.last + timedelta(days=1)
    return tuple(found)
