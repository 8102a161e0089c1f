"""Cancel: a waiting job ends at once; one at a site ends when the site says so."""

from collections.abc import Sequence

from foedus.core.base.errors import NotAllowed
from foedus.core.base.ids import JobId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import AT_SITE, Move
from foedus.flow.access import Caller, no_job
from foedus.flow.ports import JobChange, Transaction, orders_topic
from foedus.flow.release import after_end
from foedus.wire.alliance import Scope
from foedus.wire.jobs import CancelReply


def cancel(tx: Transaction, caller: Caller, ids: Sequence[JobId], now: Instant) -> CancelReply:
    """Cancel jobs, tasks and whole arrays; all ids must be the caller's to cancel, or nothing is done."""
    caller.needs(Scope.SUBMIT)
    jobs = _load(tx, caller, ids)
    cancelled: list[JobId] = []
    stopping: list[JobId] = []
    over: list[JobId] = []
    for job in jobs:
        if end_waiting(tx, job, f"cancelled by {caller.user.id}", now):
            cancelled.append(job.id)
        elif _ask(tx, job, caller, now):
            stopping.append(job.id)
        else:
            over.append(job.id)
    return CancelReply(cancelled=cancelled, stopping=stopping, over=over)


def end_waiting(tx: Transaction, job: Job, reason: str, now: Instant) -> bool:
    """Cancel a job that waits at the hub; false if it does not."""
    if not tx.jobs.change(JobChange(job=job.id, move=Move.CANCEL, at=now, reason=reason, ended=now)):
        return False
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CANCELLED, data={"reason": reason})])
    after_end(tx, job, now)
    return True


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


def _ask(tx: Transaction, job: Job, caller: Caller, now: Instant) -> bool:
    # The job may have moved since it was loaded: look again, under the lock of the update that just missed it.
    fresh = tx.jobs.get([job.id]).get(job.id, job)
    if fresh.state not in AT_SITE or fresh.site is None:
        return False
    if tx.jobs.ask_cancel(job.id, now):
        data = {"by": caller.user.id, "site": fresh.site}
        tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CANCEL_ASKED, data=data)])
    tx.attempts.ask_stop(job.id, fresh.attempt, StopReason.CANCEL)
    tx.ring(orders_topic(fresh.site))
    return True
