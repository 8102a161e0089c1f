"""A site's jobs as a log tells them, and what of the log could not be used."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from foedus.core.base.errors import BadInput, Fault

Numbers = NDArray[np.int64]
_SHOWN = 3


class Reason(StrEnum):
    """Why a line was dropped, or what in it was changed."""

    UNREADABLE = "not a job in this format"
    NO_RUN = "never ran"
    NO_SUBMIT = "has no submission time"
    NO_WIDTH = "has no processors"
    WIDER = "wider than the site"
    TWICE = "an id that came before"
    STEP = "a step of a job"
    NO_LIMIT = "no time limit: its run time is taken"
    OVER_LIMIT = "ran longer than its limit: cut to it"


CHANGES = frozenset({Reason.NO_LIMIT, Reason.OVER_LIMIT})
"""Lines with these are kept."""


@dataclass(slots=True)
class Remarks:
    """How often each reason came up, and in which lines first."""

    count: dict[Reason, int] = field(default_factory=dict[Reason, int])
    lines: dict[Reason, list[int]] = field(default_factory=dict[Reason, list[int]])

    def add(self, reason: Reason, lines: Numbers) -> None:
        """Note a reason for some lines, numbered from 1."""
        if len(lines):
            self.count[reason] = self.count.get(reason, 0) + len(lines)
            known = self.lines.setdefault(reason, [])
            known.extend(lines[: _SHOWN - len(known)].tolist() if len(known) < _SHOWN else ())

    def sentences(self) -> list[str]:
        """Say each: ``dropped 17: never ran (lines 3, 9, 12, ...)``."""
        return [
            f"{'kept' if reason in CHANGES else 'dropped'} {count:,}: {reason} ({_lines(self.lines[reason], count)})"
            for reason, count in sorted(self.count.items())
        ]


def _lines(first: list[int], count: int) -> str:
    word = "line" if count == 1 else "lines"
    return f"{word} {', '.join(map(str, first))}{', ...' if count > len(first) else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The columns of a log as it has them; -1 for what it does not say."""

    line: Numbers
    id: Numbers
    submit: Numbers
    """Seconds since 1970, or since the log's own beginning."""
    run: Numbers
    width: Numbers
    limit: Numbers
    units: int | None = None
    """What the log's header says of the site's size."""
    unit: str = "processors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The jobs of one site in the order of submission; whole seconds and units."""

    name: str
    capacity: int
    unit: str
    submit: Numbers
    """From the first submission, which is 0."""
    run: Numbers
    width: Numbers
    limit: Numbers
    remarks: Remarks
    drains: tuple[tuple[int, int], ...] = ()
    """Stretches of time, one after the other, from and until when it starts nothing; what runs goes on."""

    @property
    def jobs(self) -> int:
        """How many there are."""
        return len(self.submit)

    @property
    def changes(self) -> list[tuple[int, int]]:
        """When it has how many units more, or fewer."""
        return [change for begin, end in self.drains for change in ((begin, -self.capacity), (end, self.capacity))]

    @property
    def load(self) -> float:
        """Work that was asked for, as a share of what the site could do from the first to the last submission."""
        span = int(self.submit[-1]) if self.jobs else 0
        return float((self.run * self.width).sum() / (self.capacity * span)) if span else 0.0


def workload(name: str, raw: Raw, capacity: int | None, remarks: Remarks) -> Workload:
    """Keep what can be run; raises `BadInput` if the size of the site is not known or nothing is left."""
    units = capacity or raw.units
    if not units:
        raise BadInput(
            Fault(path=name, fault="the log does not say how large the site is", remedy="write NAME=FILE:UNITS")
        )
    keep = np.ones(len(raw.submit), dtype=np.bool_)
    for reason, bad in (
        (Reason.NO_SUBMIT, raw.submit < 0),
        (Reason.NO_RUN, raw.run <= 0),
        (Reason.NO_WIDTH, raw.width <= 0),
        (Reason.WIDER, raw.width > units),
        (Reason.TWICE, _twice(raw.id)),
    ):
        remarks.add(reason, raw.line[keep & bad])
        keep &= ~bad
    if not keep.any():
        faults = "; ".join(remarks.sentences()) or "it is empty"
        raise BadInput(Fault(path=name, fault=f"no job can be used: {faults}", remedy="give another log or size"))
    limit = np.where(raw.limit > 0, raw.limit, raw.run)
    remarks.add(Reason.NO_LIMIT, raw.line[keep & (raw.limit <= 0)])
    remarks.add(Reason.OVER_LIMIT, raw.line[keep & (raw.run > limit)])
    order = np.flatnonzero(keep)
    order = order[np.lexsort((raw.id[order], raw.submit[order]))]
    return Workload(
        name=name,
        capacity=units,
        unit=raw.unit,
        submit=raw.submit[order] - raw.submit[order[0]],
        run=np.minimum(raw.run, limit)[order],
        width=raw.width[order],
        limit=limit[order],
        remarks=remarks,
    )


def _twice(ids: Numbers) -> NDArray[np.bool_]:
    """Mark every id but the first of its kind."""
    _, first = np.unique(ids, return_index=True)
    found = np.ones(len(ids), dtype=np.bool_)
    found[first] = False
    return found
