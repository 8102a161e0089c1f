"""Sites and jobs as the baselines have them: nobody is recalled, and nobody's stand-alone start is looked at.

Jobs stand in the order of their submission over all sites, and one is named by its place in it. A job may wait in the
queues of several sites; where it starts, it leaves all others. Each queue is a tree (`foedus.core.placement.waiting`)
over all jobs, and each site keeps one reservation, as EASY does. Every change of a site's size, every end and every
arrival is an event of its own; at the same instant arrivals come last, and of the others those of the first site first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from foedus.core.placement.alone import Change
from foedus.core.placement.ends import End, pop, push
from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.tables import column, put_column, table
from foedus.core.placement.timeline import Run, insert, remove, reserve
from foedus.core.placement.waiting import Node, first, leaves_for, oldest, put, take, trees
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.compiled import keep

NOWHERE = -1


class Job:
    """A job."""

    __slots__ = ("bound", "end", "home", "host", "limit", "run", "staging", "start", "submit", "width")
    home: int
    """Its partner's own site."""
    submit: int
    """Seconds, as `run` and `limit`."""
    run: int
    limit: int
    staging: int
    """Seconds that it needs for its data before it runs, where it is a guest."""
    width: int
    """Units."""
    bound: bool
    """Whether it may only run at home."""
    host: int
    """Where it started, and when; `NEVER` until then, as `end`."""
    start: int
    end: int


class Site:
    """A site."""

    __slots__ = (
        "changed",
        "changes",
        "dirty",
        "free",
        "head",
        "known",
        "reserved",
        "room",
        "running",
        "spare",
        "tree",
        "units",
        "used",
    )
    units: int
    """Its full size."""
    free: int
    """Less than nothing, where it has shrunk below what runs."""
    changes: int
    """Where the changes of its size begin; so many are `known`, and so many have happened: `changed`."""
    known: int
    changed: int
    used: int
    """Units that its own partner's jobs hold at all sites together."""
    room: int
    """Where its running jobs and their ends begin; so many are `running`."""
    running: int
    tree: int
    """Where its queue begins."""
    head: int
    """Which waiting job has the reservation; -1 for none."""
    reserved: int
    """When that will start at the latest; `NEVER` for nobody."""
    spare: int
    """What may run beyond that."""
    dirty: bool
    """Whether its queue has to be looked through."""


class Sites(NamedTuple):
    """The state of all sites."""

    jobs: Sequence[Job]
    sites: Sequence[Site]
    waiting: Sequence[Node]
    leaves: int
    """Of each queue."""
    running: Sequence[Run]
    ends: Sequence[End]
    changes: Sequence[Change]


def begin(alliance: Alliance, terms: Terms) -> Sites:
    """Return the state before the first submission."""
    keep()
    order = np.argsort(alliance.column("submit"), kind="stable")
    jobs = table(Job, len(order))
    put_column(jobs, "home", alliance.home[order])
    for name in ("submit", "run", "width", "limit"):
        put_column(jobs, name, alliance.column(name)[order])
    put_column(jobs, "bound", terms.draw(len(order)).bound[order])
    put_column(jobs, "staging", terms.staging)
    for name in ("host", "start", "end"):
        put_column(jobs, name, NEVER)
    sites = table(Site, len(alliance.sites))
    changes = [change for log in alliance.sites for change in log.changes]
    leaves = leaves_for(len(jobs))
    room = known = 0
    for place, (site, log) in enumerate(zip(sites, alliance.sites, strict=True)):
        site.units = site.free = log.capacity
        site.room, site.tree, site.head = room, 2 * leaves * place, -1
        site.reserved = site.spare = NEVER
        site.changes, site.known = known, len(log.changes)
        known += site.known
        room += min(log.capacity, len(jobs))
    return Sites(
        jobs=jobs,
        sites=sites,
        waiting=trees(leaves * len(sites)),
        leaves=leaves,
        running=table(Run, room),
        ends=table(End, room),
        changes=changes_of(changes),
    )


def changes_of(changes: Sequence[tuple[int, int]]) -> Sequence[Change]:
    """Return the table of what changes a size: when, and units more or fewer."""
    rows = table(Change, len(changes))
    for row, (when, units) in zip(rows, changes, strict=True):
        row.when, row.units = when, units
    return rows


def ended(alliance: Alliance, state: Sites) -> Outcome:
    """Read from a state at the end what became of all jobs."""
    order = np.argsort(alliance.column("submit"), kind="stable")
    end, host = np.empty_like(order), np.empty_like(order)
    end[order], host[order] = column(state.jobs, "end"), column(state.jobs, "host")
    return alliance.once(end, host)


@small
def may_run(state: Sites, job: int, site: int) -> bool:
    """Say whether a job may run at a site that is empty."""
    asked = state.jobs[job]
    return asked.width <= state.sites[site].units and (site == asked.home or not asked.bound)


