from dataclasses import replace

import pytest
from store_samples import BAKU, JERUSALEM, NOW, attempt, bound, job, put

from foedus.core.base.errors import Conflict
from foedus.core.base.ids import Digest, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Attempt, StopReason
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.state import LIVE_ATTEMPT, AttemptState, Outcome
from foedus.flow.ports import AttemptChange, Recent
from foedus.store.unit import SqlStore

ONE = JobId("1")
LATER = Instant(NOW + 5000)


def fill(store: SqlStore, *attempts: Attempt) -> None:
    with store.begin() as tx:
        put(tx, *(bound(number) for number in sorted({int(one.job) for one in attempts})))
        tx.attempts.add(attempts)


def full(number: int = 1, count: int = 1) -> Attempt:
    return attempt(
        number, count, site=BAKU, state=AttemptState.ENDED, guest=True, epoch=3, native_id="77", offered=Instant(1),
        handed=Instant(2), started=Instant(3), ended=Instant(4), outcome=Outcome.PREEMPTED, exit_code=0, signal=9,
        reason="preempted", stop=StopReason.HOME, entry=12, checkpoint=Digest("c" * 64),
    )  # fmt: skip


def test_attempts_come_back_whole(store: SqlStore):
    fill(store, full(1, 2), attempt(1, 1), attempt(2))
    with store.read() as tx:
        assert tx.attempts.get(ONE, 2) == full(1, 2)
        assert tx.attempts.get(ONE, 3) is None
        assert tx.attempts.of(ONE) == [attempt(1, 1), full(1, 2)]
        assert tx.attempts.outputs(ONE, 2) is None


def test_an_attempt_twice_is_a_conflict_and_the_transaction_goes_on(store: SqlStore):
    fill(store, attempt(1))
    with store.begin() as tx:
        with pytest.raises(Conflict, match="attempt 1 of job 1 exists already"):
            tx.attempts.add([attempt(1, site=BAKU)])
        tx.attempts.add([attempt(1, 2)])
    with store.read() as tx:
        assert tx.attempts.of(ONE) == [attempt(1), attempt(1, 2)]


def test_at_a_site_oldest_first(store: SqlStore):
    early, late = attempt(2, bound=Instant(5)), attempt(1, bound=Instant(6), state=AttemptState.RUNNING)
    fill(store, late, early, attempt(3, site=BAKU), attempt(4, state=AttemptState.ENDED))
    with store.read() as tx:
        assert tx.attempts.at(JERUSALEM, LIVE_ATTEMPT) == [early, late]
        assert tx.attempts.at(JERUSALEM, frozenset({AttemptState.ENDED})) == [attempt(4, state=AttemptState.ENDED)]
        assert tx.attempts.at(JERUSALEM, frozenset()) == []
        assert tx.attempts.at(SiteId("nowhere"), LIVE_ATTEMPT) == []


def test_recent_is_what_a_sites_word_may_not_know_of(store: SqlStore):
    old, then, later = Instant(5), Instant(10), Instant(15)
    states = {
        1: {"bound": old},
        2: {"state": AttemptState.STARTING, "handed": old},
        3: {"state": AttemptState.STARTING, "handed": then, "site": BAKU, "guest": True},
        4: {"state": AttemptState.RUNNING, "started": then, "handed": then},
        5: {"state": AttemptState.RUNNING, "started": later},
        6: {"state": AttemptState.ENDED, "started": later, "ended": later},
    }
    with store.begin() as tx:
        put(tx, *(job(number, resources=Resources(gpus=number)) for number in states))
        tx.attempts.add([attempt(number, **facts) for number, facts in states.items()])
    with store.read() as tx:
        found = tx.attempts.recent(handed=then, started=later)
    assert sorted(found, key=lambda one: one.since) == [
        Recent(site=JERUSALEM, state=AttemptState.BOUND, since=old, resources=Resources(gpus=1), guest=False),
        Recent(site=BAKU, state=AttemptState.STARTING, since=then, resources=Resources(gpus=3), guest=True),
        Recent(site=JERUSALEM, state=AttemptState.RUNNING, since=later, resources=Resources(gpus=5), guest=False),
    ]


