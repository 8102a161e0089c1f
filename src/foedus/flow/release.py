"""What the end of one job sets in motion: its budget comes back, its array goes on, those who waited for it may run."""

from collections import Counter
from collections.abc import Mapping, Sequence

from foedus.core.base.ids import JobId, ProjectId, parent_array
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Job, Story, StoryKind
from foedus.core.jobs.spec import Condition, Dependencies, Dependency
from foedus.core.jobs.state import ENDED, JobState, Move
from foedus.flow.ports import BROKER, JobChange, Transaction, job_topic

_WAITS_FOR_ROOM = "waits for room at a site"


def after_end(tx: Transaction, jobs: Sequence[Job], now: Instant) -> None:
    """Follow up on jobs that have just ended, in the same transaction; a chain of any length unwinds in a loop."""
    ended = list(jobs)
    while ended:
        ended = _follow_up(tx, ended, now)


def release_new(tx: Transaction, name: JobId, now: Instant) -> None:
    """Look whether a job or array that waits for others may go now, or never will."""
    after_end(tx, _release(tx, name, now), now)


def sweep(tx: Transaction, limit: int, now: Instant, after: JobId | None = None) -> JobId | None:
    """Look at some held jobs again, in case the end that should have released one was not followed up.

    Returns the last of them, after which to go on; `None` where there are no more.
    """
    names = tx.jobs.held(limit, after)
    for name in names:
        if tx.jobs.dependencies(name).each:
            release_new(tx, name, now)
        _go_on(tx, name, now)
    return names[-1] if len(names) == limit else None


def _follow_up(tx: Transaction, jobs: Sequence[Job], now: Instant) -> list[Job]:
    """Give back what the jobs had set aside, let go whom they held up, and return those who will never go."""
    reserved: Counter[ProjectId] = Counter()
    for job in jobs:
        reserved[job.project] += job.reserved
    for project, amount in sorted(reserved.items()):
        tx.projects.settle(project, released=GpuSeconds(amount), used=GpuSeconds(0))
    arrays = dict.fromkeys(array for job in jobs if (array := parent_array(job.id)))
    for array in arrays:
        _go_on(tx, array, now)
    names = [*(job.id for job in jobs), *arrays]
    tx.shadows.over([job.id for job in jobs])
    for name in names:
        tx.ring(job_topic(name))
    return [given_up for each in tx.jobs.dependents(names) for given_up in _release(tx, each, now)]


def _release(tx: Transaction, name: JobId, now: Instant) -> list[Job]:
    """Let go what may go now; end what never will, and return that."""
    met = _holds(tx, tx.jobs.dependencies(name))
    if met is None:
        return []
    held = [job for job in _members(tx, name) if job.state is JobState.PENDING and job.held]
    if not met:
        return [job for job in held if _give_up(tx, job, now)]
    array = tx.jobs.arrays([name]).get(name)
    if array is not None and array.at_once is not None:
        _go_on(tx, name, now)
    else:
        _let_go(tx, [job.id for job in held], now)
    return []


def _members(tx: Transaction, name: JobId) -> Sequence[Job]:
    return tx.jobs.tasks(name) or tuple(tx.jobs.get([name]).values())


def _let_go(tx: Transaction, jobs: Sequence[JobId], now: Instant) -> None:
    if jobs:
        tx.jobs.hold(jobs, held=False, reason=_WAITS_FOR_ROOM, at=now)
        tx.shadows.arrive(jobs, now)
        tx.ring(BROKER)


def _go_on(tx: Transaction, array: JobId, now: Instant) -> None:
    """Let the next tasks of a throttled array go, as many as there is room for under its throttle."""
    whole = tx.jobs.arrays([array]).get(array)
    if whole is None or whole.at_once is None:
        return
    room = whole.at_once - tx.jobs.loose_tasks(array)
    if room > 0 and _holds(tx, tx.jobs.dependencies(array)):
        _let_go(tx, tx.jobs.held_tasks(array, room), now)


def _give_up(tx: Transaction, job: Job, now: Instant) -> bool:
    reason = "what it waits for can no longer happen (DependencyNeverSatisfied)"
    if not tx.jobs.change(JobChange(job=job.id, move=Move.CANCEL, at=now, reason=reason, ended=now)):
        return False
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CANCELLED, data={"reason": reason})])
    return True


def _holds(tx: Transaction, dependencies: Dependencies) -> bool | None:
    """Say whether dependencies are met; `None` while that is open. None at all are met."""
    parts = [_met(tx, each) for each in dependencies.each]
    return _any(parts) if dependencies.any_of else _all(parts)


def _met(tx: Transaction, dependency: Dependency) -> bool | None:
    """Say whether a condition holds; `None` while that is open."""
    states = _states(tx, dependency.job)
    if any(state not in ENDED for state in states):
        return None
    good = all(state is JobState.COMPLETED for state in states)
    match dependency.condition:
        case Condition.AFTEROK:
            return good
        case Condition.AFTERNOTOK:
            return not good
        case Condition.AFTERANY:
            return True


def _states(tx: Transaction, name: JobId) -> Sequence[JobState]:
    single: Mapping[JobId, Job] = tx.jobs.get([name])
    if name in single:
        return (single[name].state,)
    return tuple(tx.jobs.tally([name]).get(name, {}))


def _all(parts: list[bool | None]) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True


def _any(parts: list[bool | None]) -> bool | None:
    if True in parts:
        return True
    return None if None in parts else False
