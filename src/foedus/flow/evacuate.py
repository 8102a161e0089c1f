"""Evacuate: the jobs of a site whose word no longer counts are given to other sites."""

from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Attempt, Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import LIVE_ATTEMPT, Move
from foedus.flow.access import Caller
from foedus.flow.cancel import take_back
from foedus.flow.ports import BROKER, JobChange, Transaction


def requeue_all(tx: Transaction, site: SiteId, by: Caller, now: Instant) -> int:
    """Take every open job back from a site; return how many.

    Each goes on as a new attempt elsewhere, and from now on only that one counts: whatever the site says later of the
    old one moves nothing. The old one is to be stopped as soon as an agent of the site asks for orders again; what it
    used until then is booked, since it was used. A job that was to be cancelled is left to end.
    """
    open_ones = [attempt for attempt in tx.attempts.at(site, LIVE_ATTEMPT) if attempt.stop is not StopReason.CANCEL]
    jobs = tx.jobs.get([attempt.job for attempt in open_ones])
    taken = sum(_requeue(tx, attempt, jobs[attempt.job], by, now) for attempt in open_ones)
    tx.ring(BROKER)
    return taken


def _requeue(tx: Transaction, attempt: Attempt, job: Job, by: Caller, now: Instant) -> bool:
    if job.attempt != attempt.number:
        return False
    reason = f"taken back from {attempt.site}, whose key was revoked; waits for room at a site"
    if take_back(tx, job, reason, now):
        return True
    change = JobChange(job=job.id, move=Move.RETURN, at=now, reason=reason, fence=attempt.number, clear_run=True)
    if not tx.jobs.change(change):
        return False
    tx.attempts.ask_stop(job.id, attempt.number, StopReason.CANCEL)
    data = {"attempt": attempt.number, "site": attempt.site, "by": by.user.id, "reason": "the site's key was revoked"}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.RETURNED, data=data)])
    return True
