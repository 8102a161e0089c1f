"""A running guest is called home: it goes on there with its progress, unless it was quicker."""

import pytest
from alliance import RULES, Alliance, script

from foedus.core.base.canon import sha256
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.flow.call_home import call_home
from foedus.flow.orders import hello
from foedus.flow.why import why
from foedus.wire.agents import StopOrder

SAVED = sha256(b"what it saved")
HOME = StopOrder(job="1", attempt=1, why=StopReason.HOME)


def ask(alliance: Alliance, number: int = 1) -> bool:
    job, attempt = alliance.job("1"), alliance.attempts("1")[number - 1]
    return alliance.do(lambda tx: call_home(tx, job, attempt, alliance.now, "jerusalem has its place"))


@pytest.fixture
def guest(alliance: Alliance) -> Alliance:
    """One job of jerusalem's, which runs as a guest at baku."""
    alliance.submit(text=script(more=["--signal=B:TERM@30"]) + "#FOEDUS checkpoint=saved\n")
    alliance.says("baku", 1)
    alliance.place()
    alliance.fetch("baku")
    alliance.starting("baku", "1")
    alliance.running("baku", "1")
    return alliance


def goes_back(alliance: Alliance, number: int = 1, checkpoint: str | None = SAVED) -> None:
    started = alliance.attempts("1")[number - 1].started
    alliance.ended(
        "baku", "1", number, Outcome.PREEMPTED, exit_code=0, back=True, checkpoint=checkpoint, started=started
    )


def test_it_is_asked_once_and_goes_on_at_home_with_its_progress(guest: Alliance):
    assert (ask(guest), ask(guest), guest.stops("baku")) == (True, False, [HOME])
    guest.later(720)
    goes_back(guest)
    assert guest.states("1") == [JobState.PENDING]
    assert guest.job("1").reason == "called home from baku; its progress came along"

    guest.says("jerusalem", 1)
    guest.place()
    (order,) = guest.fetch("jerusalem")
    assert (order.attempt, order.guest, order.restarts, order.checkpoint) == (2, False, 1, SAVED)
    guest.starting("jerusalem", "1", 2)
    guest.running("jerusalem", "1", 2)
    guest.ended("jerusalem", "1", 2)
    assert guest.states("1") == [JobState.COMPLETED]

    first = guest.usage("1", 1, site="baku", outcome=Outcome.PREEMPTED)
    assert guest.book(guest.record(first), "baku").accepted
    assert guest.book(guest.record(guest.usage("1", 2))).accepted
    assert [(one.outcome, one.entry is None) for one in guest.attempts("1")] == [
        (Outcome.PREEMPTED, False),
        (Outcome.COMPLETED, False),
    ]
    caller = guest.caller("noa")
    told = guest.do(lambda tx: why(tx, caller, "1", guest.agreement, RULES, language="en", now=guest.now)).story
    assert [line.text for line in told if line.kind in {"called-home", "ended"}] == [
        "Called home from baku while it ran: jerusalem has its place",
        "Attempt 1 ran 12 min at baku, called home with its checkpoint",
        "Attempt 2 at jerusalem: completed, exit code 0",
    ]


def test_without_a_checkpoint_it_begins_anew_and_that_is_told(guest: Alliance):
    ask(guest)
    guest.later(30)
    goes_back(guest, checkpoint=None)
    assert guest.job("1").reason == "called home from baku; it begins anew"
    caller = guest.caller("noa")
    told = guest.do(lambda tx: why(tx, caller, "1", guest.agreement, RULES, language="en", now=guest.now)).story
    assert told[-1].text == "Attempt 1 ran 30 s at baku, called home without a checkpoint: it begins anew"


def test_progress_that_was_sent_once_is_not_lost_with_a_later_attempt(guest: Alliance):
    ask(guest)
    goes_back(guest)
    guest.says("baku", 1)
    guest.place()
    (order,) = guest.fetch("baku")
    guest.starting("baku", "1", 2)
    guest.running("baku", "1", 2)
    assert ask(guest, 2)
    goes_back(guest, 2, checkpoint=None)
    guest.place()
    (again,) = guest.fetch("baku")
    assert [(one.restarts, one.checkpoint) for one in (order, again)] == [(1, SAVED), (2, SAVED)]


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED, Outcome.TIMEOUT])
def test_a_job_that_ends_by_itself_meanwhile_is_over(guest: Alliance, outcome: Outcome):
    ask(guest)
    guest.ended("baku", "1", outcome=outcome)
    assert guest.states("1") == [JobState(outcome)]
    assert (guest.place(), guest.stops("baku"), ask(guest)) == (0, [], False)


def test_a_cancel_wins(guest: Alliance):
    ask(guest)
    guest.cancel("noa", "1")
    assert guest.stops("baku") == [StopOrder(job="1", attempt=1, why=StopReason.CANCEL)]
    goes_back(guest)
    assert (guest.states("1"), guest.place()) == ([JobState.CANCELLED], 0)


def test_the_report_that_it_goes_back_may_come_twice_and_late(guest: Alliance):
    ask(guest)
    goes_back(guest)
    goes_back(guest)
    guest.says("jerusalem", 1)
    guest.place()
    goes_back(guest)
    assert (guest.states("1"), [one.number for one in guest.attempts("1")]) == ([JobState.BOUND], [1, 2])


def test_what_its_site_queues_again_meanwhile_is_still_called_home(guest: Alliance):
    ask(guest)
    guest.ended("baku", "1", outcome=Outcome.PREEMPTED, requeued_as=2, native_id="n1")
    assert guest.stops("baku") == [StopOrder(job="1", attempt=2, why=StopReason.HOME)]
    guest.returned("baku", "1", 2, reason="recalled before it ran", checkpoint=SAVED)
    assert guest.states("1") == [JobState.PENDING]
    guest.says("jerusalem", 1)
    guest.place()
    (order,) = guest.fetch("jerusalem")
    assert (order.attempt, order.restarts, order.checkpoint) == (3, 1, SAVED)


def test_an_agent_that_greets_learns_what_was_called_home(guest: Alliance):
    ask(guest)
    reply = guest.do(lambda tx: hello(tx, "baku", guest.now))
    assert [(one.job, one.state, one.stop) for one in reply.board] == [("1", AttemptState.RUNNING, StopReason.HOME)]


@pytest.mark.parametrize("state", ["bound", "starting"])
def test_what_does_not_run_is_not_called_home(alliance: Alliance, state: str):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    if state == "starting":
        alliance.starting("jerusalem", "1")
    assert (ask(alliance), alliance.stops("jerusalem")) == (False, [])


def test_what_may_not_be_queued_again_is_not_called_home(alliance: Alliance):
    alliance.submit(text=script(more=["--no-requeue"]))
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.running("jerusalem", "1")
    assert (ask(alliance), alliance.stops("jerusalem")) == (False, [])
