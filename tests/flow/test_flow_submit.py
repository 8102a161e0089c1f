import threading
from dataclasses import replace

import pytest
from alliance import GRANTED, HOUR, Alliance, capacity, script

from foedus.core.base.errors import BadInput, Busy, Fault, NotAllowed
from foedus.core.jobs.job import Array, Job
from foedus.core.jobs.spec import Purpose, Resources
from foedus.core.jobs.state import JobState
from foedus.flow.submit import submit
from foedus.store.migrate import migrate
from foedus.store.unit import open_store
from foedus.wire.alliance import ProjectRole, Scope
from foedus.wire.jobs import ReasonView, Submission, SubmittedView

BOTH = ["jerusalem", "baku"]


def test_one_job(alliance: Alliance):
    assert alliance.submit() == SubmittedView(
        id="1", state=JobState.PENDING, tasks=1, sites=BOTH, reasons=[], notices=[]
    )
    job = alliance.job("1")
    assert job == Job(
        id="1",
        number=1,
        task=None,
        user="noa",
        partner="israel",
        project="shield",
        sector="cybersecurity",
        purpose=Purpose.FINETUNE,
        name="sbatch",
        spec=job.spec,
        bundle=None,
        resources=Resources(gpus=1, time_limit=HOUR),
        state=JobState.PENDING,
        reason="waits for room at a site",
        sites=("jerusalem", "baku"),
        attempt=0,
        site=None,
        guest=False,
        reserved=HOUR,
        agreement_version=1,
        submitted=alliance.now,
        changed=alliance.now,
    )
    assert alliance.budget() == (GRANTED, 0, HOUR)
    assert alliance.story("1") == [
        ("submitted", {"tasks": 1, "notices": []}),
        (
            "admitted",
            {
                "agreement": 1,
                "verdicts": [
                    {"site": "jerusalem", "allowed": True, "clauses": ["joint-work"], "fault": ""},
                    {"site": "baku", "allowed": True, "clauses": ["joint-work"], "fault": ""},
                ],
                "sites": BOTH,
                "cost": HOUR,
                "refusals": [],
            },
        ),
    ]


def test_home_comes_first_for_each_partner(alliance: Alliance):
    assert alliance.submit("aysel", script(project="metro")).sites == ["baku", "jerusalem"]


def test_all_or_none_and_every_fault_names_its_job(alliance: Alliance):
    good = script()
    bad = [good, script(time="soon"), good, script(project="metro"), script(more=["--nodes=0"])]
    with pytest.raises(BadInput) as caught:
        alliance.submit_all("noa", bad)
    assert [(fault.path, fault.fault) for fault in caught.value.faults] == [
        ("jobs[1].line 3: --time", "'soon' is not a time"),
        ("jobs[3].project", "you are in no project 'metro'"),
        ("jobs[4].line 4: --nodes", "'0' is not a number of nodes"),
    ]
    assert alliance.budget() == (GRANTED, 0, 0)
    with alliance.store.read() as tx:
        assert tx.jobs.pending(10) == []


def test_many_get_consecutive_numbers_in_order(alliance: Alliance):
    views = alliance.submit_all("noa", [script(gpus=count) for count in (1, 2, 3)])
    assert [view.id for view in views] == ["1", "2", "3"]
    assert [alliance.job(view.id).resources.gpus for view in views] == [1, 2, 3]
    assert alliance.budget() == (GRANTED, 0, 6 * HOUR)


def test_refused_by_a_clause_is_kept_with_its_story(alliance: Alliance):
    text = "clause declared-purpose forbids it: A job that uses GPUs declares its purpose."
    remedy = "change what the clause speaks of, or take it up with the alliance's office"
    reasons = [
        ReasonView(code="clause", text=text, clause="declared-purpose", site=site, remedy=remedy) for site in BOTH
    ]
    assert alliance.submit(text=script(purpose=None)) == SubmittedView(
        id="1", state=JobState.REFUSED, tasks=1, sites=[], reasons=reasons, notices=[]
    )
    job = alliance.job("1")
    assert (job.state, job.sites, job.reserved, job.ended) == (JobState.REFUSED, (), 0, alliance.now)
    assert job.reason == f"jerusalem: {text.removesuffix('.')}; {remedy}"
    assert alliance.budget() == (GRANTED, 0, 0)
    kind, data = alliance.story("1")[1]
    assert kind == "refused"
    assert [(one["site"], one["clause"]) for one in data["reasons"]] == [
        ("jerusalem", "declared-purpose"),
        ("baku", "declared-purpose"),
    ]


