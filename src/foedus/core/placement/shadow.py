"""What each partner's jobs would do on its own site alone: EASY backfilling, run beside reality.

A shadow learns of a job when it is submitted and of its run time when it really ended, never before. As long as nobody
is later than alone, that is early enough; where a job is late, its end alone lies in the past when it becomes known,
and the shadow goes back to that moment and runs on from there. So that after the last report it equals, job by job,
EASY run over the whole log afterwards.

EASY: jobs start in the order of arrival; the first that does not fit has a reservation at the moment when, by the
limits of what runs, it will; younger jobs start if they end before that moment or use only what the reservation leaves
over (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001). Every change of the site's size, every end and every arrival is an
event of its own; at the same instant they come in this order.
"""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.ends import End, pop, push
from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.tables import put_column, table, zeros
from foedus.core.placement.timeline import Run, insert, remove, reserve
from foedus.core.placement.waiting import Node, first, leaves_for, oldest, put, take, trees


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

    __slots__ = ("end", "run", "start")
    run: int
    """Seconds it runs; -1 until it is known."""
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
        "head",
        "jobs",
        "known",
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
    """In each home's stretch of the jobs: those that were started, in that order; so `ended`."""
    ended: MutableSequence[int]
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
    for home, count, units in zip(homes, counts, capacity.tolist(), strict=True):
        home.first, home.jobs, home.tree, home.leaves, home.room = begin, count, base, leaves_for(count), room
        home.free, home.clock, home.head = units, -NEVER, -1
        begin += count
        base += 2 * home.leaves
        room += min(count, units)
    alone = table(Alone, begin)
    put_column(alone, "run", -1)
    put_column(alone, "start", NEVER)
    put_column(alone, "end", NEVER)
    return Shadow(
        jobs=jobs,
        alone=alone,
        homes=homes,
        waiting=trees(base // 2),
        running=table(Run, room),
        ends=table(End, room),
        started=zeros(begin),
        ended=zeros(begin),
        changes=planned,
    )


def _plan(homes: Sequence[Home], planned: Sequence[Change], changes: Sequence[Sequence[tuple[int, int]]]) -> None:
    place = 0
    for home, each in zip(homes, changes, strict=False):
        home.changes, home.known = place, len(each)
        for when, units in each:
            planned[place].when, planned[place].units = when, units
            place += 1


@kernel
def submitted(state: Shadow, job: int) -> None:
    """Learn of a site's next job."""
    home = state.homes[state.jobs[job].home]
    home.told += 1
    if state.jobs[job].submit <= home.clock:
        _go_back(state, home, state.jobs[job].submit)


@kernel
def ran(state: Shadow, job: int, run: int) -> None:
    """Learn how long a job ran, in seconds."""
    home = state.homes[state.jobs[job].home]
    alone = state.alone[job]
    alone.run = run
    if alone.start == NEVER:
        return
    if alone.start + run <= home.clock:
        _go_back(state, home, alone.start + run)
    else:
        _expect(state, home, job)


@small
def next_event(state: Shadow, home: Home) -> int:
    """Return when the next thing happens that is known of; `NEVER` if nothing is."""
    now = NEVER
    if home.ends:
        now = state.ends[home.room].when
    if home.arrived < home.told:
        now = min(now, state.jobs[home.first + home.arrived].submit)
    if home.changed < home.known:
        now = min(now, state.changes[home.changes + home.changed].when)
    return now


@kernel
def advance(state: Shadow, site: int, until: int) -> None:
    """Do everything up to and with an instant."""
    home = state.homes[site]
    while True:
        now = next_event(state, home)
        if now > until:
            break
        if home.changed < home.known and state.changes[home.changes + home.changed].when == now:
            home.free += state.changes[home.changes + home.changed].units
            home.changed += 1
            _start_in_order(state, home, now)
            continue
        if home.ends and state.ends[home.room].when == now:
            _end(state, home, now)
            _start_in_order(state, home, now)
            continue
        leaf = home.arrived
        job = state.jobs[home.first + leaf]
        put(state.waiting, home.tree, home.leaves, leaf, job.width, job.limit)
        home.arrived += 1
        if home.head < 0:
            _start_in_order(state, home, now)
        else:
            _fill(state, home, leaf, now)
    home.clock = max(until, home.clock)


@kernel
def _start_in_order(state: Shadow, home: Home, now: int) -> None:
    """Start what fits in the order of arrival, reserve for the first that does not, and fill what that leaves."""
    leaf = oldest(state.waiting, home.tree, home.leaves, 0)
    while leaf >= 0 and state.jobs[home.first + leaf].width <= home.free:
        _start(state, home, leaf, now)
        leaf = oldest(state.waiting, home.tree, home.leaves, leaf + 1)
    home.head = leaf
    if leaf < 0:
        return
    width = state.jobs[home.first + leaf].width
    home.reserved, home.spare = reserve(state.running, home.room, home.running, home.free, width)
    _fill(state, home, leaf + 1, now)


@kernel
def _fill(state: Shadow, home: Home, leaf: int, now: int) -> None:
    """Start from `leaf` on what does not delay the reservation."""
    slack = home.reserved - now
    while True:
        leaf = first(state.waiting, home.tree, home.leaves, leaf, home.free, home.spare, slack)
        if leaf < 0:
            return
        job = state.jobs[home.first + leaf]
        if job.limit > slack:
            home.spare -= job.width
        _start(state, home, leaf, now)
        leaf += 1


@kernel
def _start(state: Shadow, home: Home, leaf: int, now: int) -> None:
    job = home.first + leaf
    asked = state.jobs[job]
    take(state.waiting, home.tree, home.leaves, leaf)
    home.free -= asked.width
    state.alone[job].start = now
    insert(state.running, home.room, home.running, job, asked.width, now + asked.limit)
    home.running += 1
    if state.alone[job].run >= 0:
        _expect(state, home, job)
    state.started[home.first + home.started] = job
    home.started += 1


@small
def _expect(state: Shadow, home: Home, job: int) -> None:
    alone = state.alone[job]
    push(state.ends, home.room, home.ends, job, alone.start + alone.run)
    home.ends += 1


@kernel
def _end(state: Shadow, home: Home, now: int) -> None:
    """End the job that ends soonest."""
    job = pop(state.ends, home.room, home.ends)
    home.ends -= 1
    asked = state.jobs[job]
    home.free += asked.width
    state.alone[job].end = now
    remove(state.running, home.room, home.running, job, state.alone[job].start + asked.limit)
    home.running -= 1
    state.ended[home.first + home.ended] = job
    home.ended += 1


@kernel
def _go_back(state: Shadow, home: Home, to: int) -> None:
    """Undo everything from an instant on."""
    while home.started:
        job = state.started[home.first + home.started - 1]
        alone, asked = state.alone[job], state.jobs[job]
        if alone.start < to:
            break
        if alone.end == NEVER:
            remove(state.running, home.room, home.running, job, alone.start + asked.limit)
            home.running -= 1
            home.free += asked.width
        alone.start = NEVER
        put(state.waiting, home.tree, home.leaves, job - home.first, asked.width, asked.limit)
        home.started -= 1
    while home.ended:
        job = state.ended[home.first + home.ended - 1]
        alone, asked = state.alone[job], state.jobs[job]
        if alone.end < to:
            break
        alone.end = NEVER
        if alone.start != NEVER:
            home.free -= asked.width
            insert(state.running, home.room, home.running, job, asked.width, alone.start + asked.limit)
            home.running += 1
        home.ended -= 1
    home.undone = min(home.undone, home.started)
    while home.arrived and state.jobs[home.first + home.arrived - 1].submit >= to:
        home.arrived -= 1
        take(state.waiting, home.tree, home.leaves, home.arrived)
    while home.changed and state.changes[home.changes + home.changed - 1].when >= to:
        home.changed -= 1
        home.free -= state.changes[home.changes + home.changed].units
    _gather_ends(state, home)
    home.head = -1
    home.clock = to - 1


@kernel
def _gather_ends(state: Shadow, home: Home) -> None:
    """Make the heap of the known ends of what runs anew."""
    home.ends = 0
    for place in range(home.room, home.room + home.running):
        job = state.running[place].job
        if state.alone[job].run >= 0:
            _expect(state, home, job)
