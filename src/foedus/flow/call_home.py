"""Call home: a job that runs away from home is asked back, so that it goes on there with the progress it has made."""

from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Attempt, Job, StopReason, Story, StoryKind
from foedus.flow.ports import Transaction, orders_topic


def call_home(tx: Transaction, job: Job, attempt: Attempt, now: Instant, reason: str) -> bool:
    """Ask for a running attempt back; false if it does not run any more, is asked already, or may not be queued again.

    Nothing else happens here: the site gives the job its signal and time to save, and once it has sent the progress
    the job waits again. If it completes in that time, it is over. `reason` is for its user: what it is called for.
    """
    spec = tx.jobs.specs([job.spec])[job.spec]
    if attempt.number != job.attempt or not spec.may_be_called_home:
        return False
    if not tx.attempts.ask_stop(job.id, attempt.number, StopReason.HOME):
        return False
    data = {"attempt": attempt.number, "site": attempt.site, "reason": reason}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.CALLED_HOME, data=data)])
    tx.ring(orders_topic(attempt.site))
    return True
