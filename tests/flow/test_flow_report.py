import pytest
from alliance import GRANTED, HOUR, RULES, Alliance, script

from foedus.core.base.ids import JobId
from foedus.core.jobs.job import Attempt, StopReason
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.flow.orders import hello, starts
from foedus.flow.report import report
from foedus.wire.agents import BoardItem, ReportItem, StatusItem, StopOrder

DIGEST = "ab" * 32


def accepted(job: str = "1", attempt: int = 1) -> ReportItem:
    return ReportItem(job=job, attempt=attempt, accepted=True)


def refused(text: str, job: str = "1", attempt: int = 1) -> ReportItem:
    return ReportItem(job=job, attempt=attempt, accepted=False, text=text)


@pytest.fixture
def bound(alliance: Alliance) -> Alliance:
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.fetch("jerusalem")
    return alliance


def test_orders_are_given_until_the_agent_has_them(alliance: Alliance):
    alliance.submit_all("noa", [script(more=["--array=3-4"]), script("echo two")])
    alliance.says("jerusalem", 8)
    alliance.place()
    orders = alliance.fetch("jerusalem")
    assert [(order.job, order.attempt, order.user, order.guest) for order in orders] == [
        ("1_3", 1, "noa", False),
        ("1_4", 1, "noa", False),
        ("2", 1, "noa", False),
    ]
    task = orders[0].task
    assert task is not None
    assert (task.array, task.index, task.count, task.lowest, task.highest, task.step) == ("1", 3, 2, 3, 4, 1)
    assert orders[2].spec.script == script("echo two")
    assert alliance.fetch("jerusalem") == orders
    known = {("1_3", 1), ("2", 1)}
    some = alliance.do(lambda tx: starts(tx, "jerusalem", known, 100, alliance.now))
    assert [order.job for order in some] == ["1_4"]
    assert len(alliance.do(lambda tx: starts(tx, "jerusalem", frozenset(), 1, alliance.now))) == 1
    assert alliance.fetch("baku") == []


def test_hello_begins_an_epoch_and_shows_the_board(bound: Alliance):
    (order,) = bound.fetch("jerusalem")
    first = bound.do(lambda tx: hello(tx, "jerusalem", bound.now))
    assert (first.epoch, first.now) == (1, bound.now)
    assert first.board == [BoardItem(job="1", attempt=1, state=AttemptState.BOUND, native_id="", order=order)]
    bound.starting("jerusalem", "1")
    again = bound.do(lambda tx: hello(tx, "jerusalem", bound.now))
    assert again.epoch == 2
    assert again.board == [BoardItem(job="1", attempt=1, state=AttemptState.STARTING, native_id="n1", order=order)]
    bound.ended("jerusalem", "1")
    assert bound.do(lambda tx: hello(tx, "jerusalem", bound.now)).board == []


def test_from_queue_to_end(bound: Alliance):
    assert bound.report("jerusalem", "1", 1, AttemptState.BOUND) == accepted()
    assert bound.states("1") == [JobState.BOUND]
    bound.later(1)
    assert bound.report("jerusalem", "1", 1, AttemptState.STARTING, native_id="77", reason="Priority") == accepted()
    assert (bound.job("1").state, bound.job("1").reason) == (JobState.STARTING, "in the queue of jerusalem (Priority)")
    handed = bound.now
    bound.later(5)
    started = bound.now
    assert bound.running("jerusalem", "1") == accepted()
    assert (bound.job("1").state, bound.job("1").started) == (JobState.RUNNING, started)
    bound.later(60)
    assert bound.ended("jerusalem", "1", outcome=Outcome.FAILED, exit_code=3, signal=9, reason="oops") == accepted()
    job = bound.job("1")
    assert (job.state, job.reason, job.started, job.ended, job.exit_code, job.signal) == (
        JobState.FAILED,
        "oops",
        started,
        bound.now,
        3,
        9,
    )
    (attempt,) = bound.attempts("1")
    assert attempt == Attempt(
        job="1",
        number=1,
        site="jerusalem",
        state=AttemptState.ENDED,
        guest=False,
        epoch=1,
        native_id="n1",
        bound=attempt.bound,
        offered=attempt.bound,
        handed=handed,
        started=started,
        ended=bound.now,
        outcome=Outcome.FAILED,
        exit_code=3,
        signal=9,
        reason="oops",
    )
    assert bound.budget() == (GRANTED, 0, 0)
    assert bound.kinds("1") == ["submitted", "admitted", "bound", "handed-over", "running", "ended"]


