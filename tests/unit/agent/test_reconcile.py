import pytest
from agent_rows import T0, make_order, make_record
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.agent import reconcile, stopping
from foedus.agent.reconcile import Rules
from foedus.agent.statuses import board, statuses
from foedus.agent.stopping import Command
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, Outcome
from foedus.drivers.base import Phase, Record, Sighting
from foedus.store.journal_rows import OVER, Step
from foedus.wire.agents import BoardItem, StatusItem

RULES = Rules(settle_s=15, lost_after_s=600, stop_again_s=10)


def shown(phase, restarts=0, **more):
    return Sighting(phase=Phase(phase), native_id="n1", restarts=restarts, **more)


def see(row, at, seconds, phase, restarts=0, **more):
    return reconcile.seen(row, shown(phase, restarts, **more), at(seconds), RULES)


def finish(row, at, *records):
    row = reconcile.booked(row, records)
    return reconcile.closed(row.model_copy(update={"logged": True, "sent": True}), at(99))


def test_an_order_runs_its_course(row, at, record):
    one = reconcile.handing(row(), "dana", "/work/7", at(1))
    assert (one.step, one.account, one.folder, one.since) == (Step.HANDING, "dana", "/work/7", at(1))
    assert statuses(one) == ()

    one = reconcile.handed(one, "n1")
    assert statuses(one) == (StatusItem(job="7", attempt=1, state=AttemptState.STARTING, native_id="n1"),)

    one = see(one, at, 2, "running", started=at(2), native_state="RUNNING")
    assert statuses(one) == (
        StatusItem(
            job="7",
            attempt=1,
            state=AttemptState.RUNNING,
            native_id="n1",
            native_state="RUNNING",
            started=at(2),
        ),
    )

    one = see(one, at, 9, "ended", native_state="COMPLETED")
    assert (one.step, reconcile.owes_records(one)) == (Step.ENDED, True)
    assert statuses(one)[0].state is AttemptState.RUNNING

    assert reconcile.new_records(one, [], at(10), RULES) == ()
    last = record()
    assert reconcile.new_records(one, [last], at(10), RULES) == (last,)
    one = finish(one, at, last)
    assert statuses(one) == (
        StatusItem(
            job="7",
            attempt=1,
            state=AttemptState.ENDED,
            native_id="n1",
            native_state="COMPLETED",
            started=last.started,
            ended=last.ended,
            outcome=Outcome.COMPLETED,
            exit_code=0,
            signal=0,
        ),
    )


def test_nothing_is_closed_before_records_output_and_files_are_collected(row, at, record):
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "ended")

    for update in ({"logged": True}, {"sent": True}, {"logged": True, "sent": True}):
        assert reconcile.closed(one.model_copy(update=update), at(2)).step is Step.ENDED
    booked = reconcile.booked(one, [record()])
    assert reconcile.closed(booked.model_copy(update={"logged": True}), at(2)).step is Step.ENDED
    assert reconcile.closed(booked.model_copy(update={"logged": True, "sent": True}), at(2)).step is Step.CLOSED


def test_a_doubtful_hand_over_is_repeated_only_when_it_certainly_never_was(row, at):
    one = reconcile.handing(row(), "a", "/f", at(0))

    one = see(one, at, 1, "unknown")
    assert one.step is Step.HANDING
    one = see(one, at, 15, "unknown")
    assert one.step is Step.HANDING
    one = see(one, at, 16, "unknown")
    assert (one.step, one.unknowns, one.unknown_since) == (Step.INTENDED, 0, None)


def test_a_clock_that_is_set_back_holds_up_nothing(row, at):
    one = see(reconcile.handing(row(), "a", "/f", at(3600)), at, 3600, "unknown")

    one = see(one, at, 1, "unknown")
    assert (one.step, one.unknown_since) == (Step.HANDING, at(1))
    assert see(one, at, 16, "unknown").step is Step.INTENDED
    running = row().model_copy(update={"step": Step.RUNNING, "stop": StopReason.CANCEL, "stopped": at(3600)})
    assert stopping.next_command(running, at(1), RULES) is Command.CANCEL


def test_a_doubtful_hand_over_that_shows_up_is_followed(row, at):
    one = see(see(reconcile.handing(row(), "a", "/f", at(0)), at, 1, "unknown"), at, 30, "pending")

    assert (one.step, one.native_id, one.unknown_since) == (Step.HANDED, "n1", None)
    assert see(one, at, 31, "unknown").unknowns == 1


