"""What a shadow remembers of sites and jobs: its tables, and how they begin."""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.ends import End
from foedus.core.placement.kernels import NEVER
from foedus.core.placement.tables import put_column, table, zeros
from foedus.core.placement.timeline import Run
from foedus.core.placement.waiting import Node, leaves_for, trees


class Job:
    """What is known of a job when it is submitted. Jobs stand in the order of their home and, there, of arrival."""

    __slots__ = ("home", "limit", "submit", "width")
    home: int
    """Its partner's own site."""
    submit: int
    """Seconds."""
    width: int
    """Units: processors, GPUs or nodes."""
    limit: int
    """Seconds."""


class Alone:
    """What becomes of a job alone."""

    __slots__ = ("end", "left", "run", "start")
    run: int
    """Seconds it runs; -1 until it is known, and where it left."""
    left: int
    """When it was taken out, whether it waited or ran; `NEVER` if not."""
    start: int
    """`NEVER` until then, as `end`."""
    end: int


class Change:
    """A change of a site's size."""

    __slots__ = ("units", "when")
    when: int
    units: int
    """How many more it has from then on, or fewer. What runs then goes on."""


class Home:
    """A site in its shadow."""

    __slots__ = (
        "arrived",
        "changed",
        "changes",
        "clock",
        "ended",
        "ends",
        "first",
        "free",
        "gone",
        "head",
        "jobs",
        "known",
        "leavers",
        "leaves",
        "reserved",
        "room",
        "running",
        "spare",
        "started",
        "told",
        "tree",
        "undone",
    )
    first: int
    """The index of its first job."""
    jobs: int
    """How many it has."""
    tree: int
    """Where its trees begin; they have so many `leaves`."""
    leaves: int
    room: int
    """Where its running jobs and their ends begin."""
    free: int
    """Less than nothing, where it has shrunk below what runs."""
    clock: int
    """Everything up to and with this instant has been done."""
    told: int
    """Of how many of its jobs it knows; so many of them have `arrived` by its clock."""
    arrived: int
    leavers: int
    """Of how many it knows that they left; so many of them have `gone` by its clock."""
    gone: int
    head: int
    """Which job, by its place in the order of arrival, has the reservation; -1 if nothing waits."""
    reserved: int
    """When that will start at the latest."""
    spare: int
    """What may run beyond that."""
    running: int
    """How many run; the ends of so many of them are known: `ends`."""
    ends: int
    started: int
    """How many were started, how many have `ended`."""
    ended: int
    undone: int
    """How many starts still stand of those that were there when somebody last looked."""
    changes: int
    """Where the changes of its size begin, by time; so many of them are `known`, and have `changed` it by its clock."""
    known: int
    changed: int


class Shadow(NamedTuple):
    """The state of all sites' shadows."""

    jobs: Sequence[Job]
    alone: Sequence[Alone]
    homes: Sequence[Home]
    waiting: Sequence[Node]
    running: Sequence[Run]
    ends: Sequence[End]
    started: MutableSequence[int]
    """In each home's stretch of the jobs: those that were started, in that order; so `ended`, and those that `left`."""
    ended: MutableSequence[int]
    left: MutableSequence[int]
    changes: Sequence[Change]


def shadow(
    jobs: Sequence[Job],
    counts: Sequence[int],
    capacity: NDArray[np.int64],
    changes: Sequence[Sequence[tuple[int, int]]] = (),
) -> Shadow:
    """Begin with nothing submitted, for so many jobs and units by home, and its changes: when, and units more or fewer.

    Changes are sorted by time, and never take more than there is.
    """
    homes = table(Home, len(counts))
    planned = table(Change, sum(len(each) for each in changes))
    _plan(homes, planned, changes)
    begin = base = room = 0
    for site, (home, count, units) in enumerate(zip(homes, counts, capacity.tolist(), strict=True)):
        home.first, home.jobs, home.tree, home.leaves, home.room = begin, count, base, leaves_for(count), room
        home.free, home.clock, home.head = units, -NEVER, -1
        begin += count
        base += 2 * home.leaves
        room += min(count, units + sum(more for _, more in changes[site] if more > 0) if changes else units)
    alone = table(Alone, begin)
    put_column(alone, "run", -1)
    for name in ("start", "end", "left"):
        put_column(alone, name, NEVER)
    return Shadow(
        jobs=jobs,
        alone=alone,
        homes=homes,
        waiting=trees(base // 2),
        running=table(Run, room),
        ends=table(End, room),
        started=zeros(begin),
        ended=zeros(begin),
        left=zeros(begin),
        changes=planned,
    )


def _plan(homes: Sequence[Home], planned: Sequence[Change], changes: Sequence[Sequence[tuple[int, int]]]) -> None:
    place = 0
    for home, each in zip(homes, changes, strict=False):
        home.changes, home.known = place, len(each)
        for when, units in each:
            planned[place].when, planned[place].units = when, units
            place += 1
