"""Dependencies and throttles: who may go when a job ends."""

from itertools import pairwise

import pytest
from alliance import GRANTED, HOUR, Alliance, script

from foedus.core.base.errors import BadInput, Fault
from foedus.core.jobs.spec import Condition, Dependencies, Dependency
from foedus.core.jobs.state import JobState, Outcome
from foedus.flow.ports import Transaction
from foedus.flow.release import sweep
from foedus.wire.jobs import CancelReply

PENDING, CANCELLED, COMPLETED, FAILED = JobState.PENDING, JobState.CANCELLED, JobState.COMPLETED, JobState.FAILED
NEVER = "what it waits for can no longer happen (DependencyNeverSatisfied)"


def after(alliance: Alliance, condition: str, *more: str) -> str:
    return alliance.submit(text=script(more=[f"--dependency={condition}", *more])).id


def run(alliance: Alliance, *jobs: str, outcome: Outcome = Outcome.COMPLETED) -> None:
    alliance.says("jerusalem", 32)
    alliance.place()
    for job in jobs:
        alliance.run("jerusalem", job, outcome)


def test_a_job_that_waits_is_not_placed(alliance: Alliance):
    alliance.submit()
    waiting = after(alliance, "afterok:1")
    job = alliance.job(waiting)
    assert (job.state, job.held, job.reason) == (PENDING, True, "waits for 1 to succeed")
    alliance.says("jerusalem", 32)
    assert alliance.place() == 1
    assert alliance.states("1", waiting) == [JobState.BOUND, PENDING]


@pytest.mark.parametrize(
    ("condition", "outcome", "state", "held", "reason"),
    [
        ("afterok:1", Outcome.COMPLETED, PENDING, False, "waits for room at a site"),
        ("afterok:1", Outcome.FAILED, CANCELLED, False, NEVER),
        ("afternotok:1", Outcome.COMPLETED, CANCELLED, False, NEVER),
        ("afternotok:1", Outcome.TIMEOUT, PENDING, False, "waits for room at a site"),
        ("afterany:1", Outcome.COMPLETED, PENDING, False, "waits for room at a site"),
        ("afterany:1", Outcome.OUT_OF_MEMORY, PENDING, False, "waits for room at a site"),
    ],
)
def test_each_condition(alliance: Alliance, *, condition, outcome, state, held, reason):
    alliance.submit()
    waiting = after(alliance, condition)
    run(alliance, "1", outcome=outcome)
    job = alliance.job(waiting)
    assert (job.state, job.held, job.reason) == (state, held, reason)
    assert alliance.budget() == (GRANTED, 0, HOUR if state is PENDING else 0)


def test_all_of_them_and_any_of_them(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 2)
    every, either = after(alliance, "afterok:1:2"), after(alliance, "afterok:1?afternotok:2")
    run(alliance, "1")
    assert [alliance.job(name).held for name in (every, either)] == [True, False]
    run(alliance, "2", outcome=Outcome.FAILED)
    assert alliance.states(every, either) == [CANCELLED, JobState.BOUND]


def test_any_of_them_gives_up_only_when_none_can_happen(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 2)
    either = after(alliance, "afterok:1?afterok:2")
    run(alliance, "1", outcome=Outcome.FAILED)
    assert alliance.job(either).held is True
    run(alliance, "2", outcome=Outcome.FAILED)
    assert alliance.states(either) == [CANCELLED]


def test_what_is_over_already_counts_at_once(alliance: Alliance):
    alliance.submit()
    run(alliance, "1")
    ready = alliance.submit(text=script(more=["--dependency=afterok:1"]))
    never = alliance.submit(text=script(more=["--dependency=afternotok:1"]))
    assert (ready.state, alliance.job(ready.id).held) == (PENDING, False)
    assert never.state is CANCELLED
    assert alliance.kinds(never.id) == ["submitted", "admitted", "cancelled"]
    assert alliance.budget() == (GRANTED, 0, HOUR)


def test_cancelling_lets_those_who_wait_go_or_end(alliance: Alliance):
    alliance.submit()
    good, bad = after(alliance, "afterany:1"), after(alliance, "afterok:1")
    assert alliance.cancel("noa", "1").cancelled == ["1"]
    assert (alliance.job(good).held, alliance.job(bad).state) == (False, CANCELLED)
    assert alliance.budget() == (GRANTED, 0, HOUR)


def test_only_jobs_that_one_sees(alliance: Alliance):
    alliance.submit("aysel", script(project="metro"))
    with pytest.raises(BadInput) as caught:
        after(alliance, "afterok:1:77")
    assert caught.value.faults == tuple(
        Fault(path="dependency", fault=f"there is no job {job} that you could see", remedy="name jobs that you can see")
        for job in ("1", "77")
    )


