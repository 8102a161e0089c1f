"""Cancel: a waiting job ends at once; one at a site ends when the site says so."""

from collections.abc import Sequence

from foedus.core.base.errors import Busy, NotAllowed
from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import ENDED, AttemptState, JobState, Move
from foedus.flow.access import Caller, no_job
from foedus.flow.ports import AttemptChange, JobChange, Transaction, orders_topic
from foedus.flow.release import after_end
from foedus.wire.alliance import Scope
from foedus.wire.jobs import CancelReply

_LOOKS = 3


def cancel(tx: Transaction, caller: Caller, ids: Sequence[JobId], now: Instant) -> CancelReply:
    """Cancel jobs, tasks and whole arrays; all ids must be the caller's to cancel, or nothing is done."""
    caller.needs(Scope.SUBMIT)
    jobs = _load(tx, caller, ids)
    reason = f"cancelled by {caller.user.id}"
    waiting = _end(tx, jobs, reason, now)
    after_end(tx, waiting, now)
    cancelled = [job.id for job in waiting]
    over_at_once = frozenset(cancelled)
    stopping: list[JobId] = []
    over: list[JobId] = []
    for job in jobs:
        if job.id not in over_at_once:
            _stop(tx, job, caller, now, into=(cancelled, stopping, over))
    return CancelReply(cancelled=cancelled, stopping=stopping, over=over)


def end_waiting(tx: Transaction, job: Job, reason: str, now: Instant) -> bool:
    """Cancel a job that waits at the hub; false if it does not."""
    ended = _end(tx, [job], reason, now)
    after_end(tx, ended, now)
    return bool(ended)


def take_back(tx: Transaction, job: Job, reason: str, now: Instant) -> bool:
    """Take a job back from a site that was never given it; false if it was, or may have been."""
    if job.state is not JobState.BOUND or not tx.attempts.withdraw(job.id, job.attempt, reason):
        return False
    returned = frozenset({AttemptState.RETURNED})
    tx.attempts.change(
        AttemptChange(job=job.id, number=job.attempt, state=AttemptState.RETURNED, allowed=returned, ended=now)
    )
    change = JobChange(job=job.id, move=Move.RETURN, at=now, reason=reason, fence=job.attempt, clear_run=True)
    return tx.jobs.change(change)


def _end(tx: Transaction, jobs: Sequence[Job], reason: str, now: Instant) -> list[Job]:
    """End those of the jobs that wait at the hub, and return them."""
    ended = [
        job for job in jobs if tx.jobs.change(JobChange(job=job.id, move=Move.CANCEL, at=now, reason=reason, ended=now))
    ]
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CANCELLED, data={"reason": reason}) for job in ended])
    return ended


def _load(tx: Transaction, caller: Caller, ids: Sequence[JobId]) -> list[Job]:
    single, arrays = tx.jobs.get(ids), tx.jobs.arrays(ids)
    jobs: dict[JobId, Job] = {}
    for name in ids:
        found = single.get(name) or arrays.get(name)
        if found is None or not caller.sees(found):
            raise no_job(name)
        if not caller.ends(found):
            raise NotAllowed(f"job {name} is not yours to cancel", remedy="ask its user or the project's lead")
        members = [single[name]] if name in single else tx.jobs.tasks(name)
        jobs.update((job.id, job) for job in members)
    return list(jobs.values())


def _stop(
    tx: Transaction, job: Job, caller: Caller, now: Instant, *, into: tuple[list[JobId], list[JobId], list[JobId]]
) -> None:
    """Cancel what did not wait when it was loaded; it may have moved since, and may move again while this looks."""
    cancelled, stopping, over = into
    for _ in range(_LOOKS):
        asked = tx.jobs.ask_cancel(job.id, now)
        fresh = tx.jobs.get([job.id])[job.id]
        if fresh.state in ENDED:
            return over.append(job.id)
        reason = f"cancelled by {caller.user.id}"
        if take_back(tx, fresh, reason, now) or fresh.state is JobState.PENDING:
            if end_waiting(tx, fresh, reason, now):
                return cancelled.append(job.id)
        elif fresh.site is not None:
            _ask(tx, fresh, fresh.site, caller if asked else None, now)
            return stopping.append(job.id)
    raise Busy(f"job {job.id} moves while it is cancelled; nothing happened")


def _ask(tx: Transaction, job: Job, site: SiteId, by: Caller | None, now: Instant) -> None:
    if by is not None:
        data = {"by": by.user.id, "site": site}
        tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CANCEL_ASKED, data=data)])
    tx.attempts.ask_stop(job.id, job.attempt, StopReason.CANCEL)
    tx.ring(orders_topic(site))
