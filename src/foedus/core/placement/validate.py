"""Check that the state of an alliance agrees with itself."""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER
from foedus.core.placement.reality import NOWHERE, Reality, is_soft
from foedus.core.placement.timeline import Run
from foedus.core.placement.waiting import Node


def validate(state: Reality) -> list[str]:
    """Return what does not fit together; nothing if all is well. It looks at everything: slow."""
    faults: list[str] = []
    for site in range(len(state.places)):
        faults += _shadow(state, site) + _place(state, site)
    return faults


def _shadow(state: Reality, site: int) -> list[str]:
    home, alone = state.alone.homes[site], state.alone
    jobs = range(home.first, home.first + home.jobs)
    running = [job for job in jobs if alone.alone[job].start != NEVER and alone.alone[job].end == NEVER]
    waiting = [job for job in jobs if job - home.first < home.arrived and alone.alone[job].start == NEVER]
    return [
        *_compare(f"site {site} alone: running", _running(alone.running, home.room, home.running), running),
        *_compare(f"site {site} alone: waiting", _waiting(alone.waiting, home.tree, home.leaves, home.first), waiting),
        *_sum(state, f"site {site} alone", home.free, running, _size(state, site, home.changed)),
    ]


def _place(state: Reality, site: int) -> list[str]:
    place, home = state.places[site], state.alone.homes[site]
    here = [job for job in range(len(state.jobs)) if state.live[job].site == site]
    soft = sum(state.jobs[job].width for job in here if is_soft(state, job))
    own = [
        job
        for job in range(home.first, home.first + home.told)
        if state.live[job].site == NOWHERE and not state.live[job].over
    ]
    due = [job for job in own if state.live[job].due]
    faults = [
        *_compare(f"site {site}: running", _running(state.running, place.room, place.running), here),
        *_compare(f"site {site}: due", _waiting(state.urgent, home.tree, home.leaves, home.first), due),
        *_compare(
            f"site {site}: waiting",
            _waiting(state.own, home.tree, home.leaves, home.first),
            [job for job in own if not state.live[job].due],
        ),
        *_sum(state, f"site {site}", place.free, here, place.units - place.absent),
    ]
    if soft != place.soft:
        faults.append(f"site {site}: {place.soft} units could be recalled, not {soft}")
    if place.free < 0 and not place.absent:
        faults.append(f"site {site}: {-place.free} units more in use than it has")
    return faults


def _running(runs: Sequence[Run], base: int, count: int) -> list[int]:
    return sorted(int(runs[place].job) for place in range(base, base + count))


def _waiting(nodes: Sequence[Node], base: int, leaves: int, first: int) -> list[int]:
    return [first + leaf for leaf in range(leaves) if nodes[base + leaves + leaf].width != NEVER]


def _compare(what: str, found: list[int], right: list[int]) -> list[str]:
    return [] if found == right else [f"{what}: {found}, not {right}"]


def _size(state: Reality, site: int, changed: int) -> int:
    begin = state.alone.homes[site].changes
    return state.places[site].units + sum(state.alone.changes[place].units for place in range(begin, begin + changed))


def _sum(state: Reality, what: str, free: int, running: list[int], units: int) -> list[str]:
    used = sum(state.jobs[job].width for job in running)
    return [] if free + used == units else [f"{what}: {free} free and {used} in use of {units}"]
