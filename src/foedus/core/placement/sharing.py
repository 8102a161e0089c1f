"""What is left when everybody who is due has started: own jobs before their time, and guests."""

from collections.abc import Sequence

from foedus.core.placement.guarantee import start_due
from foedus.core.placement.guard import credit, delay_rate, price
from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.reality import Place, Reality, is_allowed, keep_room, may_leave, start
from foedus.core.placement.waiting import Node, first, oldest


@kernel
def decide(state: Reality, now: int) -> None:
    """Start everything that can start now, wherever something has changed."""
    start_due(state, now)
    changed = True
    while changed:
        changed = False
        for site in range(len(state.places)):
            if state.places[site].dirty:
                state.places[site].dirty = False
                changed = True
                _share(state, site, now)


@kernel
def arrive(state: Reality, job: int, now: int) -> None:
    """Place a job that just came and is not due; nothing older could start, so it alone is looked at."""
    site, width = state.jobs[job].home, state.jobs[job].width
    home = state.places[site]
    if home.head < 0 and home.free < width:
        home.dirty = True
    elif _fits(state, home, job, now) and may_start_early(state, job, now):
        _begin(state, job, site, now)
        return
    if not may_leave(state, job):
        return
    best = -1
    left = NEVER
    for other in range(len(state.places)):
        place = state.places[other]
        if other == site or place.free - width >= left:
            continue
        if _fits(state, place, job, now) and may_host(state, job, other, now):
            best = other
            left = place.free - width
    if best >= 0:
        _host(state, job, best, now)


@small
def _fits(state: Reality, place: Place, job: int, now: int) -> bool:
    """Say whether units are free and the reservation of the site is left alone."""
    width = state.jobs[job].width
    return width <= place.free and (
        width <= place.spare or state.jobs[job].limit - state.live[job].done <= place.reserved - now
    )


@kernel
def may_start_early(state: Reality, job: int, now: int) -> bool:
    """Say whether a job of the site's own may start before it would alone."""
    if state.live[job].preemptible:
        return True
    if not state.rules[0].guarded:
        return False
    site = state.jobs[job].home
    left = state.places[site].free - state.jobs[job].width
    return left >= state.alone.homes[site].free or credit(state, site, now) > state.rules[0].seed


@kernel
def may_host(state: Reality, job: int, site: int, now: int) -> bool:
    """Say whether a site may take a guest for whom it has units."""
    if not is_allowed(state, job, site):
        return False
    if state.live[job].preemptible:
        return True
    left = state.places[site].free - state.jobs[job].width
    if not state.rules[0].guarded or left < state.rules[0].unseen * state.alone.homes[site].free:
        return False
    return credit(state, site, now) >= _price(state, job, site, left, now)


@small
def _price(state: Reality, job: int, site: int, left: int, now: int) -> int:
    return price(delay_rate(state, site, left, now), state.jobs[job].limit + state.live[job].staging)


@kernel
def _host(state: Reality, job: int, site: int, now: int) -> None:
    """Start a guest."""
    live, place = state.live[job], state.places[site]
    if not live.preemptible:
        live.price = _price(state, job, site, place.free - state.jobs[job].width, now)
        place.lent += live.price
    _begin(state, job, site, now)


@kernel
def _begin(state: Reality, job: int, site: int, now: int) -> None:
    """Start a job beside a reservation."""
    place, asked = state.places[site], state.jobs[job]
    if asked.limit - state.live[job].done > place.reserved - now:
        place.spare -= asked.width
    start(state, job, site, now)


@kernel
def _share(state: Reality, site: int, now: int) -> None:
    """Look through everybody who waits for what fits at one site."""
    home = state.alone.homes[site]
    keep_room(state, site, oldest(state.urgent, home.tree, home.leaves, 0))
    _guests(state, state.urgent, site, now)
    if state.places[site].head < 0:
        _own_in_order(state, site, now)
    _own_filling(state, site, now)
    _guests(state, state.leaving, site, now)


@kernel
def _own_in_order(state: Reality, site: int, now: int) -> None:
    """Start own jobs in the order of arrival up to the first for which there is no room; it has the reservation."""
    home, place = state.alone.homes[site], state.places[site]
    leaf = oldest(state.own, home.tree, home.leaves, 0)
    while leaf >= 0:
        job = home.first + leaf
        if state.jobs[job].width > place.free:
            keep_room(state, site, leaf)
            return
        if may_start_early(state, job, now):
            start(state, job, site, now)
        leaf = oldest(state.own, home.tree, home.leaves, leaf + 1)


@kernel
def _own_filling(state: Reality, site: int, now: int) -> None:
    """Start own jobs that leave the reservation alone."""
    home, place = state.alone.homes[site], state.places[site]
    if place.head < 0:
        return
    slack = place.reserved - now
    leaf = 0
    while True:
        leaf = first(state.own, home.tree, home.leaves, leaf, place.free, place.spare, slack)
        if leaf < 0:
            return
        job = home.first + leaf
        if leaf != place.head and may_start_early(state, job, now):
            _begin(state, job, site, now)
        leaf += 1


@kernel
def _guests(state: Reality, nodes: Sequence[Node], site: int, now: int) -> None:
    """Start guests, the oldest first, as long as any fits."""
    place = state.places[site]
    for other in range(len(state.places)):
        state.places[other].cursor = 0
        if other == site or nodes[state.alone.homes[other].tree + 1].width > place.free:
            state.places[other].cursor = -1
    while True:
        chosen = -1
        for other in range(len(state.places)):
            if state.places[other].cursor < 0:
                continue
            job = _next_guest(state, nodes, other, site, now)
            if job >= 0 and (chosen < 0 or state.jobs[job].submit < state.jobs[chosen].submit):
                chosen = job
        if chosen < 0:
            return
        _host(state, chosen, site, now)


@kernel
def _next_guest(state: Reality, nodes: Sequence[Node], other: int, site: int, now: int) -> int:
    """Return the next job of another home that the site may take, from its cursor on; -1 if none."""
    home, place, queue = state.alone.homes[other], state.places[site], state.places[other]
    slack = place.reserved - now
    leaf = queue.cursor
    while True:
        leaf = first(nodes, home.tree, home.leaves, leaf, place.free, place.spare, slack)
        queue.cursor = leaf
        if leaf < 0:
            return -1
        if may_host(state, home.first + leaf, site, now):
            return home.first + leaf
        leaf += 1