def test_what_was_stopped_while_in_doubt_never_starts(row, at):
    one = stopping.asked_to_stop(reconcile.handing(row(), "a", "/f", at(0)), StopReason.CANCEL)

    one = see(see(one, at, 1, "unknown"), at, 20, "unknown")

    assert (one.step, one.reason) == (Step.RETURNED, "cancelled before it was handed to the cluster")
    assert reconcile.handing(one, "a", "/f", at(21)) == one


def test_an_order_that_is_stopped_before_it_was_handed_over_goes_back(row):
    one = stopping.asked_to_stop(row(), StopReason.RECALL)

    assert statuses(one) == (
        StatusItem(
            job="7",
            attempt=1,
            state=AttemptState.RETURNED,
            reason="recalled before it was handed to the cluster",
        ),
    )


def test_an_attempt_that_the_cluster_forgot_keeps_its_state_and_says_so(row, at):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")
    one = see(see(one, at, 1, "running", started=at(1)), at, 100, "unknown")

    (status,) = statuses(one)

    assert status.state is AttemptState.RUNNING
    assert status.reason == "neither the cluster's queue nor its accounting knows it since 2023-11-14T22:15:00Z"
    assert see(one, at, 699, "unknown").step is Step.RUNNING


def test_an_attempt_that_stays_forgotten_is_lost_and_booked_with_nothing(row, at):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")
    one = see(see(see(one, at, 1, "running"), at, 100, "unknown"), at, 700, "unknown")
    assert one.step is Step.ENDED

    (missing,) = reconcile.new_records(one, [], at(700), RULES)

    assert (missing.outcome, missing.elapsed, missing.started) == (Outcome.NODE_FAIL, 0, None)
    assert reconcile.is_missing(missing)
    (status,) = statuses(finish(one, at, missing))
    assert (status.state, status.outcome) == (AttemptState.ENDED, Outcome.NODE_FAIL)
    assert status.reason.startswith("the cluster lost it")


def test_an_attempt_that_only_the_accounting_knows_is_given_up_when_its_end_does_not_come(row, at):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")
    one = see(one, at, 1, "running", started=at(1))
    one = see(one, at, 100, "running", started=at(1), forgotten=True)

    (status,) = statuses(one)
    assert (one.step, status.reason) == (
        Step.RUNNING,
        "only the cluster's accounting knows it since 2023-11-14T22:15:00Z",
    )
    assert see(one, at, 101, "running", started=at(1)).unknown_since is None
    assert see(one, at, 699, "running", started=at(1), forgotten=True).step is Step.RUNNING
    one = see(one, at, 700, "running", started=at(1), forgotten=True)
    assert one.step is Step.ENDED
    assert see(one, at, 701, "running", started=at(1), forgotten=True) == one
    (lost,) = reconcile.new_records(one, [], at(701), RULES)
    assert (lost.outcome, lost.elapsed) == (Outcome.NODE_FAIL, 0)
    (status,) = statuses(finish(one, at, lost))
    assert (status.state, status.outcome) == (AttemptState.ENDED, Outcome.NODE_FAIL)


def test_an_attempt_that_the_accounting_alone_has_waiting_is_given_back_in_the_end(row, at):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")
    one = see(see(one, at, 1, "pending", forgotten=True), at, 601, "pending", forgotten=True)

    (lost,) = reconcile.new_records(one, [], at(601), RULES)
    (status,) = statuses(finish(one, at, lost))
    words = "the cluster lost it: its queue does not know it since 2023-11-14T22:13:21Z"
    ends = "and its accounting has no end of it; it was never seen to run"
    assert (status.state, status.reason) == (AttemptState.RETURNED, f"{words}, {ends}")


def test_each_restart_of_the_cluster_is_an_attempt_of_its_own(row, at, record):
    one = reconcile.handed(reconcile.handing(row(attempt=3), "a", "/f", at(0)), "n1")
    one = see(see(one, at, 1, "running", started=at(1)), at, 10, "pending", restarts=1, reason="BeginTime")
    assert (reconcile.owes_records(one), statuses(one)) == (True, ())

    first = record(0, "preempted", 8)
    assert reconcile.new_records(one, [first], at(10), RULES) == (first,)
    one = reconcile.booked(one, [first])

    assert [(item.attempt, item.state, item.requeued_as, item.outcome) for item in statuses(one)] == [
        (3, AttemptState.ENDED, 4, Outcome.PREEMPTED),
        (4, AttemptState.STARTING, None, None),
    ]
    assert not reconcile.owes_records(one)
    one = see(one, at, 30, "ended", restarts=1)
    assert reconcile.new_records(one, [first, record(1)], at(31), RULES) == (record(1),)
    one = finish(one, at, record(1))
    assert [(item.attempt, item.state, item.requeued_as, item.outcome) for item in statuses(one)] == [
        (3, AttemptState.ENDED, 4, Outcome.PREEMPTED),
        (4, AttemptState.ENDED, None, Outcome.COMPLETED),
    ]