def test_what_nobody_came_for(store: SqlStore):
    fill(
        store,
        attempt(1, bound=Instant(9)),
        attempt(2, bound=Instant(8), site=BAKU),
        attempt(3, bound=Instant(8), offered=Instant(8)),
        attempt(4, bound=Instant(10)),
        attempt(5, bound=Instant(1), state=AttemptState.RUNNING),
    )
    with store.read() as tx:
        assert [one.job for one in tx.attempts.unfetched(Instant(10))] == ["2", "1"]


def test_what_waits_too_long_the_longest_first(store: SqlStore):
    waits = {"state": AttemptState.STARTING}
    fill(
        store,
        attempt(1, handed=Instant(9), **waits),
        attempt(2, handed=Instant(8), stop=StopReason.RECALL, site=BAKU, **waits),
        attempt(3, handed=Instant(7), stop=StopReason.CANCEL, **waits),
        attempt(4, handed=Instant(10), **waits),
        attempt(5, handed=Instant(1), state=AttemptState.RUNNING),
    )
    with store.read() as tx:
        found = [[one.job for one in tx.attempts.overdue(Instant(10), limit)] for limit in (9, 1)]
    assert found == [["2", "1"], ["2"]]


def test_a_change_is_guarded_and_leaves_what_it_does_not_name(store: SqlStore):
    fill(store, attempt(1, native_id="5"))
    change = AttemptChange(
        job=ONE, number=1, state=AttemptState.ENDED, allowed=frozenset({AttemptState.RUNNING}), epoch=2,
        started=Instant(8), ended=Instant(9), outcome=Outcome.FAILED, exit_code=1, signal=0, reason="failed",
        outputs=Digest("d" * 64),
    )  # fmt: skip
    with store.begin() as tx:
        assert not tx.attempts.change(change)
        assert tx.attempts.get(ONE, 1) == attempt(1, native_id="5")
        assert tx.attempts.change(replace(change, allowed=LIVE_ATTEMPT))
        assert not tx.attempts.change(replace(change, number=2, allowed=LIVE_ATTEMPT))
        assert tx.attempts.outputs(ONE, 1) == "d" * 64
        assert tx.attempts.get(ONE, 1) == attempt(
            1, native_id="5", state=AttemptState.ENDED, epoch=2, started=Instant(8), ended=Instant(9),
            outcome=Outcome.FAILED, exit_code=1, signal=0, reason="failed",
        )  # fmt: skip


CASES = {
    # state, asked before -> who may ask now
    (AttemptState.BOUND, None): {StopReason.CANCEL, StopReason.RECALL},
    (AttemptState.BOUND, StopReason.RECALL): {StopReason.CANCEL},
    (AttemptState.BOUND, StopReason.CANCEL): set(),
    (AttemptState.STARTING, None): {StopReason.CANCEL, StopReason.RECALL},
    (AttemptState.RUNNING, None): {StopReason.CANCEL, StopReason.HOME},
    (AttemptState.RUNNING, StopReason.RECALL): {StopReason.CANCEL, StopReason.HOME},
    (AttemptState.RUNNING, StopReason.HOME): {StopReason.CANCEL},
    (AttemptState.STARTING, StopReason.HOME): {StopReason.CANCEL},
    (AttemptState.ENDED, None): set(),
    (AttemptState.RETURNED, None): set(),
}


@pytest.mark.parametrize("why", StopReason)
def test_ask_stop(store: SqlStore, why: StopReason):
    before = [attempt(number, state=state, stop=stop) for number, (state, stop) in enumerate(CASES, start=1)]
    fill(store, *before)
    expected = [why in allowed for allowed in CASES.values()]
    with store.begin() as tx:
        asked = [tx.attempts.ask_stop(one.job, 1, why) for one in before]
        after = [tx.attempts.get(one.job, 1) for one in before]
    assert asked == expected
    assert after == [replace(one, stop=why) if yes else one for one, yes in zip(before, expected, strict=True)]


