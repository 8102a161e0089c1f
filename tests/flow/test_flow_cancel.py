import pytest
from alliance import GRANTED, HOUR, Alliance, script

from foedus.core.base.errors import NotAllowed, NotFound
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.flow.cancel import cancel
from foedus.flow.report import report
from foedus.wire.agents import StatusItem, StopOrder
from foedus.wire.alliance import Scope
from foedus.wire.jobs import CancelReply

STOP = StopOrder(job="1", attempt=1, why=StopReason.CANCEL)


def reply(*, cancelled=(), stopping=(), over=()) -> CancelReply:
    return CancelReply(cancelled=list(cancelled), stopping=list(stopping), over=list(over))


def bound(alliance: Alliance, user: str = "noa") -> None:
    alliance.submit(user)
    alliance.says("jerusalem", 8)
    assert alliance.place() == 1


def test_what_waits_ends_at_once(alliance: Alliance):
    alliance.submit()
    assert alliance.cancel("noa", "1") == reply(cancelled=["1"])
    job = alliance.job("1")
    assert (job.state, job.reason, job.ended) == (JobState.CANCELLED, "cancelled by noa", alliance.now)
    assert alliance.budget() == (GRANTED, 0, 0)
    assert alliance.story("1")[2:] == [("cancelled", {"reason": "cancelled by noa"})]
    assert alliance.cancel("noa", "1") == reply(over=["1"])


def test_what_no_agent_has_seen_ends_at_once(alliance: Alliance):
    bound(alliance)
    assert alliance.cancel("noa", "1") == reply(cancelled=["1"])
    assert alliance.fetch("jerusalem") == []
    assert alliance.stops("jerusalem") == []
    (attempt,) = alliance.attempts("1")
    assert (attempt.state, attempt.ended) == (AttemptState.RETURNED, alliance.now)
    assert alliance.budget() == (GRANTED, 0, 0)


def test_what_an_agent_has_seen_ends_when_it_says_so(alliance: Alliance):
    bound(alliance)
    assert len(alliance.fetch("jerusalem")) == 1
    assert alliance.cancel("noa", "1") == reply(stopping=["1"])
    assert alliance.stops("jerusalem") == [STOP]
    assert alliance.cancel("noa", "1") == reply(stopping=["1"])
    assert alliance.kinds("1") == ["submitted", "admitted", "bound", "cancel-asked"]
    assert alliance.fetch("jerusalem") == []
    alliance.returned("jerusalem", "1", reason="the site does not have it")
    job = alliance.job("1")
    assert (job.state, job.reason, job.cancel) == (
        JobState.CANCELLED,
        "cancelled before jerusalem started it",
        False,
    )
    assert alliance.budget() == (GRANTED, 0, 0)


@pytest.mark.parametrize("running", [False, True])
def test_at_the_site(alliance: Alliance, *, running: bool):
    bound(alliance)
    alliance.fetch("jerusalem")
    alliance.starting("jerusalem", "1")
    if running:
        alliance.running("jerusalem", "1")
    assert alliance.cancel("noa", "1") == reply(stopping=["1"])
    assert alliance.stops("jerusalem") == [STOP]
    alliance.ended("jerusalem", "1", outcome=Outcome.CANCELLED)
    assert alliance.stops("jerusalem") == []
    assert alliance.states("1") == [JobState.CANCELLED]
    assert alliance.budget() == (GRANTED, 0, 0)
    assert alliance.cancel("noa", "1") == reply(over=["1"])


def test_a_job_that_ends_by_itself_meanwhile_has_ended(alliance: Alliance):
    bound(alliance)
    alliance.fetch("jerusalem")
    alliance.running("jerusalem", "1")
    alliance.cancel("noa", "1")
    alliance.ended("jerusalem", "1")
    job = alliance.job("1")
    assert (job.state, job.cancel) == (JobState.COMPLETED, False)


def test_an_array(alliance: Alliance):
    alliance.submit(text=script(more=["--array=1-4"]))
    alliance.says("jerusalem", 2)
    alliance.place()
    alliance.fetch("jerusalem")
    alliance.running("jerusalem", "1_1")
    alliance.ended("jerusalem", "1_1")
    assert alliance.cancel("noa", "1") == reply(cancelled=["1_3", "1_4"], stopping=["1_2"], over=["1_1"])
    assert alliance.budget() == (GRANTED, 0, HOUR)


def test_a_cancel_that_crosses_the_jobs_way_back_is_not_lost(alliance: Alliance):
    """The site gives the job back between the cancel's look at it and its note on it."""
    bound(alliance)
    alliance.fetch("jerusalem")

    class Crossing:
        def __init__(self, tx):
            self._tx = tx

        def __getattr__(self, name):
            return getattr(self._tx, name)

        @property
        def jobs(self):
            return CrossingJobs(self._tx)

    class CrossingJobs(Crossing):
        def ask_cancel(self, job, at):
            item = StatusItem(job=job, attempt=1, state=AttemptState.RETURNED)
            report(self._tx, "jerusalem", [item], 1, at)
            return self._tx.jobs.ask_cancel(job, at)

        def __getattr__(self, name):
            return getattr(self._tx.jobs, name)

    who = alliance.caller("noa")
    assert alliance.do(lambda tx: cancel(Crossing(tx), who, ["1"], alliance.now)) == reply(cancelled=["1"])
    assert alliance.states("1") == [JobState.CANCELLED]
    assert alliance.budget() == (GRANTED, 0, 0)


def test_whose_it_is_to_cancel(alliance: Alliance):
    for _ in range(6):
        alliance.submit("dan")
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.submit("noa")
    with pytest.raises(NotAllowed, match="job 7 is not yours to cancel"):
        alliance.cancel("dan", "7")
    for user in ("dan", "noa", "olga"):
        mine = {"dan": "2", "noa": "3", "olga": "4"}[user]
        assert alliance.cancel(user, mine) == reply(cancelled=[mine])
    assert alliance.cancel("oren", "1") == reply(cancelled=["1"])  # at the site that he operates
    unseen = {}
    for user, job in (("eve", "5"), ("aysel", "5"), ("oren", "5"), ("orxan", "6"), ("noa", "99")):
        with pytest.raises(NotFound) as caught:
            alliance.cancel(user, job)
        unseen[user] = (str(caught.value), caught.value.remedy)
    assert unseen == {
        user: (f"there is no job {job} that you could see", "see `foedus list --all`")
        for user, job in (("eve", "5"), ("aysel", "5"), ("oren", "5"), ("orxan", "6"), ("noa", "99"))
    }


def test_all_or_none(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 2)
    with pytest.raises(NotFound):
        alliance.cancel("noa", "1", "99")
    assert alliance.states("1", "2") == [JobState.PENDING] * 2
    reader = alliance.caller("noa", Scope.READ)
    with pytest.raises(NotAllowed, match="this token may read; this needs submit"):
        alliance.do(lambda tx: cancel(tx, reader, ["1"], alliance.now))