def test_an_ended_attempt_that_an_operator_queues_again_comes_back(row, at, record):
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 5, "ended")
    one = finish(one, at, record())
    assert see(one, at, 100, "ended") == one
    assert see(one, at, 100, "unknown") == one

    one = see(one, at, 100, "pending", restarts=1)

    assert (one.step, one.logged, one.sent) == (Step.HANDED, False, False)
    assert [(item.attempt, item.requeued_as) for item in statuses(one)] == [(1, 2), (2, None)]


def test_a_recall_ends_what_waits_and_the_job_goes_elsewhere(row, at, record):
    one = stopping.asked_to_stop(
        see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "pending"), StopReason.RECALL
    )
    assert stopping.next_command(one, at(2), RULES) is Command.CANCEL
    one = stopping.told(one, Command.CANCEL, at(2))
    assert stopping.next_command(one, at(3), RULES) is None
    assert stopping.next_command(one, at(12), RULES) is Command.CANCEL

    one = finish(see(one, at, 13, "ended"), at, record(0, "cancelled", 0))

    assert statuses(one) == (
        StatusItem(job="7", attempt=1, state=AttemptState.RETURNED, native_id="n1", reason="recalled before it ran"),
    )


def test_a_recall_that_comes_too_late_is_moot(row, at, record):
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "running", started=at(1))

    one = stopping.asked_to_stop(one, StopReason.RECALL)

    assert stopping.next_command(one, at(2), RULES) is None
    one = finish(see(one, at, 9, "ended"), at, record(0, "cancelled", 5))
    assert statuses(one)[0].state is AttemptState.ENDED


SAVES = "#!/bin/sh\n#SBATCH --signal=B:USR1@20\n#FOEDUS checkpoint=saved output=out\ntrue\n"


@pytest.fixture
def called_home(row, at):
    """An attempt that ran when it was called home, and was told so."""
    one = reconcile.handed(reconcile.handing(row(order=make_order(script=SAVES)), "a", "/f", at(0)), "n1")
    one = stopping.asked_to_stop(see(one, at, 1, "running", started=at(1)), StopReason.HOME)
    assert stopping.next_command(one, at(2), RULES) is Command.SIGNAL
    return stopping.told(one, Command.SIGNAL, at(2))


def test_who_is_called_home_is_signalled_once_and_cancelled_after_its_grace(called_home, at):
    assert [stopping.next_command(called_home, at(second), RULES) for second in (3, 13)] == [None, Command.SIGNAL]

    one = stopping.heard(stopping.told(called_home, Command.SIGNAL, at(13)))
    assert [stopping.next_command(one, at(second), RULES) for second in (21, 22, 23)] == [None, None, Command.CANCEL]
    one = stopping.told(one, Command.CANCEL, at(23))
    assert [stopping.next_command(one, at(second), RULES) for second in (24, 33)] == [None, Command.CANCEL]
    user = stopping.asked_to_stop(called_home, StopReason.CANCEL)
    assert stopping.next_command(user, at(12), RULES) is Command.CANCEL


def test_the_site_says_how_long_a_script_without_a_time_may_save(row, at):
    rules = Rules(grace_s=5)
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "running", started=at(1))
    one = stopping.heard(stopping.told(stopping.asked_to_stop(one, StopReason.HOME), Command.SIGNAL, at(2)))
    assert [stopping.next_command(one, at(second), rules) for second in (6, 12)] == [None, Command.CANCEL]


BACK = (Outcome.PREEMPTED, True, ("saved",))


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("failed", BACK),
        ("cancelled", BACK),
        ("preempted", BACK),
        ("completed", (Outcome.COMPLETED, False, ("out",))),
        ("timeout", (Outcome.TIMEOUT, False, ("out",))),
        ("out-of-memory", (Outcome.OUT_OF_MEMORY, False, ("out",))),
        ("node-fail", (Outcome.NODE_FAIL, False, ("out",))),
    ],
)
def test_what_ends_who_was_called_home(called_home, at, outcome, told):
    one = see(called_home, at, 9, "ended")
    (made,) = reconcile.new_records(one, [make_record(0, outcome, 8)], at(9), RULES)
    one = finish(one, at, made)
    (item,) = statuses(one)
    assert (item.outcome, item.back, stopping.to_send(one)) == told
    assert (item.state, made.outcome) == (AttemptState.ENDED, item.outcome)


