"""What a site's units are promised to: how many are free from when on, if every job uses its whole limit.

The steps of all sites lie in one table; one site's begin at `base` and `count` of them are used, in the order of time.
The first begins now or earlier, and the last stands at `NEVER`.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.timeline import Run


class Step:
    """From `when` on, until the next step, so many units are free."""

    __slots__ = ("free", "when")
    when: int
    free: int


@kernel
def empty(steps: Sequence[Step], base: int, now: int, units: int) -> int:
    """Plan nothing; return how many steps there are."""
    _write(steps, base, now, units)
    _write(steps, base + 1, NEVER, units)
    return 2


@kernel
def draw_up(steps: Sequence[Step], base: int, now: int, free: int, runs: Sequence[Run], room: int, running: int) -> int:
    """Plan what runs (`foedus.core.placement.timeline`); return how many steps there are."""
    _write(steps, base, now, free)
    last = base
    for place in range(room, room + running):
        run = runs[place]
        free += run.width
        if run.end != steps[last].when:
            last += 1
        _write(steps, last, run.end, free)
    _write(steps, last + 1, NEVER, free)
    return last + 2 - base


@kernel
def earliest(steps: Sequence[Step], base: int, now: int, width: int, span: int) -> int:
    """Return when so many units are free for so many seconds; `NEVER` if never."""
    place = base
    found = -1
    while steps[place].when != NEVER:
        if steps[place].free < width:
            found = -1
        else:
            if found < 0:
                found = max(now, steps[place].when)
            if steps[place + 1].when - found >= span:
                return found
        place += 1
    return NEVER


@kernel
def sooner(steps: Sequence[Step], base: int, now: int, width: int, span: int, planned: int) -> int:
    """Return when a job could start that is planned already: as planned, or sooner.

    What it is promised from then on is free to it, so only what lies before that matters.
    """
    place = base
    found = -1
    while steps[place].when < planned:
        if steps[place].free < width:
            found = -1
        else:
            if found < 0:
                found = max(now, steps[place].when)
            if steps[place + 1].when >= min(planned, found + span):
                return found
        place += 1
    return planned


@kernel
def use(steps: Sequence[Step], base: int, count: int, begin: int, end: int, width: int) -> int:
    """Promise units from an instant to another, or give them back (`width` < 0); return how many steps there are."""
    low, count = _cut(steps, base, count, begin)
    high, count = _cut(steps, base, count, end)
    for place in range(low, high):
        steps[place].free -= width
    count = _join(steps, base, count, high)
    return _join(steps, base, count, low)


@kernel
def forget(steps: Sequence[Step], base: int, count: int, now: int) -> int:
    """Drop the steps that are over; return how many are left."""
    gone = 0
    while steps[base + gone + 1].when <= now:
        gone += 1
    if gone:
        for place in range(base + gone, base + count):
            _write(steps, place - gone, steps[place].when, steps[place].free)
    return count - gone


@kernel
def _cut(steps: Sequence[Step], base: int, count: int, when: int) -> tuple[int, int]:
    """Let a step begin at an instant; return where it is, and how many there are."""
    low, high = base, base + count - 1
    while low < high:
        middle = (low + high) >> 1
        if steps[middle].when < when:
            low = middle + 1
        else:
            high = middle
    if steps[low].when == when:
        return low, count
    for place in range(base + count, low, -1):
        _write(steps, place, steps[place - 1].when, steps[place - 1].free)
    _write(steps, low, when, steps[low - 1].free)
    return low, count + 1


@kernel
def _join(steps: Sequence[Step], base: int, count: int, place: int) -> int:
    """Drop a step that is as the one before."""
    if place == base or steps[place].free != steps[place - 1].free or steps[place].when == NEVER:
        return count
    for later in range(place, base + count - 1):
        _write(steps, later, steps[later + 1].when, steps[later + 1].free)
    return count - 1


@kernel
def _write(steps: Sequence[Step], place: int, when: int, free: int) -> None:
    here = steps[place]
    here.when = when
    here.free = free
