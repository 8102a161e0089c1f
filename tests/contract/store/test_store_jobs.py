from dataclasses import replace

import pytest
from store_samples import (
    BAKU,
    FORMS,
    JERUSALEM,
    NOW,
    SPEC,
    SPEC_DIGEST,
    TRAFFIC,
    array,
    bound,
    job,
    known,
    put,
    task,
)  # fmt: skip

from foedus.core.base.errors import Broken, Conflict
from foedus.core.base.ids import Digest, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.base.units import Seconds
from foedus.core.jobs.job import Job, Story, StoryKind
from foedus.core.jobs.spec import Condition, Dependencies, Dependency, JobSpec, Resources
from foedus.core.jobs.state import ENDED, MOVES, JobState, Move, Outcome, target
from foedus.flow.ports import JobChange
from foedus.store.unit import SqlStore

LATER = Instant(NOW + 5000)


def test_specs_come_back_whole_and_are_stored_once(store: SqlStore):
    other = JobSpec(script="#!/bin/sh\ntrue\n")
    with store.begin() as tx:
        first = tx.jobs.put_specs([SPEC, other, SPEC])
    with store.begin() as tx:
        again = tx.jobs.put_specs([other])
        found = tx.jobs.specs([*first, Digest("f" * 64)])
    assert first[0] == first[2]
    assert again == [first[1]]
    assert found == {first[0]: SPEC, first[1]: other}


def test_jobs_come_back_whole(store: SqlStore):
    full = job(
        3,
        purpose=None,
        bundle=Digest("b" * 64),
        resources=Resources(nodes=2, gpus=8, gpu_model="h100", time_limit=Seconds(60), exclusive=True),
        state=JobState.FAILED,
        sites=(),
        attempt=4,
        site=BAKU,
        guest=True,
        started=Instant(5),
        ended=Instant(6),
        exit_code=0,
        signal=9,
        cancel=True,
    )
    waiting = job(4, held=True)
    with store.begin() as tx:
        put(tx, full, waiting, task(5, 0), task(5, 7), arrays=(array(5),))
    with store.read() as tx:
        assert tx.jobs.get([JobId("3"), JobId("4"), JobId("5"), JobId("5_7"), JobId("99"), JobId("x")]) == {
            one.id: one for one in known(full, waiting, task(5, 7))
        }
        assert tx.jobs.arrays([JobId("5"), JobId("3"), JobId("5_7")]) == {
            JobId("5"): replace(array(5), spec=SPEC_DIGEST)
        }
        assert tx.jobs.tasks(JobId("5")) == known(task(5, 0), task(5, 7))
        assert tx.jobs.tasks(JobId("3")) == []
        assert tx.jobs.tasks(JobId("5_7")) == []


def test_more_ids_than_fit_into_one_statement(store: SqlStore):
    jobs = [job(number) for number in range(1, 2602)]
    with store.begin() as tx:
        put(tx, *jobs)
    with store.read() as tx:
        assert len(tx.jobs.get([one.id for one in jobs])) == 2601
        assert tx.jobs.get([]) == {}


def test_the_same_job_twice_is_a_conflict(store: SqlStore):
    with store.begin() as tx:
        put(tx, job(1))
    with pytest.raises(Conflict), store.begin() as tx:
        put(tx, job(1))


def test_a_job_needs_its_spec(store: SqlStore):
    with pytest.raises(Conflict), store.begin() as tx:
        tx.jobs.add([job(1)], [])


def test_numbers_are_consecutive_and_never_given_twice(store: SqlStore):
    with store.begin() as tx:
        first = tx.jobs.numbers(1), tx.jobs.numbers(1000), tx.jobs.numbers(3)
    with store.begin() as tx:
        assert (*first, tx.jobs.numbers(1)) == (1, 2, 1002, 1005)


def test_the_database_allows_exactly_the_moves_of_the_table(store: SqlStore):
    cases = list(enumerate(((state, move) for state in JobState for move in Move), start=1))
    before = {number: job(number, state=state, attempt=1, site=JERUSALEM) for number, (state, _) in cases}
    expected: dict[JobId, tuple[bool, Job]] = {}
    moved: dict[JobId, bool] = {}
    with store.begin() as tx:
        put(tx, *before.values())
    with store.begin() as tx:
        for number, (state, move) in cases:
            outcome = Outcome.TIMEOUT if move is Move.END else None
            change = JobChange(job=JobId(str(number)), move=move, at=LATER, reason="because", outcome=outcome)
            moved[change.job] = tx.jobs.change(change)
            expected[change.job] = (False, known(before[number])[0])
            if state in MOVES[move]:
                changed = replace(before[number], state=target(move, outcome), reason="because", changed=LATER)
                expected[change.job] = (True, known(changed)[0])
    with store.read() as tx:
        found = tx.jobs.get(list(moved))
    assert {name: (moved[name], found[name]) for name in moved} == expected


