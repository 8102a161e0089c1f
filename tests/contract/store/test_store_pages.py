"""Pages of jobs against the plainest possible reading of the filters, over every job."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from store_samples import ALICE, BABEK, BAKU, FORMS, JERUSALEM, TRAFFIC, job, known, put, task

from foedus.core.base.ids import JobId, ProjectId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Job
from foedus.core.jobs.state import LIVE_ATTEMPT, JobState
from foedus.flow.ports import JobFilter, Transaction, Visible
from foedus.store.session import Session
from foedus.store.unit import SqlStore, open_store

USERS = (ALICE, BABEK, UserId("carla"))
PROJECTS = (TRAFFIC, FORMS, ProjectId("rivers"))
SITES = (JERUSALEM, BAKU, None)
EVERYTHING = Visible(everything=True)


def some_jobs(dice: random.Random) -> Iterator[Job]:
    for number in range(1, 60):
        facts = {
            "user": dice.choice(USERS),
            "project": dice.choice(PROJECTS),
            "site": dice.choice(SITES),
            "name": dice.choice(["train", "test"]),
        }
        count = dice.choice([0, 0, 0, 4])
        yield from (task(number, index, state=dice.choice(list(JobState)), **facts) for index in range(count))
        if not count:
            yield job(number, state=dice.choice(list(JobState)), **facts)


def sees(visible: Visible, one: Job) -> bool:
    if visible.only_project is not None and one.project != visible.only_project:
        return False
    return (
        visible.everything or one.user == visible.user or one.project in visible.projects or one.site in visible.sites
    )


def passes(which: JobFilter, one: Job) -> bool:
    pairs = ((which.project, one.project), (which.user, one.user), (which.site, one.site), (which.name, one.name))
    in_array = which.array is None or (one.task is not None and one.id.startswith(f"{which.array}_"))
    states = not which.states or one.state in which.states
    return sees(which.visible, one) and in_array and states and all(want in {None, has} for want, has in pairs)


def some_filter(dice: random.Random) -> JobFilter:
    def maybe(values: tuple[object, ...]) -> object:
        return dice.choice([None, None, *values])

    def some(values: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(dice.choices(values, k=dice.choice([0, 1, 2])))

    visible = Visible(
        everything=dice.random() < 0.3,
        user=maybe(USERS),
        projects=some(PROJECTS),
        sites=some((JERUSALEM, BAKU)),
        only_project=maybe((TRAFFIC,)),
    )
    return JobFilter(
        states=some(tuple(JobState)),
        project=maybe(PROJECTS),
        user=maybe(USERS),
        site=maybe((JERUSALEM, BAKU)),
        name=maybe(("train", "nobody")),
        array=dice.choice([None] * 6 + [JobId("7"), JobId("8"), JobId("9"), JobId("7_1")]),
        visible=visible,
    )


def all_pages(tx: Transaction, which: JobFilter, limit: int) -> list[Job]:
    found: list[Job] = []
    before = None
    while page := tx.jobs.page(which, before, limit):
        assert len(page) <= limit
        found += page
        before = (page[-1].number, -1 if page[-1].task is None else page[-1].task)
    return found


def test_pages_agree_with_a_plain_filter(store: SqlStore):
    dice = random.Random(20261123)
    jobs = known(*some_jobs(dice))
    newest_first = sorted(jobs, key=lambda one: (one.number, -1 if one.task is None else one.task), reverse=True)
    with store.begin() as tx:
        put(tx, *dice.sample(jobs, len(jobs)))
    with store.read() as tx:
        for _ in range(100):
            which = some_filter(dice)
            expected = [one for one in newest_first if passes(which, one)]
            assert all_pages(tx, which, dice.choice([1, 7, 500])) == expected, which


def test_who_may_see_nothing_sees_nothing(store: SqlStore):
    with store.begin() as tx:
        put(tx, job(1))
        assert tx.jobs.page(JobFilter(visible=Visible()), None, 10) == ()


def test_very_many_reasons_to_see_a_job(store: SqlStore):
    projects = tuple(ProjectId(f"p{number}") for number in range(400))
    jobs = [
        job(number, project=projects[number % 400], user=USERS[number % 3], site=SITES[number % 2])
        for number in range(1, 500)
    ]
    visible = Visible(user=ALICE, projects=projects[:300], sites=(BAKU,))
    wanted = JobFilter(states=(JobState.PENDING, JobState.RUNNING), visible=visible)
    with store.begin() as tx:
        put(tx, *jobs)
        assert all_pages(tx, wanted, 50) == [one for one in reversed(known(*jobs)) if passes(wanted, one)]


def page(**filters: object) -> Callable[[Transaction], object]:
    which = JobFilter(**{"visible": EVERYTHING, **filters})
    return lambda tx: tx.jobs.page(which, (1000, -1), 50)


WALKS = {
    "everything": (page(), {"sqlite_autoindex_jobs_2"}),
    "rare state": (page(states=(JobState.NODE_FAIL,)), {"ix_jobs_state_number_task"}),
    "two states": (
        page(states=(JobState.RUNNING, JobState.FAILED)),
        {"ix_jobs_state_number_task", "sqlite_autoindex_jobs_2"},
    ),
    "running of a project": (page(project=TRAFFIC, states=(JobState.RUNNING,)), {"ix_jobs_state_number_task"}),
    "failed of a project": (page(project=TRAFFIC, states=(JobState.FAILED,)), {"ix_jobs_project_number_task"}),
    "user": (page(user=ALICE, project=TRAFFIC), {"ix_jobs_user_id_number_task"}),
    "site": (page(site=BAKU), {"ix_jobs_site_number_task"}),
    "name": (page(name="train"), {"ix_jobs_name_number_task"}),
    "array": (page(array=JobId("7")), {"sqlite_autoindex_jobs_2"}),
    "visible": (
        page(visible=Visible(user=ALICE, projects=(FORMS, TRAFFIC), sites=(BAKU,))),
        {
            "ix_jobs_user_id_number_task",
            "ix_jobs_project_number_task",
            "ix_jobs_site_number_task",
            "sqlite_autoindex_jobs_2",
        },
    ),
    "pending": (lambda tx: tx.jobs.pending(10), {"ix_jobs_placeable"}),
    "pending after": (lambda tx: tx.jobs.pending(10, (5, -1)), {"ix_jobs_placeable"}),
    "held": (lambda tx: tx.jobs.held(10), {"ix_jobs_held"}),
    "held after": (lambda tx: tx.jobs.held(10, JobId("7")), {"ix_jobs_held"}),
    "recent": (
        lambda tx: tx.attempts.recent(Instant(7), Instant(7)),
        {"ix_attempts_bound", "ix_attempts_handed", "ix_attempts_started", "sqlite_autoindex_jobs_1"},
    ),
    "unfetched": (lambda tx: tx.attempts.unfetched(Instant(7)), {"ix_attempts_bound"}),
    "overdue": (lambda tx: tx.attempts.overdue(Instant(7), 10), {"ix_attempts_handed"}),
    "held tasks": (lambda tx: tx.jobs.held_tasks(JobId("7"), 10), {"ix_jobs_held"}),
    "live": (lambda tx: tx.jobs.live(BAKU), {"ix_jobs_unfinished"}),
    "has live": (lambda tx: tx.jobs.has_live(BAKU, TRAFFIC), {"ix_jobs_unfinished"}),
    "counts": (lambda tx: tx.jobs.counts(), {"ix_jobs_unfinished"}),
    "tally": (lambda tx: tx.jobs.tally([JobId("7"), JobId("8")]), {"ix_jobs_tally"}),
    "loose tasks": (lambda tx: tx.jobs.loose_tasks(JobId("7")), {"ix_jobs_tally", "ix_jobs_placeable"}),
    "to stop": (lambda tx: tx.attempts.to_stop(BAKU), {"ix_attempts_to_stop"}),
    "at": (lambda tx: tx.attempts.at(BAKU, LIVE_ATTEMPT), {"ix_attempts_site_state_bound"}),
}
NO_INDEX = re.compile(r"SCAN (jobs|attempts)(?! USING)")
ALONG = re.compile(r"(?:jobs|attempts) USING (?:COVERING )?INDEX (\w+)")


@pytest.mark.parametrize("name", WALKS)
def test_sqlite_walks_along_the_index_that_was_made_for_it(name: str, monkeypatch: pytest.MonkeyPatch):
    query, expected = WALKS[name]
    steps: list[str] = []

    def explain(session: Session, statement):
        compiled = statement.compile(session.connection.engine, compile_kwargs={"literal_binds": True})
        steps.extend(str(row.detail) for row in session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
        return [0] if "count(*)" in str(compiled) and "GROUP BY" not in str(compiled) else []

    monkeypatch.setattr(Session, "rows", explain)
    monkeypatch.setattr(Session, "first", lambda self, statement: explain(self, statement) or None)
    monkeypatch.setattr(Session, "scalar", lambda self, statement: explain(self, statement)[0])
    store = open_store("sqlite://")
    with store.read() as tx:
        query(tx)
    store.close()
    plan = "\n".join(steps)
    assert (set(ALONG.findall(plan)), NO_INDEX.findall(plan)) == (expected, []), plan


def test_a_page_is_of_tasks_too(store: SqlStore):
    tasks = [task(5, index) for index in range(5)]
    with store.begin() as tx:
        put(tx, *tasks, job(4), job(6))
        whole = JobFilter(visible=EVERYTHING)
        assert tx.jobs.page(whole, (5, 2), 3) == known(tasks[1], tasks[0], job(4))
        assert tx.jobs.page(replace(whole, array=JobId("5")), (5, 2), 3) == known(tasks[1], tasks[0])
        assert tx.jobs.page(replace(whole, site=SiteId("nowhere")), None, 3) == []