@small
def longest(state: Sites, job: int, site: int) -> int:
    """Return how long a job holds its units at a site at most."""
    asked = state.jobs[job]
    return asked.limit if site == asked.home else asked.limit + asked.staging


@small
def fits(state: Sites, job: int, site: int, now: int) -> bool:
    """Say whether units are free for a job and the site's reservation is left alone."""
    place, width = state.sites[site], state.jobs[job].width
    return width <= place.free and (width <= place.spare or longest(state, job, site) <= place.reserved - now)


@kernel
def start_at_once(state: Sites, job: int, now: int) -> int:
    """Start a job that comes where it can, at home rather than elsewhere; return the site, or `NOWHERE`."""
    home = state.jobs[job].home
    if fits(state, job, home, now):
        start(state, job, home, now)
        return home
    for site in range(len(state.sites)):
        if may_run(state, job, site) and fits(state, job, site, now):
            start(state, job, site, now)
            return site
    return NOWHERE


@kernel
def queue(state: Sites, job: int, site: int) -> None:
    """Let a job wait at a site, with the reservation if nobody else waits there."""
    place, width = state.sites[site], state.jobs[job].width
    put(state.waiting, place.tree, state.leaves, job, width, longest(state, job, site))
    if place.head < 0:
        keep_room(state, job, site)


@kernel
def keep_room(state: Sites, job: int, site: int) -> None:
    """Give a job the reservation of a site; with -1 nobody has it."""
    place = state.sites[site]
    place.head = job
    place.reserved = NEVER
    place.spare = NEVER
    if job >= 0:
        width = state.jobs[job].width
        when, spare = reserve(state.running, place.room, place.running, place.free, width)
        place.reserved = when
        place.spare = spare


@kernel
def start(state: Sites, job: int, site: int, now: int) -> None:
    """Start a job, whether it waits or not, and take it out of all queues."""
    asked, place = state.jobs[job], state.sites[site]
    for other in range(len(state.sites)):
        queued = state.sites[other]
        take(state.waiting, queued.tree, state.leaves, job)
        if queued.head == job:
            queued.head = -1
            queued.dirty = True
    length = longest(state, job, site)
    if length > place.reserved - now:
        place.spare -= asked.width
    asked.host = site
    asked.start = now
    place.free -= asked.width
    state.sites[asked.home].used += asked.width
    insert(state.running, place.room, place.running, job, asked.width, now + length)
    push(state.ends, place.room, place.running, job, now + length - asked.limit + asked.run)
    place.running += 1


@kernel
def happens(state: Sites, site: int, now: int) -> bool:
    """Let a site's size change, or the next job there end; say whether either happens now."""
    place = state.sites[site]
    if place.changed < place.known and state.changes[place.changes + place.changed].when == now:
        place.free += state.changes[place.changes + place.changed].units
        place.changed += 1
        place.dirty = True
        return True
    if place.running and state.ends[place.room].when == now:
        _end_next(state, site, now)
        return True
    return False


@kernel
def _end_next(state: Sites, site: int, now: int) -> None:
    """End the job of a site that ends soonest."""
    place = state.sites[site]
    job = pop(state.ends, place.room, place.running)
    asked = state.jobs[job]
    asked.end = now
    place.free += asked.width
    state.sites[asked.home].used -= asked.width
    remove(state.running, place.room, place.running, job, asked.start + longest(state, job, site))
    place.running -= 1
    place.dirty = True


@kernel
def next_event(state: Sites, came: int) -> int:
    """Return when something happens next, where so many jobs have come; `NEVER` if nothing does."""
    now = NEVER
    if came < len(state.jobs):
        now = state.jobs[came].submit
    for site in range(len(state.sites)):
        place = state.sites[site]
        if place.running:
            now = min(now, state.ends[place.room].when)
        if place.changed < place.known:
            now = min(now, state.changes[place.changes + place.changed].when)
    return now


@kernel
def look_through(state: Sites, now: int) -> None:
    """Start by EASY whatever fits at the sites where something has changed."""
    changed = True
    while changed:
        changed = False
        for site in range(len(state.sites)):
            if state.sites[site].dirty:
                changed = True
                _easy(state, site, now)


@kernel
def _easy(state: Sites, site: int, now: int) -> None:
    """Start in the order of submission, reserve for the first that does not fit, and fill what that leaves."""
    place = state.sites[site]
    place.dirty = False
    keep_room(state, -1, site)
    job = oldest(state.waiting, place.tree, state.leaves, 0)
    while job >= 0 and state.jobs[job].width <= place.free:
        start(state, job, site, now)
        job = oldest(state.waiting, place.tree, state.leaves, job + 1)
    if job < 0:
        return
    keep_room(state, job, site)
    slack = place.reserved - now
    while job >= 0:
        job = first(state.waiting, place.tree, state.leaves, job + 1, place.free, place.spare, slack)
        if job >= 0:
            start(state, job, site, now)
