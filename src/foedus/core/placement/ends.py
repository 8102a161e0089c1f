"""Ends that are to come at one site, the soonest first; of those at the same instant the lowest job: a binary heap.

The heaps of all sites lie in one table; one site's begins at `base` and has `count` rows.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import kernel


class End:
    """When a job ends."""

    __slots__ = ("job", "when")
    when: int
    job: int


@kernel
def push(heap: Sequence[End], base: int, count: int, job: int, when: int) -> None:
    """Add an end to `count` others."""
    node = count
    while node:
        above = (node - 1) >> 1
        parent = heap[base + above]
        if not _before(when, job, parent.when, parent.job):
            break
        _write(heap, base + node, parent.when, parent.job)
        node = above
    _write(heap, base + node, when, job)


@kernel
def pop(heap: Sequence[End], base: int, count: int) -> int:
    """Take the soonest of `count` ends out and return its job."""
    found = heap[base].job
    count -= 1
    last = heap[base + count]
    when, job = last.when, last.job
    node = 0
    while True:
        below = 2 * node + 1
        if below >= count:
            break
        child = heap[base + below]
        if below + 1 < count:
            other = heap[base + below + 1]
            if _before(other.when, other.job, child.when, child.job):
                below += 1
                child = other
        if not _before(child.when, child.job, when, job):
            break
        _write(heap, base + node, child.when, child.job)
        node = below
    _write(heap, base + node, when, job)
    return found


@kernel
def _before(when: int, job: int, than_when: int, than_job: int) -> bool:
    return when < than_when or (when == than_when and job < than_job)


@kernel
def _write(heap: Sequence[End], place: int, when: int, job: int) -> None:
    here = heap[place]
    here.when = when
    here.job = job
