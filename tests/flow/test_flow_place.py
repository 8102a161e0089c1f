from dataclasses import replace

from alliance import RULES, START, Alliance, capacity, script

from foedus.core.jobs.job import Attempt, StopReason
from foedus.core.jobs.state import AttemptState, JobState
from foedus.flow.place import recall, withdraw
from foedus.wire.agents import StopOrder

PENDING, BOUND = JobState.PENDING, JobState.BOUND
NO_ROOM = {"site": "jerusalem", "guest": False, "text": "it has no room now"}


def where(alliance: Alliance, *jobs: str) -> list[tuple[str | None, bool]]:
    return [(alliance.job(name).site, alliance.job(name).guest) for name in jobs]


def test_home_first_and_as_a_guest_when_home_is_full(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 3)
    alliance.says("jerusalem", 1)
    alliance.says("baku", 1)
    assert alliance.place() == 2
    assert where(alliance, "1", "2", "3") == [("jerusalem", False), ("baku", True), (None, False)]
    assert alliance.attempts("2") == [
        Attempt(
            job="2",
            number=1,
            site="baku",
            state=AttemptState.BOUND,
            guest=True,
            epoch=0,
            native_id="",
            bound=alliance.now,
        )
    ]
    assert alliance.story("2")[-1] == (
        "bound",
        {
            "attempt": 1,
            "site": "baku",
            "guest": True,
            "considered": [NO_ROOM, {"site": "baku", "guest": True, "text": "it can start the job now"}],
        },
    )
    assert alliance.job("2").reason == "baku can start it now"


def test_late_binding(alliance: Alliance):
    """What is bound and not yet missing from what the site says is free counts as taken."""
    alliance.submit_all("noa", [script()] * 3)
    alliance.says("jerusalem", 1)
    assert [alliance.place(), alliance.place()] == [1, 0]
    alliance.fetch("jerusalem")
    assert alliance.place() == 0
    alliance.starting("jerusalem", "1")
    alliance.says("jerusalem", 1)
    assert alliance.place() == 0  # its scheduler takes a moment
    alliance.later(11)
    alliance.says("jerusalem", 1)
    assert alliance.place() == 1  # whatever the job waits for there, this GPU is free
    alliance.later(30)
    alliance.starting("jerusalem", "2")
    alliance.running("jerusalem", "2")
    assert alliance.place() == 0  # it began after the site's last word
    alliance.later(1)
    alliance.says("jerusalem", 1)
    assert alliance.place() == 1


def test_patience_keeps_room(alliance: Alliance):
    wide = script(gpus=8, more=["--gpus-per-node=8", "--nodes=1"])
    alliance.submit_all("noa", [wide, script()])
    alliance.says("jerusalem", capacity(4, "h100"))
    assert alliance.place() == 1
    assert alliance.states("1", "2") == [PENDING, BOUND]
    alliance.later(RULES.patience + 1)
    alliance.submit()
    alliance.says("jerusalem", capacity(4, "h100"))
    assert alliance.place() == 0
    alliance.says("jerusalem", capacity(12, "h100"))
    alliance.fetch("jerusalem")
    alliance.returned("jerusalem", "2")
    alliance.later(RULES.rest + 1)
    alliance.says("jerusalem", capacity(12, "h100"))
    assert alliance.place() == 3


def test_tasks_of_an_array_spread_over_sites(alliance: Alliance):
    alliance.submit(text=script(more=["--array=0-9"]))
    alliance.says("jerusalem", 3)
    alliance.says("baku", 4)
    assert alliance.place() == 7
    assert where(alliance, *(f"1_{task}" for task in range(10))) == [
        *[("jerusalem", False)] * 3,
        *[("baku", True)] * 4,
        *[(None, False)] * 3,
    ]


def test_a_silent_site_gets_nothing(alliance: Alliance):
    alliance.submit()
    assert alliance.place() == 0
    alliance.says("jerusalem", 8)
    alliance.later(RULES.fresh + 1)
    assert alliance.place() == 0
    alliance.do(lambda tx: tx.sites.saw("jerusalem", alliance.now))
    assert alliance.place() == 0  # it spoke, but what it said is free is old
    alliance.says("jerusalem", 8)
    assert alliance.place() == 1


def test_a_drained_site_gets_nothing(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 8, draining=True)
    assert alliance.place() == 0
    alliance.says("jerusalem", 8)
    assert alliance.place() == 1


