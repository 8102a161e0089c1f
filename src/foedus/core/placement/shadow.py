"""What each partner's jobs would do on its own site alone: EASY backfilling, run beside reality.

A shadow learns of a job when it is submitted and of its run time when it really ended, never before. As long as nobody
is later than alone, that is early enough; where a job is late, its end alone lies in the past when it becomes known,
and the shadow goes back to that moment and runs on from there. So that after the last report it equals, job by job,
EASY run over the whole log afterwards.

EASY: jobs start in the order of arrival; the first that does not fit has a reservation at the moment when, by the
limits of what runs, it will; younger jobs start if they end before that moment or use only what the reservation leaves
over (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001). Every change of the site's size, every end, every arrival and
every cancellation is an event of its own; at the same instant they come in this order.
"""

from foedus.core.placement.alone import Home, Shadow
from foedus.core.placement.ends import pop, push
from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.timeline import insert, remove, reserve
from foedus.core.placement.waiting import first, oldest, put, take


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


@kernel
def leave(state: Shadow, job: int, now: int) -> None:
    """Learn that a job was taken out, later than everybody who was before; its run time is never known."""
    home = state.homes[state.jobs[job].home]
    state.alone[job].left = now
    state.left[home.first + home.leavers] = job
    home.leavers += 1
    if now <= home.clock:
        _go_back(state, home, now)


@kernel
def resized(state: Shadow, site: int, units: int, now: int) -> None:
    """Learn that a site has so many units more, or fewer, from now on, which is later than every change before."""
    home = state.homes[site]
    change = state.changes[home.changes + home.known]
    change.when = now
    change.units = units
    home.known += 1
    if now <= home.clock:
        _go_back(state, home, now)


@kernel
def resume(state: Shadow, site: int) -> None:
    """Let those wait and run who do so by what is written of them; the rest of the home's row is right already."""
    home = state.homes[site]
    for leaf in range(home.arrived):
        job = home.first + leaf
        asked, alone = state.jobs[job], state.alone[job]
        if alone.start == NEVER:
            if alone.left > home.clock:
                put(state.waiting, home.tree, home.leaves, leaf, asked.width, asked.limit)
        elif alone.end == NEVER:
            insert(state.running, home.room, home.running, job, asked.width, alone.start + asked.limit)
            home.running += 1
            home.free -= asked.width
    _gather_ends(state, home)
    home.head = -1


@small
def next_event(state: Shadow, home: Home) -> int:
    """Return when the next thing happens that is known of; `NEVER` if nothing is."""
    now = NEVER
    if home.ends:
        now = state.ends[home.room].when
    if home.arrived < home.told:
        now = min(now, state.jobs[home.first + home.arrived].submit)
    if home.gone < home.leavers:
        now = min(now, state.alone[state.left[home.first + home.gone]].left)
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
        if leaf >= home.told or state.jobs[home.first + leaf].submit != now:
            _take_out(state, home, now)
            _start_in_order(state, home, now)
            continue
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
def _take_out(state: Shadow, home: Home, now: int) -> None:
    """Take out the next job that leaves, wherever it is."""
    job = state.left[home.first + home.gone]
    home.gone += 1
    alone, asked = state.alone[job], state.jobs[job]
    if alone.start == NEVER:
        take(state.waiting, home.tree, home.leaves, job - home.first)
        return
    home.free += asked.width
    alone.end = now
    remove(state.running, home.room, home.running, job, alone.start + asked.limit)
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
    _bring_back(state, home, to)
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


@kernel
def _bring_back(state: Shadow, home: Home, to: int) -> None:
    """Let those wait again who left the queue from an instant on."""
    while home.gone and state.alone[state.left[home.first + home.gone - 1]].left >= to:
        home.gone -= 1
        job = state.left[home.first + home.gone]
        if state.alone[job].start == NEVER:
            put(state.waiting, home.tree, home.leaves, job - home.first, state.jobs[job].width, state.jobs[job].limit)