def test_repeats_and_stragglers_change_nothing(bound: Alliance):
    for _ in range(2):
        assert bound.starting("jerusalem", "1") == accepted()
    for _ in range(2):
        assert bound.running("jerusalem", "1") == accepted()
    assert bound.starting("jerusalem", "1") == accepted()
    assert bound.states("1") == [JobState.RUNNING]
    for _ in range(2):
        assert bound.ended("jerusalem", "1") == accepted()
    before = bound.job("1"), bound.attempts("1"), bound.story("1"), bound.budget()
    bound.later(5)
    for late in (bound.starting, bound.running, bound.returned):
        assert late("jerusalem", "1") == accepted()
    assert bound.ended("jerusalem", "1", outcome=Outcome.FAILED) == accepted()
    assert (bound.job("1"), bound.attempts("1"), bound.story("1"), bound.budget()) == before


def test_a_job_may_run_or_end_before_anything_else_was_heard_of_it(bound: Alliance):
    bound.ended("jerusalem", "1", outcome=Outcome.TIMEOUT)
    assert bound.states("1") == [JobState.TIMEOUT]


@pytest.mark.parametrize(
    ("site", "job", "attempt"), [("baku", "1", 1), ("jerusalem", "1", 2), ("jerusalem", "9", 1), ("baku", "9", 1)]
)
def test_what_a_site_was_not_given(bound: Alliance, *, site, job, attempt):
    before = bound.job("1")
    text = f"attempt {attempt} of job {job} was not given to {site}"
    assert bound.ended(site, job, attempt) == refused(text, job, attempt)
    assert bound.job("1") == before


def test_what_cannot_be(bound: Alliance):
    assert bound.ended("jerusalem", "1", outcome=None) == refused("an ended attempt needs its outcome")
    for wrong in (1, 3):
        answer = bound.ended("jerusalem", "1", outcome=Outcome.PREEMPTED, requeued_as=wrong)
        assert answer == refused("the attempt after 1 is 2")
    assert bound.states("1") == [JobState.BOUND]


def test_what_one_report_says_of_one_job_is_taken_in_order(bound: Alliance):
    said = [
        StatusItem(job=JobId("1"), attempt=1, state=AttemptState.ENDED, outcome=Outcome.PREEMPTED, requeued_as=2),
        StatusItem(job=JobId("9"), attempt=1, state=AttemptState.RUNNING),
        StatusItem(job=JobId("1"), attempt=2, state=AttemptState.RUNNING),
        StatusItem(job=JobId("1"), attempt=2, state=AttemptState.ENDED, outcome=Outcome.COMPLETED),
    ]
    answers = bound.do(lambda tx: report(tx, "jerusalem", said, 1, bound.now))
    assert [(one.job, one.attempt, one.accepted) for one in answers] == [
        ("1", 1, True),
        ("9", 1, False),
        ("1", 2, True),
        ("1", 2, True),
    ]
    assert bound.states("1") == [JobState.COMPLETED]
    assert bound.kinds("1")[-3:] == ["requeued", "running", "ended"]