def test_an_array_as_a_whole(alliance: Alliance):
    alliance.submit(text=script(more=["--array=0-2"]))
    whole, task, failed = after(alliance, "afterok:1"), after(alliance, "afterok:1_1"), after(alliance, "afternotok:1")
    run(alliance, "1_0", "1_1")
    assert [alliance.job(name).held for name in (whole, task, failed)] == [True, False, True]
    run(alliance, "1_2")
    assert [alliance.job(name).held for name in (whole, task, failed)] == [False, False, False]
    assert alliance.states(whole, failed) == [PENDING, CANCELLED]


def test_an_array_that_waits_keeps_its_throttle(alliance: Alliance):
    alliance.submit()
    array = after(alliance, "afterok:1", "--array=0-4%2")
    assert [alliance.job(f"{array}_{task}").held for task in range(5)] == [True] * 5
    run(alliance, "1")
    assert [alliance.job(f"{array}_{task}").held for task in range(5)] == [False, False, True, True, True]
    run(alliance, f"{array}_0")
    assert [alliance.job(f"{array}_{task}").held for task in range(5)] == [False, False, False, True, True]


def test_an_array_that_can_never_go_ends_whole(alliance: Alliance):
    alliance.submit()
    array = after(alliance, "afterok:1", "--array=0-4%2")
    last = after(alliance, f"afterany:{array}")
    run(alliance, "1", outcome=Outcome.FAILED)
    assert alliance.states(*(f"{array}_{task}" for task in range(5))) == [CANCELLED] * 5
    assert alliance.job(last).held is False
    assert alliance.budget() == (GRANTED, 0, HOUR)


def test_a_throttled_array_runs_through(alliance: Alliance):
    alliance.submit(text=script(more=["--array=0-6%3"]))
    seen = []
    for task in range(7):
        alliance.says("jerusalem", 32)
        alliance.place()
        seen.append(sum(state is JobState.BOUND for state in alliance.states(*(f"1_{one}" for one in range(7)))))
        alliance.run("jerusalem", f"1_{task}")
    assert seen == [3, 3, 3, 3, 3, 2, 1]
    assert alliance.budget() == (GRANTED, 0, 0)


def test_cancelling_held_back_tasks(alliance: Alliance):
    alliance.submit(text=script(more=["--array=0-4%2"]))
    assert alliance.cancel("noa", "1_0", "1_2").cancelled == ["1_0", "1_2"]
    assert [alliance.job(f"1_{task}").held for task in (1, 3, 4)] == [False, False, True]
    assert alliance.cancel("noa", "1").cancelled == ["1_1", "1_3", "1_4"]
    assert alliance.budget() == (GRANTED, 0, 0)


def test_a_chain_of_three_thousand_ends_in_one_go(alliance: Alliance):
    alliance.submit_all("noa", [script(gpus=0)] * 3001)
    names = [str(number) for number in range(1, 3002)]

    def chain(tx: Transaction) -> None:
        for earlier, later in pairwise(names):
            dependency = Dependency(condition=Condition.AFTEROK, job=earlier)
            tx.jobs.depend(later, Dependencies(all_of=(dependency,)))
        tx.jobs.hold(names[1:], held=True, reason="waits for the one before", at=alliance.now)

    alliance.do(chain)
    assert alliance.cancel("noa", "1") == CancelReply(cancelled=["1"], stopping=[], over=[])
    assert set(alliance.states(*names)) == {CANCELLED}


def test_a_release_that_was_lost_is_found_again(alliance: Alliance):
    """Two ends in two transactions may each see the other job unfinished; the sweep looks again."""
    alliance.submit_all("noa", [script()] * 2)
    waiting = after(alliance, "afterok:1:2")
    array = alliance.submit(text=script(more=["--array=0-3%2"])).id
    run(alliance, "1", "2")
    everything = [waiting, *(f"{array}_{task}" for task in range(4))]
    assert alliance.states(*everything) == [PENDING, JobState.BOUND, JobState.BOUND, PENDING, PENDING]
    for task in (0, 1):
        alliance.returned("jerusalem", f"{array}_{task}")
    alliance.do(lambda tx: tx.jobs.hold(everything, held=True, reason="lost", at=alliance.now))
    assert alliance.do(lambda tx: sweep(tx, 10, alliance.now)) is None
    assert [alliance.job(name).held for name in everything] == [False, False, False, True, True]
