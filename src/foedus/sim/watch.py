"""Who occupied which site when: what a replay leaves behind for the books and for the curves of utilisation."""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.alone import Job
from foedus.core.placement.kernels import kernel
from foedus.core.placement.reality import NOWHERE, Reality
from foedus.core.placement.tables import numbers, put_column, table, zeros

BINS = 200
"""Stretches of equal length for which utilisation is told."""


class Stay:
    """Where a job runs, and since when it has its units there."""

    __slots__ = ("at", "since")
    at: int
    since: int


class Watch(NamedTuple):
    """What sites were occupied with so far."""

    stays: Sequence[Stay]
    """By job."""
    hosted: MutableSequence[int]
    """By site and home: unit-seconds."""
    busy: MutableSequence[int]
    """By site and stretch: unit-seconds."""
    sites: int
    step: int
    """Seconds of a stretch; what happens after the last is not counted."""


def watch(jobs: int, sites: int, step: int) -> Watch:
    """Begin with nothing seen."""
    stays = table(Stay, jobs)
    put_column(stays, "at", NOWHERE)
    return Watch(stays=stays, hosted=zeros(sites * sites), busy=zeros(sites * BINS), sites=sites, step=step)


def hosted(seen: Watch) -> NDArray[np.int64]:
    """Return by host and home how many unit-seconds it gave."""
    return np.array(seen.hosted, dtype=np.int64).reshape(seen.sites, seen.sites)


def busy(seen: Watch) -> NDArray[np.int64]:
    """Return by site and stretch how many unit-seconds were in use."""
    return np.array(seen.busy, dtype=np.int64).reshape(seen.sites, BINS)


def seen_of(
    jobs: Sequence[Job],
    sites: int,
    step: int,
    *,
    host: NDArray[np.int64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
) -> Watch:
    """Watch a schedule in which each job ran once, from beginning to end."""
    seen = watch(0, sites, step)
    _occupy_all(seen, jobs, numbers(host), numbers(begin), numbers(end))
    return seen


@kernel
def _occupy_all(
    seen: Watch, jobs: Sequence[Job], host: Sequence[int], begin: Sequence[int], end: Sequence[int]
) -> None:
    for job in range(len(jobs)):
        _occupy(seen, host[job], jobs[job].home, jobs[job].width, begin[job], end[job])


@kernel
def note(seen: Watch, state: Reality, job: int, now: int) -> None:
    """Take notice of a job that was started, recalled or has ended."""
    stay, site = seen.stays[job], state.live[job].site
    if stay.at == site:
        return
    if stay.at != NOWHERE:
        _occupy(seen, stay.at, state.jobs[job].home, state.jobs[job].width, stay.since, now)
    stay.at = site
    stay.since = now


@kernel
def _occupy(seen: Watch, site: int, home: int, width: int, begin: int, end: int) -> None:
    seen.hosted[site * seen.sites + home] += width * (end - begin)
    place = begin // seen.step
    while place < BINS and place * seen.step < end:
        inside = min(end, (place + 1) * seen.step) - max(begin, place * seen.step)
        seen.busy[site * BINS + place] += width * inside
        place += 1
