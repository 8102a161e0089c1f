"""Earliest start: as a job comes it goes for good to the site that promises to start it first.

A site that can start it now is the first choice, its home before others. Else each site plans: what runs and what waits
there uses its whole limit, and in the order of submission each takes the earliest units that are left. So does a broker
that asks every site for its estimate; and it never asks again. Each site runs EASY.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.tables import put_column, table
from foedus.core.placement.waiting import oldest
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.baselines.plan import Step, draw_up, earliest, use
from foedus.sim.baselines.sites import (
    NOWHERE,
    Sites,
    begin,
    ended,
    happens,
    longest,
    look_through,
    may_run,
    next_event,
    queue,
    start_at_once,
)


class Plan:
    """Where a site's plan is: it has so many steps, and none if it has to be drawn up anew."""

    __slots__ = ("steps",)
    steps: int


def naive(alliance: Alliance, terms: Terms) -> Outcome:
    """Run an alliance so."""
    state = begin(alliance, terms)
    plans = table(Plan, len(state.sites))
    put_column(plans, "steps", 0)
    _run(state, plans, table(Step, _room(state) * len(plans)))
    return ended(alliance, state)


@kernel
def _room(state: Sites) -> int:
    """Return how many steps a plan has at most: each job adds two."""
    return 2 * len(state.jobs) + 2


@kernel
def _run(state: Sites, plans: Sequence[Plan], steps: Sequence[Step]) -> None:
    came = 0
    while True:
        now = next_event(state, came)
        if now == NEVER:
            return
        for site in range(len(state.sites)):
            while happens(state, site, now):
                look_through(state, now)
                plans[site].steps = 0
        while came < len(state.jobs) and state.jobs[came].submit == now:
            _arrive(state, plans, steps, came, now)
            came += 1


@kernel
def _arrive(state: Sites, plans: Sequence[Plan], steps: Sequence[Step], job: int, now: int) -> None:
    site = start_at_once(state, job, now)
    if site != NOWHERE:
        plans[site].steps = 0
        return
    asked = state.jobs[job]
    best = asked.home
    soonest = _promise(state, plans, steps, job, best, now)
    for site in range(len(state.sites)):
        if site != asked.home and may_run(state, job, site):
            when = _promise(state, plans, steps, job, site, now)
            if when < soonest:
                best, soonest = site, when
    queue(state, job, best)
    _plan(state, plans, steps, job, best, soonest)


@kernel
def _promise(state: Sites, plans: Sequence[Plan], steps: Sequence[Step], job: int, site: int, now: int) -> int:
    """Return when a site would start a job, by its plan."""
    place, base = state.sites[site], site * _room(state)
    if not plans[site].steps:
        plans[site].steps = draw_up(steps, base, now, place.free, state.running, place.room, place.running)
        other = oldest(state.waiting, place.tree, state.leaves, 0)
        while other >= 0:
            when = earliest(steps, base, now, state.jobs[other].width, longest(state, other, site))
            _plan(state, plans, steps, other, site, when)
            other = oldest(state.waiting, place.tree, state.leaves, other + 1)
    return earliest(steps, base, now, state.jobs[job].width, longest(state, job, site))


@kernel
def _plan(state: Sites, plans: Sequence[Plan], steps: Sequence[Step], job: int, site: int, when: int) -> None:
    """Put a job into a site's plan, unless the site promises nothing because it is drained."""
    if when != NEVER:
        end = when + longest(state, job, site)
        plans[site].steps = use(steps, site * _room(state), plans[site].steps, when, end, state.jobs[job].width)
