"""What jobs wait for, and what happened to them."""

from collections.abc import Sequence

from sqlalchemy import select

from foedus.core.base.ids import JobId, parent_array
from foedus.core.jobs.job import Story
from foedus.core.jobs.spec import Condition, Dependencies, Dependency
from foedus.store.job_rows import story_from, story_values
from foedus.store.session import Session, chunks
from foedus.store.tables import dependencies, stories


def add_dependencies(session: Session, job: JobId, what: Dependencies) -> None:
    """Store what a job waits for."""
    rows = [
        {
            "job": job,
            "position": position,
            "any_of": bool(what.any_of),
            "condition": each.condition.value,
            "other": each.job,
        }
        for position, each in enumerate(what.each)
    ]
    session.add(dependencies, rows)


def load_dependencies(session: Session, job: JobId) -> Dependencies:
    """Load what a job waits for."""
    rows = session.rows(select(dependencies).where(dependencies.c.job == job).order_by(dependencies.c.position))
    each = tuple(Dependency(condition=Condition(row.condition), job=JobId(row.other)) for row in rows)
    return Dependencies(any_of=each) if rows and rows[0].any_of else Dependencies(all_of=each)


def load_dependents(session: Session, jobs: Sequence[JobId]) -> Sequence[JobId]:
    """Load who waits for any of these jobs, in order of their ids."""
    found: set[JobId] = set()
    for part in chunks(jobs):
        waiting = select(dependencies.c.job).where(dependencies.c.other.in_(part)).distinct()
        found.update(JobId(row.job) for row in session.rows(waiting))
    return sorted(found)


def tell(session: Session, lines: Sequence[Story]) -> None:
    """Append to stories."""
    session.add(stories, [story_values(line) for line in lines])


def story(session: Session, job: JobId) -> Sequence[Story]:
    """Load a story, with that of the job's array."""
    whose = [name for name in (job, parent_array(job)) if name]
    found = select(stories).where(stories.c.job.in_(whose)).order_by(stories.c.id)
    return [story_from(row) for row in session.rows(found)]
