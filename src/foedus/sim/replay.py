"""Run workloads through the placement of an alliance, event by event."""

from collections.abc import MutableSequence, Sequence

from foedus.core.placement.ends import End, pop, push
from foedus.core.placement.guarantee import resize, settle
from foedus.core.placement.guard import see
from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.reality import NOWHERE, Reality, finish, wait
from foedus.core.placement.shadow import advance, next_event, ran, submitted
from foedus.core.placement.sharing import arrive, decide
from foedus.sim.watch import Watch, note


@kernel
def replay(
    state: Reality,
    run: Sequence[int],
    order: Sequence[int],
    ends: Sequence[End],
    counts: MutableSequence[int],
    seen: Watch,
    shadows: bool,  # noqa: FBT001 - compiled functions have no keyword-only arguments
) -> None:
    """Let everything happen; `run` is by job, `order` the jobs by submission.

    `ends` is room for the heaps of the sites, two stretches of what a site can run for each; `counts` by site is 0.
    Without `shadows` no partner's jobs are followed alone, so that nothing is ever due and nothing recalled.
    """
    came = 0
    while True:
        now = _next(state, order, came, ends, counts)
        if now == NEVER:
            return
        _end(state, run, ends, counts, seen, now)
        for site in range(len(state.places)):
            resize(state, site, now)
        fresh = came
        came = _come(state, order, came, now, shadows)
        for site in range(len(state.places)):
            if next_event(state.alone, state.alone.homes[site]) <= now:
                advance(state.alone, site, now)
            if state.alone.homes[site].undone != state.alone.homes[site].started:
                settle(state, site, now)
        decide(state, now)
        for place in range(fresh, came):
            job = order[place]
            live = state.live[job]
            if live.site == NOWHERE and not live.due and not live.over:
                arrive(state, job, now)
                decide(state, now)
        _note_ends(state, run, ends, counts, seen, now)


@kernel
def _come(state: Reality, order: Sequence[int], came: int, now: int, shadows: bool) -> int:  # noqa: FBT001 - as above
    """Let those jobs come that do now; return how many have."""
    while came < len(order) and state.jobs[order[came]].submit == now:
        job = order[came]
        see(state, state.jobs[job].home, state.jobs[job].width, now)
        if shadows:
            submitted(state.alone, job)
        wait(state, job)
        came += 1
    return came


@kernel
def _next(state: Reality, order: Sequence[int], came: int, ends: Sequence[End], counts: MutableSequence[int]) -> int:
    now = NEVER
    if came < len(order):
        now = state.jobs[order[came]].submit
    for site in range(len(state.places)):
        if counts[site]:
            now = min(now, ends[2 * state.places[site].room].when)
        now = min(now, next_event(state.alone, state.alone.homes[site]))
    return now


@kernel
def _end(
    state: Reality,
    run: Sequence[int],
    ends: Sequence[End],
    counts: MutableSequence[int],
    seen: Watch,
    now: int,
) -> None:
    """End what ends now; an end that a recall has put off is passed over."""
    for site in range(len(state.places)):
        base = 2 * state.places[site].room
        while counts[site] and ends[base].when == now:
            job = pop(ends, base, counts[site])
            counts[site] -= 1
            if state.live[job].site == site and _ends_at(state, run, job) == now:
                finish(state, job, now)
                ran(state.alone, job, run[job])
                note(seen, state, job, now)


@kernel
def _ends_at(state: Reality, run: Sequence[int], job: int) -> int:
    return state.live[job].since + run[job] - state.live[job].done


@kernel
def _note_ends(
    state: Reality,
    run: Sequence[int],
    ends: Sequence[End],
    counts: MutableSequence[int],
    seen: Watch,
    now: int,
) -> None:
    for change in range(state.rules[0].changes):
        job = state.changed[change]
        state.live[job].touched = False
        note(seen, state, job, now)
        site = state.live[job].site
        if site == NOWHERE:
            continue
        place = state.places[site]
        if counts[site] == _most(state, ends, site):
            _sweep(state, run, ends, counts, site)
        else:
            push(ends, 2 * place.room, counts[site], job, _ends_at(state, run, job))
            counts[site] += 1
    state.rules[0].changes = 0


@kernel
def _most(state: Reality, ends: Sequence[End], site: int) -> int:
    if site + 1 < len(state.places):
        return 2 * (state.places[site + 1].room - state.places[site].room)
    return len(ends) - 2 * state.places[site].room


@kernel
def _sweep(state: Reality, run: Sequence[int], ends: Sequence[End], counts: MutableSequence[int], site: int) -> None:
    """Keep only the ends of what runs: recalls leave ends behind that do not come."""
    place = state.places[site]
    counts[site] = 0
    for spot in range(place.room, place.room + place.running):
        job = state.running[spot].job
        push(ends, 2 * place.room, counts[site], job, _ends_at(state, run, job))
        counts[site] += 1
