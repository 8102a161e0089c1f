"""Conservative backfilling, at every site alone: every job that waits has a reservation, not the first only.

A job is planned as it comes, at the earliest instant that delays nobody's reservation, if all use their whole limits.
Where a job ends early, those that wait move forward once, in the order of arrival and as far as they can without
delaying others (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001). Where the site's size changes all are planned anew, for
as long as there is a time for them. All ends of an instant come before what starts then.
"""

from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

import numpy as np

from foedus.core.placement.alone import Change
from foedus.core.placement.ends import End, pop, push
from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.tables import column, put_column, table, zeros
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.baselines.plan import Step, earliest, empty, forget, sooner, use
from foedus.sim.baselines.sites import changes_of
from foedus.sim.compiled import keep
from foedus.sim.workload import Numbers, Workload


class Job:
    """A job; jobs stand in the order of arrival."""

    __slots__ = ("end", "limit", "run", "start", "submit", "width")
    submit: int
    """Seconds, as `run` and `limit`."""
    run: int
    limit: int
    width: int
    """Units."""
    start: int
    """When it starts, as planned, or did; `NEVER` if there is no time for it."""
    end: int


class Counts:
    """How much there is of what, in one row."""

    __slots__ = ("came", "changed", "running", "soonest", "steps", "units", "waiting")
    units: int
    """The site's size now; so many of its changes have happened: `changed`."""
    changed: int
    came: int
    """Jobs; so many of them are `waiting` and so many `running`."""
    waiting: int
    running: int
    soonest: int
    """When the first of those that wait starts; `NEVER` if none does."""
    steps: int
    """Of the plan."""


class Site(NamedTuple):
    """The state of one site."""

    jobs: Sequence[Job]
    counts: Sequence[Counts]
    waiting: MutableSequence[int]
    """Who waits, in the order of arrival."""
    ends: Sequence[End]
    steps: Sequence[Step]
    changes: Sequence[Change]


def conservative(alliance: Alliance, _: Terms) -> Outcome:
    """Run every site of an alliance so."""
    return alliance.once(np.concatenate([_alone(site) for site in alliance.sites]), alliance.home)


def _alone(log: Workload) -> Numbers:
    keep()
    jobs = table(Job, log.jobs)
    for name in ("submit", "run", "width", "limit"):
        put_column(jobs, name, getattr(log, name))
    state = Site(
        jobs=jobs,
        counts=table(Counts, 1),
        waiting=zeros(log.jobs),
        ends=table(End, min(log.jobs, log.capacity)),
        steps=table(Step, 2 * log.jobs + 2),
        changes=changes_of(log.changes),
    )
    counts = state.counts[0]
    counts.units, counts.soonest = log.capacity, NEVER
    counts.steps = empty(state.steps, 0, 0, log.capacity)
    _run(state)
    return column(state.jobs, "end").copy()


@kernel
def _run(state: Site) -> None:
    counts = state.counts[0]
    while True:
        now = counts.soonest
        if counts.came < len(state.jobs):
            now = min(now, state.jobs[counts.came].submit)
        if counts.running:
            now = min(now, state.ends[0].when)
        if counts.changed < len(state.changes):
            now = min(now, state.changes[counts.changed].when)
        if now == NEVER:
            return
        counts.steps = forget(state.steps, 0, counts.steps, now)
        early = _end(state, now)
        if _resize(state, now):
            _plan_anew(state, now)
        elif early:
            _move_forward(state, now)
        while counts.came < len(state.jobs) and state.jobs[counts.came].submit == now:
            _arrive(state, now)
        if counts.soonest == now:
            _start_planned(state, now)


@kernel
def _end(state: Site, now: int) -> bool:
    """End what ends now; say whether anything of it had been planned for longer."""
    counts = state.counts[0]
    early = False
    while counts.running and state.ends[0].when == now:
        job = state.jobs[pop(state.ends, 0, counts.running)]
        counts.running -= 1
        job.end = now
        if job.run < job.limit:
            early = True
            counts.steps = use(state.steps, 0, counts.steps, now, job.start + job.limit, -job.width)
    return early


@kernel
def _resize(state: Site, now: int) -> bool:
    """Let the site's size change; say whether it does now."""
    counts = state.counts[0]
    before = counts.changed
    while counts.changed < len(state.changes) and state.changes[counts.changed].when == now:
        counts.units += state.changes[counts.changed].units
        counts.changed += 1
    return counts.changed > before


@kernel
def _plan_anew(state: Site, now: int) -> None:
    counts = state.counts[0]
    counts.soonest = NEVER
    counts.steps = empty(state.steps, 0, now, counts.units)
    for place in range(counts.running):
        job = state.jobs[state.ends[place].job]
        counts.steps = use(state.steps, 0, counts.steps, now, job.start + job.limit, job.width)
    for place in range(counts.waiting):
        _plan(state, state.waiting[place], now)


@kernel
def _plan(state: Site, job: int, now: int) -> None:
    """Plan a job as early as there is time for it."""
    counts, asked = state.counts[0], state.jobs[job]
    asked.start = earliest(state.steps, 0, now, asked.width, asked.limit)
    if asked.start != NEVER:
        counts.steps = use(state.steps, 0, counts.steps, asked.start, asked.start + asked.limit, asked.width)
        counts.soonest = min(counts.soonest, asked.start)


@kernel
def _move_forward(state: Site, now: int) -> None:
    counts = state.counts[0]
    counts.soonest = NEVER
    for place in range(counts.waiting):
        job = state.jobs[state.waiting[place]]
        start = sooner(state.steps, 0, now, job.width, job.limit, job.start)
        if start < job.start:
            if job.start != NEVER:
                counts.steps = use(state.steps, 0, counts.steps, job.start, job.start + job.limit, -job.width)
            counts.steps = use(state.steps, 0, counts.steps, start, start + job.limit, job.width)
            job.start = start
        counts.soonest = min(counts.soonest, start)


@kernel
def _arrive(state: Site, now: int) -> None:
    """Let the next job come, and plan it."""
    counts = state.counts[0]
    state.waiting[counts.waiting] = counts.came
    _plan(state, counts.came, now)
    counts.waiting += 1
    counts.came += 1


@kernel
def _start_planned(state: Site, now: int) -> None:
    """Start what is planned for now, and close up the queue."""
    counts = state.counts[0]
    left = 0
    counts.soonest = NEVER
    for place in range(counts.waiting):
        job = state.waiting[place]
        if state.jobs[job].start == now:
            _start(state, job, now)
        else:
            state.waiting[left] = job
            left += 1
            counts.soonest = min(counts.soonest, state.jobs[job].start)
    counts.waiting = left


@kernel
def _start(state: Site, job: int, now: int) -> None:
    counts = state.counts[0]
    push(state.ends, 0, counts.running, job, now + state.jobs[job].run)
    counts.running += 1
