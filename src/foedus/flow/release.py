"""What the end of one job sets in motion: its budget comes back, its array goes on, those who waited for it may run."""

from collections import deque
from collections.abc import Mapping, Sequence

from foedus.core.base.ids import JobId, parent_array
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Job, Story, StoryKind
from foedus.core.jobs.spec import Condition, Dependencies, Dependency
from foedus.core.jobs.state import ENDED, JobState, Move
from foedus.flow.ports import BROKER, JobChange, Transaction, job_topic

_WAITS_FOR_ROOM = "waits for room at a site"


def after_end(tx: Transaction, job: Job, now: Instant) -> None:
    """Follow up on a job that has just ended, in the same transaction; a chain of any length unwinds in a loop."""
    ended = deque([job])
    while ended:
        ended.extend(_follow_up(tx, ended.popleft(), now))


def release_new(tx: Transaction, name: JobId, now: Instant) -> None:
    """Look whether a job or array that waits for others may go now, or never will."""
    for job in _release(tx, name, now):
        after_end(tx, job, now)


def _follow_up(tx: Transaction, job: Job, now: Instant) -> list[Job]:
    tx.projects.settle(job.project, released=job.reserved, used=GpuSeconds(0))
    array = parent_array(job.id)
    if array is not None:
        _go_on(tx, array, now)
    tx.ring(job_topic(job.id))
    names = [name for name in (job.id, array) if name]
    return [given_up for name in names for each in tx.jobs.dependents(name) for given_up in _release(tx, each, now)]


def _release(tx: Transaction, name: JobId, now: Instant) -> list[Job]:
    """Let go what may go now; end what never will, and return that."""
    held = [job for job in _members(tx, name) if job.state is JobState.PENDING and job.held]
    if not held:
        return []
    met = _holds(tx, tx.jobs.dependencies(name))
    if met is None:
        return []
    if not met:
        return [job for job in held if _give_up(tx, job, now)]
    array = tx.jobs.arrays([name]).get(name)
    first = held[: array.at_once] if array and array.at_once else held
    _let_go(tx, [job.id for job in first], now)
    if len(first) < len(held):
        words = "waits for another task of the array to end"
        tx.jobs.hold([job.id for job in held[len(first) :]], held=True, reason=words, at=now)
    return []


def sweep(tx: Transaction, limit: int, now: Instant) -> int:
    """Look at every held job again, in case the end that should have released it was not followed up."""
    names = {parent_array(job.id) or job.id for job in tx.jobs.held(limit)}
    for name in sorted(names):
        if tx.jobs.dependencies(name).each:
            release_new(tx, name, now)
        else:
            _go_on(tx, name, now)
    return len(names)


def _members(tx: Transaction, name: JobId) -> Sequence[Job]:
    return tx.jobs.tasks(name) or tuple(tx.jobs.get([name]).values())


def _let_go(tx: Transaction, jobs: Sequence[JobId], now: Instant) -> None:
    tx.jobs.hold(jobs, held=False, reason=_WAITS_FOR_ROOM, at=now)
    tx.ring(BROKER)


def _go_on(tx: Transaction, array: JobId, now: Instant) -> None:
    """Let the next tasks of a throttled array go, as many as there is room for under its throttle."""
    whole = tx.jobs.arrays([array]).get(array)
    if whole is None or whole.at_once is None:
        return
    if _holds(tx, tx.jobs.dependencies(array)) is not True:
        return
    tally = tx.jobs.tally([array]).get(array, {})
    unfinished = sum(count for state, count in tally.items() if state not in ENDED)
    held = tx.jobs.held_tasks(array, unfinished)
    room = whole.at_once - (unfinished - len(held))
    if room > 0 and held:
        _let_go(tx, held[:room], now)


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
