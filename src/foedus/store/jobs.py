"""Jobs and arrays."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, TextClause, Update, bindparam, func, select, tuple_, update

from foedus.core.base.ids import Digest, JobId, ProjectId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Array, Job, Story
from foedus.core.jobs.spec import Dependencies, JobSpec
from foedus.core.jobs.state import AT_SITE, ENDED, MOVES, JobState, Move, target
from foedus.flow.ports import JobChange, JobFilter
from foedus.store import job_pages, job_waits
from foedus.store.codec import sites_text, spec_from, spec_text
from foedus.store.job_rows import array_from, array_number, array_values, job_from, job_values
from foedus.store.session import Session, Values, along, chunks
from foedus.store.tables import (
    A_TASK,
    BY_HELD,
    BY_PLACEABLE,
    BY_TALLY,
    BY_UNFINISHED,
    HELD,
    PLACEABLE,
    UNFINISHED,
)
from foedus.store.tables import arrays as array_table
from foedus.store.tables import jobs as job_table
from foedus.store.tables import specs as spec_table

_OLDEST_FIRST: Final = (job_table.c.number, job_table.c.task)
_AT_SITE: Final = [state.value for state in sorted(AT_SITE)]
_RUN: Final = ("site", "started", "ended", "exit_code", "signal")
"""What belongs to one run of a job."""


@dataclass(frozen=True, slots=True)
class SqlJobs:
    """The port `Jobs`."""

    _session: Session

    def numbers(self, count: int) -> int:
        """Take consecutive job numbers; return the first."""
        return self._session.database.numbers(self._session.connection, count)

    def put_specs(self, specs: Sequence[JobSpec]) -> Sequence[Digest]:
        """Store specs once each, by content."""
        texts = [spec_text(spec) for spec in specs]
        # In order of digests, so that transactions with the same specs do not lock each other in a circle.
        rows = [{"digest": digest, "spec": text} for digest, text in sorted(set(texts))]
        if rows:
            self._session.connection.execute(self._session.insert(spec_table).on_conflict_do_nothing(), rows)
        return [digest for digest, _ in texts]

    def specs(self, digests: Sequence[Digest]) -> Mapping[Digest, JobSpec]:
        """Load specs."""
        found: dict[Digest, JobSpec] = {}
        for part in chunks(digests):
            rows = self._session.rows(select(spec_table).where(spec_table.c.digest.in_(part)))
            found.update((Digest(row.digest), spec_from(row.spec)) for row in rows)
        return found

    def add(self, jobs: Sequence[Job], arrays: Sequence[Array]) -> None:
        """Store new jobs and arrays; their specs are there already."""
        self._session.add(array_table, [array_values(array) for array in arrays])
        self._session.add(job_table, [job_values(job) for job in jobs])

    def get(self, ids: Sequence[JobId]) -> Mapping[JobId, Job]:
        """Load jobs and tasks."""
        found: dict[JobId, Job] = {}
        for part in chunks(ids):
            found.update((job.id, job) for job in self._jobs(select(job_table).where(job_table.c.id.in_(part))))
        return found

    def arrays(self, ids: Sequence[JobId]) -> Mapping[JobId, Array]:
        """Load arrays."""
        found: dict[JobId, Array] = {}
        for part in chunks(ids):
            rows = self._session.rows(select(array_table).where(array_table.c.id.in_(part)))
            found.update((JobId(row.id), array_from(row)) for row in rows)
        return found

    def tally(self, arrays: Sequence[JobId]) -> Mapping[JobId, Mapping[JobState, int]]:
        """Count the tasks of each array by state."""
        numbers = [number for number in map(array_number, arrays) if number]
        tallies: dict[JobId, dict[JobState, int]] = {}
        for part in chunks(numbers):
            counted = (
                select(job_table.c.number, job_table.c.state, func.count().label("tasks"))
                .where(job_table.c.number.in_(part), A_TASK)
                .group_by(job_table.c.number, job_table.c.state)
                .order_by(job_table.c.number, job_table.c.state)
            )
            for row in self._session.rows(along(counted, job_table, BY_TALLY)):
                tallies.setdefault(JobId(str(row.number)), {})[JobState(row.state)] = row.tasks
        return tallies

    def tasks(self, array: JobId) -> Sequence[Job]:
        """Load the tasks of an array, by index."""
        return self._jobs(
            select(job_table).where(job_table.c.number == array_number(array), A_TASK).order_by(job_table.c.task)
        )

    def page(self, which: JobFilter, before: tuple[int, int] | None, limit: int) -> Sequence[Job]:
        """List jobs, newest first."""
        return job_pages.page(self._session, which, before, limit)

    def pending(
        self, limit: int, after: tuple[int, int] | None = None, *, without: Collection[ProjectId] = ()
    ) -> Sequence[Job]:
        """Load jobs to be placed, oldest first."""
        placeable = select(job_table).where(PLACEABLE).order_by(*_OLDEST_FIRST).limit(limit)
        if after is not None:
            placeable = placeable.where(tuple_(*_OLDEST_FIRST) > tuple_(*after))
        if without:
            placeable = placeable.where(job_table.c.project.not_in(sorted(without)))
        return self._jobs(along(placeable, job_table, BY_PLACEABLE))

    def waiting(self, project: ProjectId) -> int:
        """Count a project's jobs that have not been given to a site."""
        nowhere = (job_table.c.site.is_(None), job_table.c.state == JobState.PENDING.value)
        counted = select(func.count()).where(UNFINISHED, *nowhere, job_table.c.project == project)
        return int(self._session.scalar(along(counted.select_from(job_table), job_table, BY_UNFINISHED)))

    def live(self, site: SiteId) -> Sequence[Job]:
        """Load the jobs at a site, oldest first."""
        at_site = select(job_table).where(*_at(site)).order_by(*_OLDEST_FIRST)
        return self._jobs(along(at_site, job_table, BY_UNFINISHED))

    def has_live(self, site: SiteId, project: ProjectId) -> bool:
        """Say whether a project has a job at a site."""
        found = select(job_table.c.id).where(*_at(site), job_table.c.project == project).limit(1)
        return self._session.first(along(found, job_table, BY_UNFINISHED)) is not None

    def counts(self) -> Mapping[tuple[SiteId | None, JobState], int]:
        """Count the jobs that have not ended, by site and state."""
        counted = (
            select(job_table.c.site, job_table.c.state, func.count().label("jobs"))
            .where(UNFINISHED)
            .group_by(job_table.c.site, job_table.c.state)
        )
        rows = self._session.rows(along(counted, job_table, BY_UNFINISHED))
        return {(row.site, JobState(row.state)): row.jobs for row in rows}

    def change(self, change: JobChange) -> bool:
        """Make one move, if the job's state (and fence) allows it."""
        values = _changed(change)
        guarded = _guarded(change.move, tuple(values), fenced=change.fence is not None)
        named = {f"new_{column}": value for column, value in values.items()}
        found = self._session.connection.execute(guarded, {**named, "which": change.job, "fence": change.fence})
        return found.rowcount == 1

    def hold(self, jobs: Sequence[JobId], *, held: bool, reason: str, at: Instant) -> None:
        """Hold pending jobs back, or let them go."""
        for part in chunks(sorted(jobs)):
            pending = (job_table.c.id.in_(part), job_table.c.state == JobState.PENDING.value)
            self._session.changes(update(job_table).where(*pending).values(held=held, reason=reason, changed=at))

    def held_tasks(self, array: JobId, limit: int) -> Sequence[JobId]:
        """Return the first held tasks of an array."""
        held = select(job_table.c.id).where(HELD, job_table.c.number == array_number(array), A_TASK)
        first = held.order_by(job_table.c.number, job_table.c.task).limit(limit)
        return [JobId(row.id) for row in self._session.rows(along(first, job_table, BY_HELD))]

    def loose_tasks(self, array: JobId) -> int:
        """Count the tasks that have neither ended nor are held back: those at sites, and those to be placed."""
        tasks = select(func.count()).where(job_table.c.number == array_number(array), A_TASK)
        at_sites = along(tasks.where(job_table.c.state.in_(_AT_SITE)), job_table, BY_TALLY)
        waiting = along(tasks.where(PLACEABLE), job_table, BY_PLACEABLE)
        return int(self._session.scalar(at_sites)) + int(self._session.scalar(waiting))

    def held(self, limit: int, after: JobId | None = None) -> Sequence[JobId]:
        """Return held jobs and arrays with held tasks, oldest first."""
        held = select(job_table.c.number).where(HELD).group_by(job_table.c.number).order_by(job_table.c.number)
        if after is not None:
            held = held.where(job_table.c.number > int(after))
        return [JobId(str(row.number)) for row in self._session.rows(along(held.limit(limit), job_table, BY_HELD))]

    def ask_cancel(self, job: JobId, at: Instant) -> bool:
        """Note that a job at a site is to be cancelled."""
        at_site = (
            job_table.c.id == job,
            job_table.c.state.in_(_AT_SITE),
            job_table.c.cancel.is_(False),
        )
        return self._session.changes(update(job_table).where(*at_site).values(cancel=True, changed=at)) == 1

    def depend(self, job: JobId, dependencies: Dependencies) -> None:
        """Store what a job waits for."""
        job_waits.add_dependencies(self._session, job, dependencies)

    def dependencies(self, job: JobId) -> Dependencies:
        """Load what a job waits for."""
        return job_waits.load_dependencies(self._session, job)

    def dependents(self, jobs: Sequence[JobId]) -> Sequence[JobId]:
        """Return who waits for any of these jobs."""
        return job_waits.load_dependents(self._session, jobs)

    def tell(self, lines: Sequence[Story]) -> None:
        """Append to stories."""
        job_waits.tell(self._session, lines)

    def story(self, job: JobId) -> Sequence[Story]:
        """Load a story."""
        return job_waits.story(self._session, job)

    def _jobs(self, query: Select[*tuple[Any, ...]]) -> list[Job]:
        return [job_from(row) for row in self._session.rows(query)]