def test_a_move_is_fenced_by_the_attempt(store: SqlStore):
    with store.begin() as tx:
        put(tx, bound(1, attempt=2))
    change = JobChange(job=JobId("1"), move=Move.RUN, at=LATER, reason="runs", fence=1)
    with store.begin() as tx:
        assert [tx.jobs.change(change), tx.jobs.change(replace(change, fence=2))] == [False, True]


def test_a_move_sets_what_it_names_and_leaves_the_rest(store: SqlStore):
    before = job(1, state=JobState.RUNNING, attempt=1, site=JERUSALEM, guest=True, started=Instant(7), cancel=True)
    with store.begin() as tx:
        put(tx, before)
        end = JobChange(
            job=JobId("1"), move=Move.END, at=LATER, reason="failed", outcome=Outcome.FAILED,
            ended=Instant(9), exit_code=0, signal=15,
        )  # fmt: skip
        assert tx.jobs.change(end)
        after = tx.jobs.get([JobId("1")])[JobId("1")]
    changed = {"state": JobState.FAILED, "reason": "failed", "changed": LATER, "ended": Instant(9)}
    assert after == known(replace(before, **changed, exit_code=0, signal=15, cancel=False))[0]


def test_clear_run_forgets_the_run_before_it_sets_the_new_one(store: SqlStore):
    run = {"site": JERUSALEM, "started": Instant(7), "ended": Instant(8), "exit_code": 1, "signal": 2}
    ended = job(1, state=JobState.FAILED, attempt=1, guest=True, **run)
    waiting = job(2, state=JobState.STARTING, attempt=1, cancel=True, **run)
    with store.begin() as tx:
        put(tx, ended, waiting)
        revive = JobChange(
            job=JobId("1"), move=Move.REVIVE, at=LATER, reason="again", attempt=2, site=BAKU, guest=False,
            clear_run=True,
        )  # fmt: skip
        back = JobChange(
            job=JobId("2"), move=Move.RETURN, at=LATER, reason="no room", sites=(BAKU,), fence=1, clear_run=True
        )
        assert tx.jobs.change(revive)
        assert tx.jobs.change(back)
        found = tx.jobs.get([JobId("1"), JobId("2")])
    cleared = dict.fromkeys(run)
    assert found == {
        JobId("1"): known(
            replace(
                ended, **{**cleared, "site": BAKU}, state=JobState.STARTING, reason="again", changed=LATER, attempt=2,
                guest=False,
            )
        )[0],
        JobId("2"): known(
            replace(waiting, **cleared, state=JobState.PENDING, reason="no room", changed=LATER, sites=(BAKU,))
        )[0],
    }  # fmt: skip


def test_pending_leaves_out_what_is_held_and_begins_with_the_oldest(store: SqlStore):
    with store.begin() as tx:
        put(tx, task(3, 1), task(3, 0), job(9), job(2, held=True), bound(1), job(4, state=JobState.REFUSED))
    with store.read() as tx:
        assert tx.jobs.pending(10) == known(task(3, 0), task(3, 1), job(9))
        assert tx.jobs.pending(2) == known(task(3, 0), task(3, 1))
        assert tx.jobs.pending(2, (3, 0)) == known(task(3, 1), job(9))
        assert tx.jobs.pending(2, (9, -1)) == known()
        assert tx.jobs.held(10) == [JobId("2")]


def test_hold_and_let_go(store: SqlStore):
    with store.begin() as tx:
        put(tx, *(task(1, index) for index in range(4)), bound(2))
        ids = [JobId("1_1"), JobId("1_3"), JobId("1_2"), JobId("2")]
        tx.jobs.hold(ids, held=True, reason="waits for 7", at=LATER)
        assert tx.jobs.held_tasks(JobId("1"), 2) == [JobId("1_1"), JobId("1_2")]
        assert tx.jobs.held_tasks(JobId("2"), 2) == []
        assert tx.jobs.held(10) == [JobId("1")]
        assert [tx.jobs.loose_tasks(JobId(number)) for number in "123"] == [1, 0, 0]
        tx.jobs.hold([JobId("1_2")], held=False, reason="waits for room", at=LATER)
        found = tx.jobs.get([JobId("1_0"), JobId("1_1"), JobId("1_2"), JobId("2")])
    assert sorted(found.items()) == [
        (one.id, one)
        for one in known(
            task(1, 0),
            task(1, 1, held=True, reason="waits for 7", changed=LATER),
            task(1, 2, reason="waits for room", changed=LATER),
            bound(2),
        )
    ]


def test_cancelling_what_is_held_lets_go_of_it(store: SqlStore):
    with store.begin() as tx:
        put(tx, job(1, held=True))
        assert tx.jobs.change(JobChange(job=JobId("1"), move=Move.CANCEL, at=LATER, reason="cancelled", ended=LATER))
        assert tx.jobs.held(10) == []


