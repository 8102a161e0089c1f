"""Pages of jobs, newest first.

Each page is a walk along an index that is sorted as the page is. Where a filter allows several values (states, or the
several reasons why a person may see a job), no single index is sorted so; then one walk for each is merged.
"""

from collections.abc import Sequence
from itertools import product
from typing import Final

from sqlalchemy import ColumnElement, Select, select, tuple_, union

from foedus.core.jobs.job import Job
from foedus.core.jobs.state import JobState
from foedus.flow.ports import JobFilter, Visible
from foedus.store.job_rows import job_from
from foedus.store.session import Session
from foedus.store.tables import jobs

_MOST_WALKS: Final = 100
"""Beyond these the states are filtered on the way instead; SQLite's own limit is 500."""

_NEWEST_FIRST: Final = (jobs.c.number.desc(), jobs.c.task.desc())
Condition = ColumnElement[bool]


def page(session: Session, which: JobFilter, before: tuple[int, int] | None, limit: int) -> Sequence[Job]:
    """Return at most `limit` jobs that follow `before`."""
    sights = _sights(which)
    if sights is None:
        return ()
    fixed = _fixed(which)
    if before is not None:
        fixed.append(tuple_(jobs.c.number, jobs.c.task) < tuple_(*before))
    walks = [[*fixed, *sight, *state] for sight, state in product(sights, _states(which, len(sights)))]
    if len(walks) == 1:
        found = select(jobs).where(*walks[0])
    else:
        keys = union(*(_walk(walk, limit) for walk in walks)).subquery()
        found = select(jobs).join(keys, (jobs.c.number == keys.c.number) & (jobs.c.task == keys.c.task))
    return [job_from(row) for row in session.rows(found.order_by(*_NEWEST_FIRST).limit(limit))]


def _walk(conditions: Sequence[Condition], limit: int) -> Select[int, int]:
    walk = select(jobs.c.number, jobs.c.task).where(*conditions).order_by(*_NEWEST_FIRST).limit(limit).subquery()
    return select(walk.c.number, walk.c.task)


def _fixed(which: JobFilter) -> list[Condition]:
    pairs = (
        (jobs.c.project, which.project),
        (jobs.c.project, which.visible.only_project),
        (jobs.c.user_id, which.user),
        (jobs.c.site, which.site),
        (jobs.c.name, which.name),
    )
    conditions = [column == value for column, value in pairs if value is not None]
    if which.array is not None:
        # The tasks of an array share its number.
        number = int(which.array) if which.array.isdecimal() else 0
        conditions += [jobs.c.number == number, jobs.c.task >= 0]
    return conditions


def _states(which: JobFilter, times: int) -> Sequence[Sequence[Condition]]:
    states: tuple[JobState, ...] = tuple(dict.fromkeys(which.states))
    if not states:
        return [[]]
    if len(states) * times > _MOST_WALKS:
        return [[jobs.c.state.in_([state.value for state in states])]]
    return [[jobs.c.state == state.value] for state in states]


def _sights(which: JobFilter) -> Sequence[Sequence[Condition]] | None:
    """Return the reasons why the person may see a job; one empty reason where the filters are reason enough."""
    visible = which.visible
    if visible.everything or _plainly_visible(which, visible):
        return [[]]
    sights: list[list[Condition]] = []
    if visible.user is not None:
        sights.append([jobs.c.user_id == visible.user])
    projects = [one for one in dict.fromkeys(visible.projects) if visible.only_project in {None, one}]
    sights += [[jobs.c.project == project] for project in projects]
    sights += [[jobs.c.site == site] for site in dict.fromkeys(visible.sites)]
    if len(sights) > _MOST_WALKS:
        sights = [_any_of(visible)]
    return sights or None


def _any_of(visible: Visible) -> list[Condition]:
    either = jobs.c.project.in_(visible.projects) | jobs.c.site.in_(visible.sites)
    return [either if visible.user is None else either | (jobs.c.user_id == visible.user)]


def _plainly_visible(which: JobFilter, visible: Visible) -> bool:
    project = which.project or visible.only_project
    return (
        (project is not None and project in visible.projects)
        or (which.user is not None and which.user == visible.user)
        or (which.site is not None and which.site in visible.sites)
    )
