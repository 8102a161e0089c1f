"""What really waits and runs at the sites of an alliance.

Three things can happen to a job: it starts, it is recalled, it ends. A job's *progress* is how much of its run time is
behind it. A recall keeps it, less the restart cost of the job (all of it, where the job has no checkpoint).
"""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.alone import Job, Shadow, shadow
from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.tables import numbers, put_column, table, zeros
from foedus.core.placement.timeline import Run, insert, remove, reserve
from foedus.core.placement.waiting import Node, put, take, trees

NOWHERE = -1


class Live:
    """A job in reality."""

    __slots__ = (
        "begun",
        "done",
        "due",
        "end",
        "kind",
        "lost",
        "over",
        "preemptible",
        "price",
        "recalls",
        "restart",
        "since",
        "site",
        "staging",
        "touched",
    )
    preemptible: bool
    restart: int
    """Seconds of progress that a recall costs at most."""
    staging: int
    """Seconds that its data need, where it is a guest, before it makes progress."""
    kind: int
    """Its row in `allowed`."""
    site: int
    """Where it runs, or `NOWHERE`."""
    since: int
    """Since when it makes progress there; it had `done` so many seconds before."""
    done: int
    due: bool
    """Whether it would have started alone by now, and since when: `begun`."""
    begun: int
    over: bool
    end: int
    price: int
    """What its host has lent it, in job-seconds."""
    recalls: int
    lost: int
    """Progress that recalls have cost it, in seconds."""
    touched: bool
    """Whether it is among the `changed`."""


class Place:
    """A site in reality."""

    __slots__ = (
        "absent",
        "banked",
        "changed",
        "counts",
        "cursor",
        "dirty",
        "due_since",
        "free",
        "head",
        "lent",
        "marks",
        "opened",
        "own",
        "own_since",
        "pressing",
        "reserved",
        "room",
        "running",
        "seen",
        "soft",
        "spare",
        "units",
    )
    units: int
    """Its size; so many of them are out of service: `absent`."""
    absent: int
    changed: int
    """How many of the known changes of its size (`foedus.core.placement.shadow.Home`) have happened."""
    room: int
    """Where its running jobs begin; so many are `running`."""
    running: int
    free: int
    soft: int
    """Units that could be recalled for a job of its own that is due."""
    head: int
    """Which waiting job of its own, by its place in the order of arrival, has the reservation; -1 for none."""
    reserved: int
    """When that will start at the latest; `spare` may run beyond that."""
    spare: int
    dirty: bool
    """Whether something changed since it was looked through."""
    pressing: bool
    """Whether a job of its own waits that is due."""
    cursor: int
    """How far its queue has been looked through for another site."""
    marks: int
    """How many of its jobs are due; the sum of their beginnings alone: `due_since`."""
    due_since: int
    own: int
    """How many of its jobs run or are over, the sum of their beginnings, and what recalled ones had done by then."""
    own_since: int
    banked: int
    lent: int
    """The prices of the guests that run here."""
    seen: int
    """How many jobs of its own have come, since `opened`; their widths are counted from `counts` on."""
    opened: int
    counts: int


class Rules:
    """What the agreement says, in one row."""

    __slots__ = ("caution", "changes", "guarded", "seed", "unseen")
    guarded: bool
    """Whether jobs that cannot be preempted may run early or abroad, under the mean guarantee; else they start at home,
    when they would alone."""
    unseen: float
    """Share of the units which are free at a site alone that guests who cannot be preempted leave free (a)."""
    caution: float
    """How much dearer than expected the delay of owners is counted (kappa)."""
    seed: int
    """Job-seconds that every site lends before it has gained any."""
    changes: int
    """How many jobs are in `changed`."""


class Reality(NamedTuple):
    """The state of an alliance."""

    alone: Shadow
    jobs: Sequence[Job]
    live: Sequence[Live]
    places: Sequence[Place]
    rules: Sequence[Rules]
    allowed: Sequence[int]
    """By kind and site: whether such a job may be a guest there."""
    own: Sequence[Node]
    """Who waits and is not due, by home; those of them that may leave; and who waits and is due."""
    leaving: Sequence[Node]
    urgent: Sequence[Node]
    running: Sequence[Run]
    widths: MutableSequence[int]
    """By site: its own jobs so far by width, as sums of a binary indexed tree (Fenwick 1994)."""
    marked: MutableSequence[int]
    """In each home's stretch of the jobs: which are due, in the order in which they became it."""
    changed: MutableSequence[int]
    """The jobs that were started or recalled since somebody last looked."""