def test_held_jobs_are_walked_through_in_turn(store: SqlStore):
    tasks = [task(3, index) for index in range(2)]
    with store.begin() as tx:
        put(tx, job(1), *tasks, job(4), job(5))
        tx.jobs.hold([JobId("1"), *(one.id for one in tasks), JobId("5")], held=True, reason="", at=NOW)
        assert [tx.jobs.held(2), tx.jobs.held(2, JobId("3")), tx.jobs.held(2, JobId("5"))] == [["1", "3"], ["5"], []]


def test_only_what_is_pending_can_be_held(store: SqlStore):
    with pytest.raises(Broken, match="held"), store.begin() as tx:
        put(tx, bound(1, held=True))


def test_ask_cancel_is_for_jobs_at_a_site_and_once(store: SqlStore):
    with store.begin() as tx:
        put(tx, job(1), bound(2), job(3, state=JobState.COMPLETED))
        asked = [tx.jobs.ask_cancel(JobId(name), LATER) for name in ("1", "2", "2", "3", "4")]
        found = tx.jobs.get([JobId("2")])
    assert (asked, found) == (
        [False, True, False, False, False],
        {JobId("2"): known(bound(2, cancel=True, changed=LATER))[0]},
    )


def test_live_and_counts(store: SqlStore):
    live = [
        bound(1), bound(2, state=JobState.RUNNING), bound(4, state=JobState.STARTING, project=FORMS),
        bound(3, site=BAKU, state=JobState.RUNNING),
    ]  # fmt: skip
    with store.begin() as tx:
        put(tx, *live, job(5), job(6, held=True), *(job(7 + n, state=state) for n, state in enumerate(sorted(ENDED))))
    with store.read() as tx:
        assert tx.jobs.live(JERUSALEM) == known(live[0], live[1], live[2])
        assert tx.jobs.live(SiteId("nowhere")) == []
        assert tx.jobs.counts() == {
            (JERUSALEM, JobState.BOUND): 1,
            (JERUSALEM, JobState.STARTING): 1,
            (JERUSALEM, JobState.RUNNING): 1,
            (BAKU, JobState.RUNNING): 1,
            (None, JobState.PENDING): 2,
        }
        asked = ((JERUSALEM, FORMS), (BAKU, FORMS), (BAKU, TRAFFIC))
        assert [tx.jobs.has_live(site, project) for site, project in asked] == [True, False, True]


def test_tally(store: SqlStore):
    states = [JobState.RUNNING, JobState.COMPLETED, JobState.COMPLETED, JobState.PENDING]
    tasks = [task(5, index, state=state) for index, state in enumerate(states)]
    with store.begin() as tx:
        put(tx, *tasks, task(6, 0), job(7), arrays=(array(5), array(6)))
    with store.read() as tx:
        assert tx.jobs.tally([JobId("5"), JobId("6"), JobId("7"), JobId("8"), JobId("5_1")]) == {
            JobId("5"): {JobState.COMPLETED: 2, JobState.PENDING: 1, JobState.RUNNING: 1},
            JobId("6"): {JobState.PENDING: 1},
        }


@pytest.mark.parametrize("kind", ["all_of", "any_of"])
def test_dependencies(store: SqlStore, kind: str):
    waits = tuple(
        Dependency(condition=condition, job=JobId(name)) for name, condition in zip("971", Condition, strict=True)
    )
    wanted = Dependencies(**{kind: waits})
    with store.begin() as tx:
        put(tx, job(10), job(11), job(2))
        tx.jobs.depend(JobId("10"), wanted)
        tx.jobs.depend(JobId("2"), Dependencies(all_of=(Dependency(condition=Condition.AFTERANY, job=JobId("7")),)))
        tx.jobs.depend(JobId("11"), Dependencies())
    with store.read() as tx:
        assert tx.jobs.dependencies(JobId("10")) == wanted
        assert tx.jobs.dependencies(JobId("11")) == Dependencies()
        assert tx.jobs.dependents([JobId("7"), JobId("10")]) == [JobId("10"), JobId("2")]
        assert tx.jobs.dependents([JobId("10")]) == []


def test_the_story_of_a_task_includes_that_of_its_array(store: SqlStore):
    def line(name: str, at: int, kind: StoryKind) -> Story:
        return Story(
            job=JobId(name), at=Instant(at), kind=kind, data={"site": "baku", "n": [1, None, {"q": "\u0000א"}]}
        )

    lines = [
        line("5", 9, StoryKind.SUBMITTED),
        line("5_1", 8, StoryKind.BOUND),
        line("5_2", 7, StoryKind.BOUND),
        line("51", 6, StoryKind.ADMITTED),
        line("5_1", 5, StoryKind.ENDED),
    ]
    with store.begin() as tx:
        tx.jobs.tell(lines[:2])
        tx.jobs.tell([])
        tx.jobs.tell(lines[2:])
    with store.read() as tx:
        assert tx.jobs.story(JobId("5_1")) == [lines[0], lines[1], lines[4]]
        assert tx.jobs.story(JobId("5")) == [lines[0]]
        assert tx.jobs.story(JobId("6")) == []