def test_a_failure_before_anybody_was_told_is_the_jobs_own(row, at, record):
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "running", started=at(1))
    one = see(stopping.asked_to_stop(one, StopReason.HOME), at, 9, "ended")
    assert reconcile.new_records(one, [record(0, "failed", 8)], at(9), RULES) == (record(0, "failed", 8),)


def test_who_is_called_home_and_queued_again_by_the_cluster_does_not_run_there_again(called_home, at, record):
    one = see(called_home, at, 9, "pending", restarts=1)
    one = reconcile.booked(one, reconcile.new_records(one, [record(0, "preempted", 8)], at(9), RULES))
    assert stopping.next_command(one, at(12), RULES) is Command.CANCEL
    one = see(stopping.told(one, Command.CANCEL, at(12)), at, 14, "ended", restarts=1)
    one = finish(one, at, *reconcile.new_records(one, [record(), record(1, "cancelled", 0)], at(14), RULES))
    assert [(item.attempt, item.state, item.outcome) for item in statuses(one)] == [
        (1, AttemptState.ENDED, Outcome.PREEMPTED),
        (2, AttemptState.RETURNED, None),
    ]
    assert stopping.to_send(one) == ("saved",)


def test_the_end_of_what_an_agent_before_had_called_home_is_understood(row, order, at, record):
    item = BoardItem(job="7", attempt=1, state=AttemptState.RUNNING, native_id="n1", order=order(), stop="home")
    lost = see(reconcile.adopted(item, at(1)), at, 9, "ended")
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 1, "running", started=at(1))
    old = see(reconcile.told_of(one, item, at(2)), at, 9, "ended")
    for one in (lost, old):
        (made,) = reconcile.new_records(one, [record(0, "failed", 8)], at(9), RULES)
        assert made.outcome is Outcome.PREEMPTED


def test_an_attempt_that_began_while_it_was_recalled_is_seen_through(row, at, record):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")
    one = stopping.told(stopping.asked_to_stop(one, StopReason.RECALL), Command.CANCEL, at(1))

    one = see(one, at, 2, "running", started=at(2))
    assert (one.step, statuses(one)[0].state) == (Step.HANDED, AttemptState.STARTING)
    ended = see(one, at, 5, "ended")
    assert statuses(finish(ended, at, record(0, "cancelled", 3)))[0].reason == "recalled as it began; 3 s are booked"
    done = statuses(finish(ended, at, record(0, "completed", 3)))[0]
    assert (done.state, done.outcome) == (AttemptState.ENDED, Outcome.COMPLETED)


def test_a_cancel_outweighs_a_recall(row, at):
    one = reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1")

    assert stopping.asked_to_stop(stopping.asked_to_stop(one, StopReason.RECALL), StopReason.CANCEL).stop == "cancel"
    assert stopping.asked_to_stop(stopping.asked_to_stop(one, StopReason.CANCEL), StopReason.RECALL).stop == "cancel"
    assert stopping.asked_to_stop(stopping.asked_to_stop(one, StopReason.RECALL), StopReason.HOME).stop == "home"
    assert stopping.asked_to_stop(stopping.asked_to_stop(one, StopReason.HOME), StopReason.RECALL).stop == "home"
    told = stopping.told(stopping.asked_to_stop(one, StopReason.RECALL), Command.CANCEL, at(3))
    assert stopping.asked_to_stop(told, StopReason.HOME) == told


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (AttemptState.BOUND, Step.HANDING),
        (AttemptState.STARTING, Step.HANDED),
        (AttemptState.RUNNING, Step.RUNNING),
    ],
)
def test_a_lost_attempt_is_looked_for_and_not_started(order, at, state, step):
    item = BoardItem(job="7", attempt=3, state=state, native_id="n9", order=order(attempt=2))

    one = reconcile.adopted(item, at(0))

    assert (one.step, one.native_id, one.newest, one.order.attempt) == (step, "n9", 3, 2)
    assert reconcile.handing(one, "a", "/f", at(1)) == one
    ref = reconcile.ref("pact", one)
    assert (ref.marker.text, ref.native_id) == ("foedus:pact/7/2", "n9")
    assert ref.since < at(-86_400)


