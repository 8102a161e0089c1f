"""A shadow that is told things late, grows and is begun anew equals EASY over everything that happened."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foedus.core.placement.standalone import StandAlone, Standing

MANY = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
FOR_EVER = 10**7


@dataclass(slots=True, kw_only=True)
class Plain:
    """What happens to a job: it runs so long, or leaves at an instant."""

    submit: int
    width: int
    limit: int
    run: int | None
    left: int | None
    late: int
    """So many seconds later than it ends alone does its end become known."""


@st.composite
def histories(draw):
    """Draw a site, its changes of size, and its jobs."""
    units = draw(st.integers(1, 8))
    jobs = []
    for submit in sorted(draw(st.lists(st.integers(0, 120), max_size=25))):
        run = draw(st.integers(1, 40))
        leaves = draw(st.integers(0, 3)) == 0
        jobs.append(
            Plain(
                submit=submit,
                width=draw(st.integers(1, units)),
                limit=run + draw(st.integers(0, 40)),
                run=None if leaves else run,
                left=submit + draw(st.integers(0, 60)) if leaves else None,
                late=draw(st.sampled_from([0, 0, 0, 1, 30])),
            )
        )
    instants = sorted(draw(st.lists(st.integers(0, 150), max_size=3, unique=True)))
    return units, jobs, [(when, draw(st.integers(1, 8))) for when in instants]


def told_at_once(units, jobs, changes):
    """Tell everything before the clock moves."""
    shadow = StandAlone(units)
    for key, job in enumerate(jobs):
        shadow.submitted(key, job.submit, job.width, job.limit)
        if job.run is not None:
            shadow.ran(key, job.run)
    for key, job in sorted(enumerate(jobs), key=lambda pair: (pair[1].left or 0, pair[0])):
        if job.left is not None:
            shadow.leave(key, job.left)
    for when, size in changes:
        shadow.resized(size, when)
    shadow.advance(FOR_EVER)
    return {key: shadow.standing(key) for key in range(len(jobs))}


def told_late(units, jobs, changes, settled, *, again):
    """Tell everything when it becomes known; with `again` begin anew from what is known, every so many events."""
    events = [(job.submit, 0, key) for key, job in enumerate(jobs)]
    events += [(job.left, 1, key) for key, job in enumerate(jobs) if job.left is not None]
    events += [
        (settled[key].end + job.late, 2, key)
        for key, job in enumerate(jobs)
        if job.run is not None and settled[key].end is not None
    ]
    events += [(when, 3, size) for when, size in changes]
    shadow, starts = StandAlone(units), {}
    for count, (now, kind, which) in enumerate(sorted(events)):
        starts |= {key: shadow.standing(key).start for key in shadow.advance(now - 1)}
        if again and count % again == again - 1:
            shadow._renew()
        if kind == 0:
            shadow.submitted(which, now, jobs[which].width, jobs[which].limit)
        elif kind == 1:
            shadow.leave(which, now)
        elif kind == 2:
            shadow.ran(which, jobs[which].run)
        else:
            shadow.resized(which, now)
    starts |= {key: shadow.standing(key).start for key in shadow.advance(FOR_EVER)}
    return {key: start for key, start in starts.items() if start is not None}


def plain(units, jobs, changes):
    """EASY as plainly as can be: changes of size, ends, arrivals and leavers one by one, after each a look at all."""
    starts, waiting, running, came, gone = {}, [], [], 0, set()
    free = units
    leavers = sorted((job.left, key) for key, job in enumerate(jobs) if job.left is not None)
    changes = list(changes)
    size = units
    while True:
        ends = sorted((starts[key] + jobs[key].run, key) for key in running if jobs[key].run is not None)
        instants = [ends[0][0]] if ends else []
        instants += [changes[0][0]] if changes else []
        instants += [jobs[came].submit] if came < len(jobs) else []
        instants += [leavers[0][0]] if leavers else []
        if not instants:
            return starts
        now = min(instants)
        if changes and changes[0][0] == now:
            free += changes[0][1] - size
            size = changes.pop(0)[1]
        elif ends and ends[0][0] == now:
            running.remove(ends[0][1])
            free += jobs[ends[0][1]].width
        elif came < len(jobs) and jobs[came].submit == now:
            waiting.append(came)
            came += 1
        else:
            _, key = leavers.pop(0)
            gone.add(key)
            if key in running:
                running.remove(key)
                free += jobs[key].width
            else:
                waiting.remove(key)
        free = _start(jobs, (starts, waiting, running), free, now)


def _start(jobs, state, free, now):
    starts, waiting, running = state

    def begin(key):
        starts[key] = now
        waiting.remove(key)
        running.append(key)

    while waiting and jobs[waiting[0]].width <= free:
        free -= jobs[waiting[0]].width
        begin(waiting[0])
    if not waiting:
        return free
    limits = sorted({starts[key] + jobs[key].limit for key in running})
    enough = [
        (when, there)
        for when in limits
        if (there := free + sum(jobs[key].width for key in running if starts[key] + jobs[key].limit <= when))
        >= jobs[waiting[0]].width
    ]
    then, spare = (enough[0][0], enough[0][1] - jobs[waiting[0]].width) if enough else (10**15, 0)
    for key in waiting[1:]:
        short = now + jobs[key].limit <= then
        if jobs[key].width <= free and (short or jobs[key].width <= spare):
            free -= jobs[key].width
            spare -= 0 if short else jobs[key].width
            begin(key)
    return free


@MANY
@given(histories())
def test_it_is_plain_easy(history):
    starts = {key: one.start for key, one in told_at_once(*history).items() if one.start is not None}
    assert starts == plain(*history)


@MANY
@given(histories(), st.sampled_from([0, 1, 3]))
def test_what_is_told_late_changes_nothing_in_the_end(history, again):
    settled = told_at_once(*history)
    starts = {key: one.start for key, one in settled.items() if one.start is not None}
    late = told_late(*history, settled, again=again)
    assert {key: late.get(key) for key in starts} == starts


def test_it_forgets_what_ended_before_anything_began_that_is_open():
    shadow = StandAlone(2)
    for key in range(1000):
        shadow.submitted(key, 10 * key, 1, 5)
        shadow.ran(key, 5)
        assert shadow.advance(10 * key + 9) == [key]
    assert len(shadow) < 200
    shadow.submitted("open", 20_000, 2, 5)
    assert shadow.advance(20_000) == ["open"]
    assert shadow.standing("open") == Standing(submit=20_000, width=2, limit=5, start=20_000)


def test_a_site_that_shrinks_waits_until_what_runs_fits_again():
    shadow = StandAlone(4)
    for key, width in enumerate((2, 2, 1)):
        shadow.submitted(key, 0, width, 10)
    shadow.resized(2, 1)
    shadow.ran(0, 5)
    shadow.advance(20)
    assert shadow.standing(2).start is None
    shadow.ran(1, 8)
    assert shadow.advance(21) == [2]
    assert shadow.standing(2) == replace(shadow.standing(2), start=8)


@pytest.mark.parametrize("at", [3, 6])
def test_who_leaves_makes_room(at):
    """It ran from 0 on; whoever waits behind it starts when it is cancelled, told at once or late."""
    shadow = StandAlone(1)
    shadow.submitted("first", 0, 1, 100)
    shadow.submitted("second", 1, 1, 10)
    shadow.advance(6)
    shadow.leave("first", at)
    assert shadow.advance(9) == ["second"]
    assert shadow.standing("second").start == at
