"""Dominant resource fairness: whoever holds least of the whole alliance has the next turn, at every site.

With one kind of units the dominant share of a partner is what its jobs hold of all units (Ghodsi et al., NSDI 2011),
and the rule is max-min fairness of that. At a site the oldest waiting job of the partner with the least share goes
first; if it does not fit it has the site's reservation, and others start in the same order where they leave that alone.
No partner counts for more because it has brought more.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.waiting import Node, first, put, take, trees
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.baselines.sites import Sites, begin, ended, happens, keep_room, next_event, start


def drf(alliance: Alliance, terms: Terms) -> Outcome:
    """Run an alliance so."""
    state = begin(alliance, terms)
    _run(state, trees(state.leaves * len(state.sites)))
    return ended(alliance, state)


@kernel
def _run(state: Sites, leaving: Sequence[Node]) -> None:
    """`leaving` has for each partner those of its waiting jobs that may leave; the queue of its own site has all."""
    came = 0
    while True:
        now = next_event(state, came)
        if now == NEVER:
            return
        for site in range(len(state.sites)):
            while happens(state, site, now):
                _hand_out(state, leaving, now)
        while came < len(state.jobs) and state.jobs[came].submit == now:
            _wait(state, leaving, came)
            _hand_out(state, leaving, now)
            came += 1


@kernel
def _wait(state: Sites, leaving: Sequence[Node], job: int) -> None:
    asked = state.jobs[job]
    home = state.sites[asked.home]
    put(state.waiting, home.tree, state.leaves, job, asked.width, asked.limit)
    if not asked.bound:
        put(leaving, home.tree, state.leaves, job, asked.width, asked.limit + asked.staging)


@kernel
def _hand_out(state: Sites, leaving: Sequence[Node], now: int) -> None:
    """Start what can start at all sites, until a whole round starts nothing."""
    changed = True
    while changed:
        changed = False
        for site in range(len(state.sites)):
            if _hand_out_at(state, leaving, site, now):
                changed = True


@kernel
def _hand_out_at(state: Sites, leaving: Sequence[Node], site: int, now: int) -> bool:
    """Start what can start at one site and say whether anything did."""
    place = state.sites[site]
    keep_room(state, -1, site)
    if _turn(state, leaving, site, place.free, place.free, 0) < 0:
        return False
    found = False
    while True:
        job = _turn(state, leaving, site, place.units, place.units, 0)
        if job < 0:
            return found
        if state.jobs[job].width > place.free:
            break
        _start(state, leaving, job, site, now)
        found = True
    keep_room(state, job, site)
    while True:
        job = _turn(state, leaving, site, place.free, place.spare, place.reserved - now)
        if job < 0:
            return found
        _start(state, leaving, job, site, now)
        found = True


@kernel
def _turn(state: Sites, leaving: Sequence[Node], site: int, free: int, spare: int, slack: int) -> int:
    """Return the oldest job that fits (`waiting.first`) of the partner who has least of those that have any; or -1."""
    chosen, least = -1, NEVER
    for partner in range(len(state.sites)):
        other = state.sites[partner]
        nodes = state.waiting if partner == site else leaving
        if nodes[other.tree + 1].width > free:
            continue
        job = first(nodes, other.tree, state.leaves, 0, free, spare, slack)
        if job >= 0 and (other.used < least or (other.used == least and job < chosen)):
            chosen, least = job, other.used
    return chosen


@kernel
def _start(state: Sites, leaving: Sequence[Node], job: int, site: int, now: int) -> None:
    take(leaving, state.sites[state.jobs[job].home].tree, state.leaves, job)
    start(state, job, site, now)