def test_an_old_copy_of_the_journal_is_not_trusted(row, order, at):
    one = reconcile.doubted(row(), "/f")
    assert (one.step, one.folder, one.adopted) == (Step.HANDING, "/f", True)

    item = BoardItem(job="7", attempt=1, state=AttemptState.RUNNING, native_id="n9", order=order())
    assert reconcile.told_of(row(), item, at(0)).step is Step.HANDED
    bound = item.model_copy(update={"state": AttemptState.BOUND})
    assert reconcile.told_of(row(), bound, at(0)) == row()


def test_a_full_board_leaves_nothing_out(row, at):
    intended = row()
    assert [item.state for item in board(intended)] == [AttemptState.BOUND]
    handing = reconcile.handing(intended, "a", "/f", at(0))
    assert [item.state for item in board(handing)] == [AttemptState.BOUND]
    assert [item.state for item in board(reconcile.handed(handing, "n1"))] == [AttemptState.STARTING]


def test_a_record_that_the_cluster_owes_too_long_is_replaced(row, at):
    one = see(reconcile.handed(reconcile.handing(row(), "a", "/f", at(0)), "n1"), at, 5, "ended")

    assert reconcile.new_records(one, [], at(604), RULES) == ()
    (missing,) = reconcile.new_records(one, [], at(605), RULES)

    assert reconcile.is_missing(missing)
    assert "no record of it" in statuses(finish(one, at, missing))[0].reason


SIGHTINGS = st.tuples(st.sampled_from(["pending", "running", "ended", "unknown"]), st.integers(0, 2))
EVENTS = st.one_of(SIGHTINGS, st.sampled_from(StopReason), st.just("start"))


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=25))
def test_whatever_happens_each_restart_is_booked_once_and_nothing_known_starts_again(events):
    one = reconcile.ordered(make_order(), T0)
    booked, known = [], False
    for number, event in enumerate(events):
        now = Instant(T0 + number * 20_000)
        before = one
        if event == "start":
            assert not (known and one.step is Step.INTENDED)
            one = reconcile.handed(reconcile.handing(one, "a", "/f", now), "n1")
        elif isinstance(event, StopReason):
            one = stopping.asked_to_stop(one, event)
            command = stopping.next_command(one, now, RULES)
            if command is not None:
                one = stopping.told(one, command, now)
        else:
            phase, restarts = event
            one = reconcile.seen(one, shown(phase, restarts), now, RULES)
        known = known or one.step in {Step.HANDED, Step.RUNNING, Step.ENDED}
        records: tuple[Record, ...] = reconcile.new_records(
            one, [make_record(restart) for restart in range(3)], now, RULES
        )
        booked += [record.restart for record in records]
        one = reconcile.booked(one, records)
        if one.step is Step.ENDED:
            one = reconcile.closed(one.model_copy(update={"logged": True, "sent": True}), now)
        assert one.restarts >= before.restarts
        attempts = [item.attempt for item in statuses(one)]
        assert attempts == sorted(set(attempts))
    assert booked == sorted(set(booked))
    if one.step is Step.CLOSED:
        assert booked == list(range(one.restarts + 1))
    if one.step is Step.RETURNED:
        assert booked == []
    assert (one.step in OVER) == (statuses(one) != () and statuses(one)[-1].state in {"ended", "returned"})


def test_a_record_that_the_cluster_writes_over_later_is_booked_once(row, record, at):
    first = reconcile.booked(row(step=Step.ENDED, native_id="n1", ended=at(10)), [record(0, "failed")])
    again = see(see(first, at, 50, "pending", restarts=1), at, 60, "ended", restarts=1)

    found = reconcile.new_records(again, [record(0, "requeued", 0), record(1)], at(60), RULES)

    assert found == (record(1),)
    assert reconcile.booked(again, found).runs[0] == first.runs[0]


def test_no_run_is_booked_before_the_one_that_it_follows(row, record, at):
    one = row(step=Step.ENDED, restarts=2, ended=at(5))

    assert reconcile.new_records(one, (record(1), record(2)), at(6), RULES) == ()
    assert reconcile.new_records(one, (record(0), record(2)), at(6), RULES) == (record(0),)


def test_the_waits_of_an_earlier_process_begin_anew(row, at):
    one = row(step=Step.ENDED, ended=at(5000), stopped=at(4000), unknown_since=at(3000), unknowns=2)

    assert reconcile.resumed(one, at(10)) == row(step=Step.ENDED, ended=at(10), stopped=at(10))
