"""The stand-alone guarantee: a job that would have started alone starts now, and what stands in its way is recalled.

Why no job that can be recalled with its progress is later than alone, at any restart cost (docs/explanation/guarantee):
a job runs early or abroad only with more progress than it would have alone. When it becomes *due*, its lead over itself
alone stays what it is as long as it runs. If the lead pays for a restart it may go on abroad; if not it comes home at
once, where it loses nothing, since alone it would only begin now. At home there is always room: what is due and at home
runs alone at this moment too, so it fits together, and everything else there can be recalled.
"""

from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.reality import NOWHERE, Reality, is_soft, keep_room, recall, start, wait, wait_no_more
from foedus.core.placement.waiting import first, oldest


@kernel
def settle(state: Reality, site: int, now: int) -> None:
    """Take over from a site's shadow what has become due, and what is so no more since the shadow went back."""
    home, place = state.alone.homes[site], state.places[site]
    keep = min(home.undone, place.marks)
    for mark in range(home.first + keep, home.first + place.marks):
        job = state.marked[mark]
        place.due_since -= state.live[job].begun
        _turn(state, job, due=False)
    place.marks = home.started
    for mark in range(home.first + keep, home.first + place.marks):
        job = state.alone.started[mark]
        state.marked[mark] = job
        state.live[job].begun = state.alone.alone[job].start
        place.due_since += state.live[job].begun
        _turn(state, job, due=True)
    for mark in range(home.first + keep, home.first + place.marks):
        _bring_home(state, state.marked[mark], now)
    home.undone = home.started


@kernel
def _turn(state: Reality, job: int, due: bool) -> None:  # noqa: FBT001 - compiled functions have no keyword-only arguments
    """Let a job be due, or not."""
    live, width = state.live[job], state.jobs[job].width
    if live.site == NOWHERE:
        if live.over:
            live.due = due
            return
        wait_no_more(state, job)
        live.due = due
        wait(state, job)
        return
    place = state.places[live.site]
    if is_soft(state, job):
        place.soft -= width
    live.due = due
    if is_soft(state, job):
        place.soft += width


@kernel
def _bring_home(state: Reality, job: int, now: int) -> None:
    """Bring a guest home that has become due and whose lead would not pay for a recall later."""
    live = state.live[job]
    if live.site != NOWHERE and live.done + live.begun - live.since < live.restart:
        _come_home(state, job, now)


@kernel
def resize(state: Reality, site: int, now: int) -> None:
    """Take over the changes of a site's size that have come.

    Before a site shrinks, those of its own jobs that are due come home: alone they run there now and go on, but when
    they are recalled later there might be no room for them.
    """
    place, home = state.places[site], state.alone.homes[site]
    while place.changed < home.known and state.alone.changes[home.changes + place.changed].when <= now:
        units = state.alone.changes[home.changes + place.changed].units
        for mark in range(home.first, home.first + (place.marks if units < 0 else 0)):
            _come_home(state, state.marked[mark], now)
        place.free += units
        place.absent -= units
        place.changed += 1
        place.dirty = True
        place.pressing = state.urgent[home.tree + 1].width != NEVER


@kernel
def _come_home(state: Reality, job: int, now: int) -> None:
    live, home = state.live[job], state.places[state.jobs[job].home]
    abroad = live.site not in (NOWHERE, state.jobs[job].home)
    if abroad and live.preemptible and home.free + home.soft >= state.jobs[job].width:
        recall(state, job, now)
        _start_due_job(state, job, now)


@kernel
def start_due(state: Reality, now: int) -> None:
    """Start at home whatever is due and fits once everything has been recalled that may be."""
    pressed = True
    while pressed:
        pressed = False
        for site in range(len(state.places)):
            if state.places[site].pressing:
                state.places[site].pressing = False
                state.places[site].dirty = True
                _start_due_at(state, site, now)
                pressed = True


@kernel
def _start_due_at(state: Reality, site: int, now: int) -> None:
    """Start them in the order of arrival; the first for which there is no room has the reservation."""
    place, home = state.places[site], state.alone.homes[site]
    leaf = oldest(state.urgent, home.tree, home.leaves, 0)
    while leaf >= 0 and state.jobs[home.first + leaf].width <= place.free + place.soft:
        _start_due_job(state, home.first + leaf, now)
        leaf = oldest(state.urgent, home.tree, home.leaves, leaf + 1)
    keep_room(state, site, leaf)
    slack = place.reserved - now
    while leaf >= 0:
        leaf = first(state.urgent, home.tree, home.leaves, leaf + 1, place.free + place.soft, place.spare, slack)
        if leaf >= 0:
            job = home.first + leaf
            if state.jobs[job].limit - state.live[job].done > slack:
                place.spare -= state.jobs[job].width
            _start_due_job(state, job, now)


@kernel
def _start_due_job(state: Reality, job: int, now: int) -> None:
    site = state.jobs[job].home
    _make_room(state, site, state.jobs[job].width, now)
    start(state, job, site, now)


@kernel
def _make_room(state: Reality, site: int, width: int, now: int) -> None:
    """Recall until so much is free: first what is not due, the youngest first."""
    place = state.places[site]
    while place.free < width:
        chosen = NOWHERE
        for spot in range(place.room, place.room + place.running):
            job = state.running[spot].job
            if is_soft(state, job) and (chosen == NOWHERE or _rather(state, job, chosen)):
                chosen = job
        recall(state, chosen, now)


@kernel
def _rather(state: Reality, job: int, other: int) -> bool:
    """Say whether a job should be recalled rather than the other."""
    one, two = state.live[job], state.live[other]
    if one.due != two.due:
        return two.due
    if one.since != two.since:
        return one.since > two.since
    return job > other