def test_a_clause_can_take_out_one_site(alliance: Alliance):
    view = alliance.submit(text=script(more=[], purpose="finetune") + "#\n#FOEDUS dataset=il-tax\n")
    assert view.sites == BOTH  # after the first command nothing is read
    view = alliance.submit(text=script().replace("true", "#FOEDUS dataset=il-tax\ntrue"))
    assert (view.state, view.sites) == (JobState.PENDING, ["jerusalem"])
    assert [(reason.site, reason.clause) for reason in view.reasons] == [("baku", "residency-il")]


def test_too_large_names_what_each_site_has(alliance: Alliance):
    view = alliance.submit("aysel", script(gpus=8, more=["--gpus-per-node=8", "--nodes=1"], project="metro"))
    assert (view.state, view.sites) == (JobState.PENDING, ["jerusalem"])
    assert [(one.site, one.code, one.text) for one in view.reasons] == [
        (
            "baku",
            "too-large",
            "pool gpu: needs 8 GPUs on a node, has 4; pool cpu: needs 8 GPUs on a node, has none",
        )
    ]
    none = alliance.submit(text=script(more=["--mem=2T"]))
    assert none.state is JobState.REFUSED
    assert [(one.site, one.code) for one in none.reasons] == [("jerusalem", "too-large"), ("baku", "too-large")]


def test_longer_than_a_lane_takes(alliance: Alliance):
    said = capacity(8, "h100")
    alliance.says("jerusalem", replace(said, owner=replace(said.owner, time_limit=60)))
    view = alliance.submit()
    assert view.sites == ["baku"]
    assert [one.text for one in view.reasons] == [
        "the job asks for 01:00:00, and the site gives its own partner's jobs at most 00:01:00"
    ]


def test_the_budget_runs_out(alliance: Alliance):
    views = alliance.submit_all("noa", [script(gpus=4, time="5-00:00:00"), script(gpus=4, time="5-00:00:00")] * 2)
    assert [view.state for view in views] == [JobState.PENDING, JobState.PENDING, JobState.REFUSED, JobState.REFUSED]
    assert [(one.code, one.site) for one in views[2].reasons] == [("budget", None)]
    assert views[2].reasons[0].text == (
        "the job may use 480 GPU-hours, and project shield has 40 left (1000 granted, 0 used, 960 held for other jobs)"
    )
    assert alliance.budget() == (GRANTED, 0, 960 * HOUR)
    assert alliance.submit(text=script(gpus=0, time=None)).state is JobState.PENDING