def test_to_stop_leaves_out_recalls_of_what_runs(store: SqlStore):
    wanted = [
        attempt(1, stop=StopReason.CANCEL, state=AttemptState.RUNNING),
        attempt(2, stop=StopReason.RECALL, state=AttemptState.STARTING),
        attempt(7, stop=StopReason.HOME, state=AttemptState.RUNNING),
    ]
    others = [
        attempt(3, stop=StopReason.RECALL, state=AttemptState.RUNNING),
        attempt(4, stop=StopReason.CANCEL, state=AttemptState.ENDED),
        attempt(5),
        attempt(6, stop=StopReason.CANCEL, site=BAKU),
    ]
    fill(store, *wanted, *others)
    with store.read() as tx:
        assert tx.attempts.to_stop(JERUSALEM) == wanted


def test_an_offer_is_noted_once_and_only_for_what_is_bound(store: SqlStore):
    fill(store, attempt(1), attempt(2, offered=Instant(3)), attempt(3, state=AttemptState.RETURNED), attempt(4))
    pairs = [(JobId(name), 1) for name in "1239"]
    with store.begin() as tx:
        assert tx.attempts.offer(pairs, LATER) == {(ONE, 1), (JobId("2"), 1)}
        assert tx.attempts.offer([], LATER) == frozenset()
        assert [tx.attempts.get(JobId(name), 1) for name in "1234"] == [
            attempt(1, offered=LATER),
            attempt(2, offered=Instant(3)),
            attempt(3, state=AttemptState.RETURNED),
            attempt(4),
        ]


def test_only_what_was_never_offered_is_withdrawn(store: SqlStore):
    fill(store, attempt(1), attempt(2, offered=Instant(3)), attempt(3, state=AttemptState.STARTING))
    with store.begin() as tx:
        assert [tx.attempts.withdraw(JobId(name), 1, "nobody came") for name in "1123"] == [True, False, False, False]
        assert tx.attempts.get(ONE, 1) == attempt(1, state=AttemptState.RETURNED, reason="nobody came")


def test_booked_once(store: SqlStore):
    fill(store, attempt(1))
    with store.begin() as tx:
        tx.attempts.booked({(ONE, 1): 7})
        tx.attempts.booked({(ONE, 1): 8})
        assert tx.attempts.get(ONE, 1) == attempt(1, entry=7)


def test_what_ended_and_is_not_booked(store: SqlStore):
    over = replace(full(1), entry=None, site=JERUSALEM, bound=Instant(10), ended=Instant(20))
    fill(
        store,
        over,
        replace(full(2), site=JERUSALEM, bound=Instant(10), ended=Instant(20)),
        replace(over, job=JobId("3"), site=BAKU),
        replace(over, job=JobId("4"), ended=Instant(30)),
        replace(over, job=JobId("5"), bound=Instant(5)),
        attempt(6, bound=Instant(10)),
    )
    with store.read() as tx:
        mine, others = [over, replace(over, job=JobId("5"), bound=Instant(5))], replace(over, job=JobId("3"), site=BAKU)
        assert tx.attempts.unbooked(Instant(30), 10, JERUSALEM) == mine
        assert tx.attempts.unbooked(Instant(30), 2) == [mine[0], others]
        assert tx.attempts.count_unbooked() == {JERUSALEM: 3, BAKU: 1}
        assert tx.attempts.ended() == {JERUSALEM: 4, BAKU: 1}


def test_which_sites_gave_a_job_back_lately(store: SqlStore):
    def back(number: int, count: int, at: int, **changes: object) -> Attempt:
        return attempt(number, count, state=AttemptState.RETURNED, ended=Instant(at), **changes)

    fill(store, back(1, 1, 5), back(1, 2, 6, site=BAKU), back(1, 3, 7), back(2, 1, 5), attempt(3))
    with store.read() as tx:
        asked = [JobId(name) for name in "1239"]
        assert tx.attempts.returned(asked, Instant(5)) == {ONE: {BAKU, JERUSALEM}}
        assert tx.attempts.returned(asked, Instant(4)) == {ONE: {BAKU, JERUSALEM}, JobId("2"): {JERUSALEM}}
        assert tx.attempts.returned(asked, Instant(7)) == {}