def test_a_site_that_gave_it_back_is_left_alone_for_a_while(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.returned("jerusalem", "1", reason="no room after all")
    alliance.says("jerusalem", 8)
    assert alliance.place() == 0
    alliance.later(RULES.rest - 1)
    assert alliance.place() == 0
    alliance.later(1)
    alliance.says("jerusalem", 8)
    assert alliance.place() == 1
    assert [attempt.number for attempt in alliance.attempts("1")] == [1, 2]


def test_jobs_that_cannot_go_do_not_hide_those_behind_them(alliance: Alliance):
    """Windows of ten: twenty-five tasks and fifteen jobs wait for GPUs before one that needs none."""
    alliance.submit(text=script(more=["--array=1-25"]))
    alliance.submit_all("noa", [script()] * 15)
    last = alliance.submit(text=script(gpus=0)).id
    alliance.says("jerusalem", 0)
    assert alliance.place(replace(RULES, window=10, windows=2)) == 0
    assert alliance.place(replace(RULES, window=10, windows=3)) == 1
    assert alliance.states(last) == [BOUND]


def test_a_job_whose_site_is_down_keeps_its_place_in_the_queue(alliance: Alliance):
    only_home = script().replace("#FOEDUS project", "#FOEDUS dataset=il-tax\n#FOEDUS project")
    alliance.submit_all("noa", [only_home, script()])
    alliance.says("baku", 1)
    assert alliance.place() == 1
    assert where(alliance, "1", "2") == [(None, False), ("baku", True)]


def queued(alliance: Alliance, site: str, *jobs: str) -> None:
    for job in jobs:
        alliance.starting(site, job)
    alliance.later(RULES.promise + 1)


def test_recall(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 3)
    alliance.says("jerusalem", 3)
    alliance.place()
    alliance.fetch("jerusalem")
    queued(alliance, "jerusalem", "1", "2", "3")
    alliance.says("jerusalem", 3)
    assert alliance.do(lambda tx: recall(tx, alliance.agreement, RULES, alliance.now)) == 0  # nowhere else to go
    alliance.says("baku", 2)
    assert alliance.do(lambda tx: recall(tx, alliance.agreement, RULES, alliance.now)) == 2  # no more than fit there
    assert alliance.do(lambda tx: recall(tx, alliance.agreement, RULES, alliance.now)) == 0
    assert alliance.stops("jerusalem") == [
        StopOrder(job="1", attempt=1, why=StopReason.RECALL),
        StopOrder(job="2", attempt=1, why=StopReason.RECALL),
    ]
    assert alliance.story("1")[-1] == ("recalled", {"attempt": 1, "site": "jerusalem", "for": "baku"})
    alliance.returned("jerusalem", "1", reason="recalled before it ran")
    alliance.place()
    assert where(alliance, "1") == [("baku", True)]


def test_a_recalled_job_that_begins_to_run_stays(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    queued(alliance, "jerusalem", "1")
    alliance.says("baku", 2)
    assert alliance.do(lambda tx: recall(tx, alliance.agreement, RULES, alliance.now)) == 1
    alliance.running("jerusalem", "1")
    assert alliance.stops("jerusalem") == []
    alliance.ended("jerusalem", "1")
    assert alliance.states("1") == [JobState.COMPLETED]


def test_a_recall_that_ended_a_job_as_it_began_to_run_sends_it_elsewhere(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    queued(alliance, "jerusalem", "1")
    alliance.says("baku", 2)
    alliance.do(lambda tx: recall(tx, alliance.agreement, RULES, alliance.now))
    alliance.running("jerusalem", "1")
    alliance.returned("jerusalem", "1", reason="recalled as it began; 1 s are booked")
    assert alliance.states("1") == [PENDING]
    alliance.place()
    assert where(alliance, "1") == [("baku", True)]


def test_a_running_job_is_not_given_back_unasked(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.running("jerusalem", "1")
    assert alliance.returned("jerusalem", "1").accepted is True
    assert alliance.states("1") == [JobState.RUNNING]


def test_withdraw_takes_back_only_what_no_agent_has_seen(alliance: Alliance):
    alliance.submit_all("noa", [script()] * 2)
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.fetch("jerusalem")
    alliance.says("jerusalem", 2)
    alliance.place()
    assert alliance.states("1", "2") == [BOUND, BOUND]
    alliance.later(RULES.fresh)
    assert alliance.do(lambda tx: withdraw(tx, RULES, alliance.now)) == 0
    alliance.later(1)
    assert alliance.do(lambda tx: withdraw(tx, RULES, alliance.now)) == 1
    job = alliance.job("2")
    assert (job.state, job.site, job.reason) == (
        PENDING,
        None,
        "jerusalem did not come for it; waits for room at a site",
    )
    assert alliance.states("1") == [BOUND]
    alliance.says("jerusalem", 8)
    assert alliance.place() == 0  # it rests from there
    alliance.says("baku", 8)
    assert alliance.place() == 1
    assert alliance.attempts("2") == [
        Attempt(
            job="2",
            number=1,
            site="jerusalem",
            state=AttemptState.RETURNED,
            guest=False,
            epoch=0,
            native_id="",
            bound=START,
            ended=alliance.now,
            reason="jerusalem did not come for it; waits for room at a site",
        ),
        Attempt(
            job="2",
            number=2,
            site="baku",
            state=AttemptState.BOUND,
            guest=True,
            epoch=0,
            native_id="",
            bound=alliance.now,
        ),
    ]