def test_two_at_once_never_spend_the_same_hours(alliance: Alliance, tmp_path):
    """Six submissions of 400 of 1000 GPU-hours, from six threads on one file: two are taken."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate(url)
    store = open_store(url)
    shared = Alliance(alliance.signed, store)
    barrier = threading.Barrier(6)
    found: list[JobState] = []

    def one() -> None:
        barrier.wait()
        found.append(shared.submit(text=script(gpus=20, time="20:00:00")).state)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [JobState.PENDING] * 2 + [JobState.REFUSED] * 4
    assert shared.budget() == (GRANTED, 0, 800 * HOUR)
    store.close()


def test_lost_to_another_submission_it_is_to_be_decided_again(alliance: Alliance):
    """Another transaction takes the rest between the look at the budget and the reservation."""

    class Greedy:
        def __init__(self, projects):
            self._projects = projects

        def reserve(self, project, amount):
            assert self._projects.reserve(project, GRANTED)
            return self._projects.reserve(project, amount)

        def __getattr__(self, name):
            return getattr(self._projects, name)

    class Raced:
        def __init__(self, tx):
            self._tx = tx

        @property
        def projects(self):
            return Greedy(self._tx.projects)

        def __getattr__(self, name):
            return getattr(self._tx, name)

    who = alliance.caller("noa")
    asked = [Submission(script=script())]
    with pytest.raises(Busy, match="the allocation of shield changed while this was decided; nothing happened"):
        alliance.do(lambda tx: submit(Raced(tx), who, asked, alliance.rules, alliance.now))
    assert alliance.budget() == (GRANTED, 0, 0)


def test_many_at_once_get_what_is_left_one_after_the_other(alliance: Alliance):
    views = alliance.submit_all("noa", [script(gpus=20, time="20:00:00")] * 4)
    assert [view.state for view in views] == [JobState.PENDING] * 2 + [JobState.REFUSED] * 2
    assert views[2].reasons[0].text == (
        "the job may use 400 GPU-hours, and project shield has 200 left (1000 granted, 0 used, 800 held for other jobs)"
    )
    assert alliance.budget() == (GRANTED, 0, 800 * HOUR)


def fault_of(alliance: Alliance, *args, **reach) -> tuple[Fault, ...]:
    with pytest.raises(BadInput) as caught:
        alliance.submit(*args, **reach)
    return caught.value.faults


def test_which_project(alliance: Alliance):
    assert alliance.submit(text=script(project=None)).state is JobState.PENDING  # the only one
    assert alliance.job("1").project == "shield"
    assert fault_of(alliance, "eve", script(project=None)) == (
        Fault(path="project", fault="you are in no project", remedy="ask a project's lead to add you"),
    )
    assert fault_of(alliance, "eve") == (
        Fault(path="project", fault="you are in no project 'shield'", remedy="you are in none; ask a project's lead"),
    )
    assert fault_of(alliance, text=script(project="nowhere")) == (
        Fault(path="project", fault="you are in no project 'nowhere'", remedy="yours: shield"),
    )
    alliance.do(lambda tx: tx.projects.set_member("metro", "noa", ProjectRole.MEMBER))
    assert fault_of(alliance, text=script(project=None)) == (
        Fault(
            path="project",
            fault="the job names no project and you are in several",
            remedy="add `#FOEDUS project=NAME` or --project=NAME with one of: metro, shield",
        ),
    )


def test_narrowed_tokens(alliance: Alliance):
    alliance.do(lambda tx: tx.projects.set_member("metro", "noa", ProjectRole.MEMBER))
    view = alliance.submit(text=script(project=None), only="metro")
    assert alliance.job(view.id).project == "metro"
    assert fault_of(alliance, text=script(project="shield"), only="metro") == (
        Fault(path="project", fault="you are in no project 'shield'", remedy="yours: metro"),
    )
    with pytest.raises(NotAllowed, match="this token may read; this needs submit"):
        alliance.submit(scope=Scope.READ)
    assert alliance.submit(scope=Scope.SUBMIT).state is JobState.PENDING


def test_the_files_of_a_job_have_to_be_there_first(alliance: Alliance):
    bundle = "ab" * 32
    asked = Submission(script=script(), bundle=bundle)
    with pytest.raises(BadInput) as caught:
        alliance.submit_all("noa", [asked])
    assert caught.value.faults == (
        Fault(path="bundle", fault="its manifest is not here", remedy="upload the bundle first, then submit"),
    )
    alliance.do(lambda tx: tx.pieces.add("metro", bundle, 1, alliance.now))
    with pytest.raises(BadInput):
        alliance.submit_all("noa", [asked])
    alliance.do(lambda tx: tx.pieces.add("shield", bundle, 1, alliance.now))
    assert alliance.submit_all("noa", [asked])[0].state is JobState.PENDING
    assert alliance.job("1").bundle == bundle


def test_an_array_with_a_throttle(alliance: Alliance):
    view = alliance.submit(text=script(more=["--array=2-10:2%2"]))
    assert view == SubmittedView(id="1", state=JobState.PENDING, tasks=5, sites=BOTH, reasons=[], notices=[])
    with alliance.store.read() as tx:
        tasks, array = tx.jobs.tasks("1"), tx.jobs.arrays(["1"])["1"]
    assert array == Array(
        id="1",
        user="noa",
        partner="israel",
        project="shield",
        spec=tasks[0].spec,
        name="sbatch",
        count=5,
        lowest=2,
        highest=10,
        step=2,
        at_once=2,
        submitted=alliance.now,
    )
    waits = "waits for another task of the array to end (2 at once)"
    assert [(task.id, task.task, task.held, task.reason) for task in tasks] == [
        ("1_2", 2, False, "waits for room at a site"),
        ("1_4", 4, False, "waits for room at a site"),
        ("1_6", 6, True, waits),
        ("1_8", 8, True, waits),
        ("1_10", 10, True, waits),
    ]
    assert {task.reserved for task in tasks} == {HOUR}
    assert alliance.budget() == (GRANTED, 0, 5 * HOUR)


def test_a_refused_array(alliance: Alliance):
    view = alliance.submit(text=script(gpus=8, time="10-00:00:00", more=["--array=1-2"]))
    assert (view.state, view.tasks) == (JobState.REFUSED, 2)
    assert alliance.states("1_1", "1_2") == [JobState.REFUSED] * 2
    assert alliance.budget() == (GRANTED, 0, 0)
