"""Pages of jobs, newest first.

Each page is a walk along an index that is sorted as the page is. Where a filter allows several values (states, or the
several reasons why a person may see a job), no single index is sorted so; then one walk for each is merged.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Select, select, tuple_, union

from foedus.core.jobs.job import Job
from foedus.core.jobs.state import AT_SITE, JobState
from foedus.flow.ports import JobFilter, Visible
from foedus.store.job_rows import array_number, job_from
from foedus.store.session import Session, Ts, along
from foedus.store.tables import jobs

Condition: TypeAlias = ColumnElement[bool]
Equal: TypeAlias = tuple[str, str]
"""A column, and the value that it must have."""

_NEWEST_FIRST: Final = (jobs.c.number.desc(), jobs.c.task.desc())
_MOST_WALKS: Final = 100
"""Beyond these, values are filtered on the way instead; SQLite's own limit is 500."""
_FEW: Final = frozenset({JobState.PENDING, *AT_SITE, JobState.TIMEOUT, JobState.OUT_OF_MEMORY, JobState.NODE_FAIL})
"""States that few of a million jobs are in."""


def page(session: Session, which: JobFilter, before: tuple[int, int] | None, limit: int) -> Sequence[Job]:
    """Return at most `limit` jobs that follow `before`."""
    sights, others = _sights(which), _others(which, before)
    if not sights:
        return ()
    if len(sights) > _MOST_WALKS:
        others.append(_any_of(which.visible))
        sights = [()]
    states = tuple(dict.fromkeys(which.states))
    if len(states) * len(sights) > _MOST_WALKS:
        others.append(jobs.c.state.in_([state.value for state in states]))
        states = ()
    choices: list[tuple[Equal, ...]] = [(("state", state.value),) for state in states] or [()]
    walks = [(*_fixed(which), *sight, *choice) for sight, choice in product(sights, choices)]
    if len(walks) == 1:
        found = _walk(select(jobs), walks[0], others)
    else:
        keys = union(*(_keys(walk, others, limit) for walk in walks)).subquery()
        found = select(jobs).join(keys, (jobs.c.number == keys.c.number) & (jobs.c.task == keys.c.task))
    return [job_from(row) for row in session.rows(found.order_by(*_NEWEST_FIRST).limit(limit))]


def _keys(walk: Sequence[Equal], others: Sequence[Condition], limit: int) -> Select[int, int]:
    keys = _walk(select(jobs.c.number, jobs.c.task), walk, others).order_by(*_NEWEST_FIRST).limit(limit).subquery()
    return select(keys.c.number, keys.c.task)


def _walk(query: Select[*Ts], walk: Sequence[Equal], others: Sequence[Condition]) -> Select[*Ts]:
    query = query.where(*(jobs.c[column] == value for column, value in walk), *others)
    index = _index(dict(walk))
    return query if index is None else along(query, jobs, index)


def _index(equal: dict[str, str]) -> str | None:
    """Pick the index on which the fewest jobs are expected, which is sorted as pages are."""
    order = ["user_id", "name", "project", "site", "state"]
    if equal.get("state") in _FEW:
        order.insert(2, "state")
    column = next((column for column in order if column in equal), None)
    return column and f"ix_jobs_{column}_number_task"


def _fixed(which: JobFilter) -> list[Equal]:
    pairs = (
        ("project", which.project),
        ("project", which.visible.only_project),
        ("user_id", which.user),
        ("site", which.site),
        ("name", which.name),
    )
    return [(column, value) for column, value in pairs if value is not None]


def _others(which: JobFilter, before: tuple[int, int] | None) -> list[Condition]:
    """Return the conditions that narrow any walk down to a stretch of it."""
    others: list[Condition] = []
    if before is not None:
        others.append(tuple_(jobs.c.number, jobs.c.task) < tuple_(*before))
    if which.array is not None:
        others += [jobs.c.number == array_number(which.array), jobs.c.task >= 0]
    return others


def _sights(which: JobFilter) -> Sequence[Sequence[Equal]]:
    """Return the reasons why the person may see a job; one empty reason where the filters are reason enough."""
    visible = which.visible
    if visible.everything or _plainly_visible(which, visible):
        return [()]
    pairs: list[Equal] = [] if visible.user is None else [("user_id", visible.user)]
    pairs += [("project", project) for project in visible.projects if visible.only_project in {None, project}]
    pairs += [("site", site) for site in visible.sites]
    return [(pair,) for pair in dict.fromkeys(pairs)]


def _any_of(visible: Visible) -> Condition:
    either = jobs.c.project.in_(visible.projects) | jobs.c.site.in_(visible.sites)
    return either if visible.user is None else either | (jobs.c.user_id == visible.user)


def _plainly_visible(which: JobFilter, visible: Visible) -> bool:
    project = which.project or visible.only_project
    return (
        (project is not None and project in visible.projects)
        or (which.user is not None and which.user == visible.user)
        or (which.site is not None and which.site in visible.sites)
    )