def test_refused_here_and_placed_there_and_refused_by_all(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.says("baku", 8)
    alliance.place()
    alliance.returned("jerusalem", "1", reason="not today", policy=["no-mondays"], final=True)
    job = alliance.job("1")
    assert (job.state, job.site, job.sites, job.reason) == (
        JobState.PENDING,
        None,
        ("baku",),
        "given back by jerusalem: not today",
    )
    assert alliance.place() == 1
    assert (alliance.job("1").site, alliance.job("1").guest, alliance.job("1").attempt) == ("baku", True, 2)
    assert alliance.returned("jerusalem", "1", 1, final=True) == accepted()  # it says so again
    assert alliance.states("1") == [JobState.BOUND]
    alliance.returned("baku", "1", 2, reason="nor here", policy=["no-guests"], final=True)
    job = alliance.job("1")
    assert (job.state, job.sites, job.ended) == (JobState.REFUSED, (), alliance.now)
    assert job.reason == "no site is left that would take it; baku said: nor here"
    assert alliance.budget() == (GRANTED, 0, 0)
    assert alliance.story("1")[-2:] == [
        (
            "returned",
            {"attempt": 2, "site": "baku", "reason": "nor here", "policy": ["no-guests"], "final": True},
        ),
        (
            "refused",
            {"attempt": 2, "site": "baku", "reason": job.reason},
        ),
    ]


def requeue(alliance: Alliance, attempt: int = 1, outcome: Outcome = Outcome.PREEMPTED) -> ReportItem:
    return alliance.ended("jerusalem", "1", attempt, outcome=outcome, requeued_as=attempt + 1)


def test_a_requeue_is_the_next_attempt(bound: Alliance):
    bound.running("jerusalem", "1")
    assert requeue(bound) == accepted()
    assert requeue(bound) == accepted()
    job = bound.job("1")
    assert (job.state, job.attempt, job.site, job.started, job.reason) == (
        JobState.STARTING,
        2,
        "jerusalem",
        None,
        "queued again by jerusalem (preempted)",
    )
    assert [(one.number, one.state, one.outcome) for one in bound.attempts("1")] == [
        (1, AttemptState.ENDED, Outcome.PREEMPTED),
        (2, AttemptState.STARTING, None),
    ]
    assert bound.kinds("1")[-1] == "requeued"
    assert bound.budget() == (GRANTED, 0, HOUR)
    bound.running("jerusalem", "1", 1)  # a straggler of the first
    assert bound.states("1") == [JobState.STARTING]
    bound.ended("jerusalem", "1", 2)
    assert bound.states("1") == [JobState.COMPLETED]
    assert bound.budget() == (GRANTED, 0, 0)


def test_a_cancel_follows_the_job_into_its_next_attempt(bound: Alliance):
    bound.running("jerusalem", "1")
    bound.cancel("noa", "1")
    requeue(bound)
    assert bound.stops("jerusalem") == [StopOrder(job="1", attempt=2, why=StopReason.CANCEL)]


def test_revived_by_its_site_it_takes_its_budget_again(bound: Alliance):
    bound.running("jerusalem", "1")
    bound.ended("jerusalem", "1")
    assert bound.budget() == (GRANTED, 0, 0)
    assert requeue(bound, outcome=Outcome.COMPLETED) == accepted()
    assert bound.states("1") == [JobState.STARTING]
    assert bound.budget() == (GRANTED, 0, HOUR)
    assert bound.kinds("1")[-1] == "revived"
    bound.ended("jerusalem", "1", 2)
    assert bound.budget() == (GRANTED, 0, 0)


def test_revived_when_the_allocation_is_spent_already(bound: Alliance):
    bound.running("jerusalem", "1")
    bound.ended("jerusalem", "1")
    bound.submit(text=script(gpus=8, time="125:00:00"))
    assert bound.budget() == (GRANTED, 0, GRANTED)
    assert requeue(bound, outcome=Outcome.COMPLETED) == accepted()
    assert bound.budget() == (GRANTED, 0, GRANTED + HOUR)
    bound.ended("jerusalem", "1", 2)
    assert bound.budget() == (GRANTED, 0, GRANTED)


def test_outputs_that_come_late(bound: Alliance):
    bound.ended("jerusalem", "1")
    with bound.store.read() as tx:
        assert tx.attempts.outputs("1", 1) is None
    bound.ended("jerusalem", "1", outputs=DIGEST)
    with bound.store.read() as tx:
        assert tx.attempts.outputs("1", 1) == DIGEST
    assert bound.states("1") == [JobState.COMPLETED]


def test_what_an_old_attempt_says_moves_nothing(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.returned("jerusalem", "1")
    alliance.later(RULES.rest)
    alliance.says("jerusalem", 8)
    alliance.place()
    before = alliance.job("1")
    assert before.attempt == 2
    for late in (alliance.starting, alliance.running, alliance.ended, alliance.returned):
        assert late("jerusalem", "1", 1) == accepted()
    assert alliance.job("1") == before