def _at(site: SiteId) -> tuple[ColumnElement[bool] | TextClause, ...]:
    return job_table.c.site == site, UNFINISHED, job_table.c.state.in_(_AT_SITE)


@lru_cache(maxsize=256)
def _guarded(move: Move, columns: tuple[str, ...], *, fenced: bool) -> Update:
    """Build the update of a move once: there are few of them, and they are most of what is written."""
    allowed = [state.value for state in sorted(MOVES[move])]
    guarded = update(job_table).where(job_table.c.id == bindparam("which"), job_table.c.state.in_(allowed))
    if fenced:
        guarded = guarded.where(job_table.c.attempt == bindparam("fence"))
    return guarded.values({column: bindparam(f"new_{column}") for column in columns})


def _changed(change: JobChange) -> Values:
    state = target(change.move, change.outcome)
    values: Values = {"state": state.value, "reason": change.reason, "changed": change.at, "held": False}
    if state in ENDED:
        values["cancel"] = False  # nobody has to say so any more
    if change.clear_run:
        values.update(dict.fromkeys(_RUN))
    for column in ("attempt", "guest", *_RUN):
        value = getattr(change, column)
        if value is not None:
            values[column] = value
    if change.sites is not None:
        values["sites"] = sites_text(change.sites)
    return values
