"""What runs at one site, by when it ends at the latest: what a reservation is computed from.

The stretches of all sites lie in one table; one site's begins at `base` and has `count` rows, sorted by `end`.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER, kernel


class Run:
    """A running job."""

    __slots__ = ("end", "job", "width")
    end: int
    width: int
    job: int


@kernel
def insert(runs: Sequence[Run], base: int, count: int, job: int, width: int, end: int) -> None:
    """Note that a job runs, until `end` at the latest."""
    place = base + count
    while place > base and runs[place - 1].end > end:
        _copy(runs, place - 1, place)
        place -= 1
    here = runs[place]
    here.end = end
    here.width = width
    here.job = job


@kernel
def remove(runs: Sequence[Run], base: int, count: int, job: int, end: int) -> None:
    """Note that a job runs no more; `end` is what it was inserted with."""
    low, high = base, base + count
    last = high - 1
    while low < high:
        middle = (low + high) >> 1
        if runs[middle].end < end:
            low = middle + 1
        else:
            high = middle
    while runs[low].job != job:
        low += 1
    for place in range(low, last):
        _copy(runs, place + 1, place)


@kernel
def _copy(runs: Sequence[Run], source: int, target: int) -> None:
    here, there = runs[source], runs[target]
    there.end = here.end
    there.width = here.width
    there.job = here.job


@kernel
def reserve(runs: Sequence[Run], base: int, count: int, free: int, width: int) -> tuple[int, int]:
    """Return when `width` will be free at the latest, and how much more will be free then; (`NEVER`, 0) if never."""
    place, stop = base, base + count
    while place < stop:
        free += runs[place].width
        if free >= width:
            when = runs[place].end
            place += 1
            while place < stop and runs[place].end == when:
                free += runs[place].width
                place += 1
            return when, free - width
        place += 1
    return NEVER, 0