def reality(
    jobs: Sequence[Job],
    counts: Sequence[int],
    capacity: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    changes: Sequence[Sequence[tuple[int, int]]] = (),
) -> Reality:
    """Begin with nothing submitted and everything free; `allowed` has a row for each kind of job.

    `changes` are those of the shadow; units that are there at times only are part of `capacity`.
    """
    alone = shadow(jobs, counts, capacity, changes)
    places = table(Place, len(counts))
    room = widths = 0
    for place, units in zip(places, capacity.tolist(), strict=True):
        place.units = place.free = units
        place.room, place.head, place.opened = room, -1, -1
        place.reserved, place.spare = NEVER, NEVER
        place.counts = widths
        room += min(units, len(jobs))
        widths += units + 1
    live = table(Live, len(jobs))
    put_column(live, "site", NOWHERE)
    put_column(live, "end", NEVER)
    leaves = len(alone.waiting) // 2
    return Reality(
        alone=alone,
        jobs=jobs,
        live=live,
        places=places,
        rules=table(Rules, 1),
        allowed=numbers(allowed.ravel()),
        own=trees(leaves),
        leaving=trees(leaves),
        urgent=trees(leaves),
        running=table(Run, room),
        widths=zeros(widths),
        marked=zeros(len(jobs)),
        changed=zeros(len(jobs)),
    )


@small
def is_allowed(state: Reality, job: int, site: int) -> bool:
    """Say whether a job may be a guest at a site."""
    return state.allowed[state.live[job].kind * len(state.places) + site] != 0


@small
def is_soft(state: Reality, job: int) -> bool:
    """Say whether a running job may be recalled for the site's own: it is a guest, or runs before its time."""
    live = state.live[job]
    return live.preemptible and (live.site != state.jobs[job].home or not live.due)


@kernel
def wait(state: Reality, job: int) -> None:
    """Put a job among those that wait."""
    asked, live = state.jobs[job], state.live[job]
    home = state.alone.homes[asked.home]
    leaf = job - home.first
    limit = asked.limit - live.done
    if live.due:
        put(state.urgent, home.tree, home.leaves, leaf, asked.width, limit)
        state.places[asked.home].pressing = True
    else:
        put(state.own, home.tree, home.leaves, leaf, asked.width, limit)
        if may_leave(state, job):
            put(state.leaving, home.tree, home.leaves, leaf, asked.width, limit)


@kernel
def may_leave(state: Reality, job: int) -> bool:
    """Say whether a job may run anywhere but at home."""
    if not (state.live[job].preemptible or state.rules[0].guarded):
        return False
    home = state.jobs[job].home
    for site in range(len(state.places)):  # noqa: SIM110 - a generator cannot be compiled
        if site != home and is_allowed(state, job, site):
            return True
    return False


@kernel
def wait_no_more(state: Reality, job: int) -> None:
    """Take a job out of those that wait."""
    site = state.jobs[job].home
    home = state.alone.homes[site]
    leaf = job - home.first
    if state.live[job].due:
        take(state.urgent, home.tree, home.leaves, leaf)
    else:
        take(state.own, home.tree, home.leaves, leaf)
        take(state.leaving, home.tree, home.leaves, leaf)
    if state.places[site].head == leaf:
        state.places[site].dirty = True


@kernel
def start(state: Reality, job: int, site: int, now: int) -> None:
    """Start a waiting job."""
    asked, live, place = state.jobs[job], state.live[job], state.places[site]
    wait_no_more(state, job)
    live.site = site
    live.since = now
    if site != asked.home:
        live.since += live.staging
    place.free -= asked.width
    if is_soft(state, job):
        place.soft += asked.width
    insert(state.running, place.room, place.running, job, asked.width, live.since + asked.limit - live.done)
    place.running += 1
    home = state.places[asked.home]
    home.own += 1
    home.own_since += live.since
    touch(state, job)


@kernel
def recall(state: Reality, job: int, now: int) -> None:
    """Take a running job back; it waits again, at its old place."""
    live = state.live[job]
    home = state.places[state.jobs[job].home]
    ran = max(0, now - live.since)
    lost = min(live.done + ran, live.restart)
    home.own -= 1
    home.own_since -= live.since
    home.banked += ran - lost
    _leave(state, job)
    live.lost += lost
    live.recalls += 1
    live.done += ran - lost
    wait(state, job)
    touch(state, job)


@kernel
def finish(state: Reality, job: int, now: int) -> None:
    """Note that a running job has ended."""
    _leave(state, job)
    state.live[job].over = True
    state.live[job].end = now


@kernel
def _leave(state: Reality, job: int) -> None:
    asked, live = state.jobs[job], state.live[job]
    place = state.places[live.site]
    if state.urgent[state.alone.homes[live.site].tree + 1].width != NEVER:
        place.pressing = True
    remove(state.running, place.room, place.running, job, live.since + asked.limit - live.done)
    place.running -= 1
    if is_soft(state, job):
        place.soft -= asked.width
    place.free += asked.width
    place.lent -= live.price
    place.dirty = True
    live.price = 0
    live.site = NOWHERE


@kernel
def keep_room(state: Reality, site: int, leaf: int) -> None:
    """Give a job of the site's own the reservation; with -1 nobody has it."""
    place = state.places[site]
    place.head = leaf
    place.reserved = NEVER
    place.spare = NEVER
    if leaf >= 0:
        width = state.jobs[state.alone.homes[site].first + leaf].width
        when, spare = reserve(state.running, place.room, place.running, place.free, width)
        place.reserved = when
        place.spare = spare


@small
def touch(state: Reality, job: int) -> None:
    """Remember that a job was started or recalled."""
    rules = state.rules[0]
    if not state.live[job].touched:
        state.live[job].touched = True
        state.changed[rules.changes] = job
        rules.changes += 1
