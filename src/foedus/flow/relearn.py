"""Relearn: one attempt that a site was given and a restored hub has forgotten, put back as if it had just been bound.

Nothing is said here of how it fares: its site reports that once the hub is whole, exactly as it would any attempt.
"""

from collections.abc import Sequence

from foedus.core.base.ids import JobId, SiteId, parent_array
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Array, Attempt, Job, Story, StoryKind
from foedus.core.jobs.state import AT_SITE, ENDED, AttemptState, JobState, Move
from foedus.flow.ports import JobChange, Transaction
from foedus.wire.agents import HeldAttempt, StartOrder

_WORDS = "learnt back from {site} after the hub was restored"


def relearn(tx: Transaction, site: SiteId, held: HeldAttempt, now: Instant) -> str | None:
    """Take one attempt that a site tells of; says what is wrong if it cannot be."""
    order = held.order
    job = tx.jobs.get([order.job]).get(order.job)
    if job is None:
        if tx.projects.get(order.project) is None:
            return f"job {order.job} is of project {order.project}, which is not known here"
        job = _new_job(tx, site, held, now)
    elif (job.user, job.project) != (order.user, order.project):
        return f"job {order.job} is another one here"
    known = {one.number: one.site for one in tx.attempts.of(order.job)}
    numbers = range(order.attempt, held.newest + 1)
    elsewhere = next((number for number in numbers if known.get(number, site) != site), None)
    if elsewhere is not None:
        return f"attempt {elsewhere} of job {order.job} was given to {known[elsewhere]}"
    fresh = [number for number in numbers if number not in known]
    if not fresh:
        return None
    _add(tx, site, held, fresh, now)
    newest = fresh[-1]
    if newest > job.attempt and not _move(tx, job, site, newest, guest=order.guest, now=now):
        return f"job {order.job} is {job.state} here, and attempt {newest} of it was given to {site}"
    words = _WORDS.format(site=site)
    data = {"attempt": newest, "site": site, "guest": order.guest, "reason": words}
    tx.jobs.tell([Story(job=order.job, at=now, kind=StoryKind.BOUND, data=data)])
    return None


def _add(tx: Transaction, site: SiteId, held: HeldAttempt, numbers: Sequence[int], now: Instant) -> None:
    tx.attempts.add([_attempt(site, held, number, now) for number in numbers])
    tx.attempts.booked(tx.ledger.usage_entries([(held.order.job, number) for number in numbers]))


def _move(tx: Transaction, job: Job, site: SiteId, newest: int, *, guest: bool, now: Instant) -> bool:
    """Make an attempt the job's newest, whatever the hub last knew of the job."""
    words = _WORDS.format(site=site)
    if job.state in AT_SITE:
        back = JobChange(job=job.id, move=Move.RETURN, at=now, reason=words, fence=job.attempt, clear_run=True)
        tx.jobs.change(back)
    move = Move.REVIVE if job.state in ENDED else Move.BIND
    bind = JobChange(
        job=job.id, move=move, at=now, reason=words, attempt=newest, site=site, guest=guest, clear_run=True
    )
    if not tx.jobs.change(bind):
        return False
    if move is Move.REVIVE:
        tx.projects.settle(job.project, released=GpuSeconds(-job.reserved), used=GpuSeconds(0))
    return True


def _attempt(site: SiteId, held: HeldAttempt, number: int, now: Instant) -> Attempt:
    return Attempt(
        job=held.order.job,
        number=number,
        site=site,
        state=AttemptState.BOUND,
        guest=held.order.guest,
        epoch=0,
        native_id=held.native_id,
        bound=min(held.since, now),
        offered=min(held.since, now),
    )


def _new_job(tx: Transaction, site: SiteId, held: HeldAttempt, now: Instant) -> Job:
    """Make the job anew. It may run where it is, and nowhere else: what the clauses said of other sites is lost."""
    order = held.order
    (spec,) = tx.jobs.put_specs([order.spec])
    array = parent_array(order.job)
    asked = order.spec.resources
    reserved = GpuSeconds(asked.gpus * (asked.time_limit or 0))
    job = Job(
        id=order.job,
        number=int(array or order.job),
        task=None if order.task is None else order.task.index,
        user=order.user,
        partner=order.user_partner,
        project=order.project,
        sector=order.sector,
        purpose=order.spec.purpose,
        name=order.spec.name,
        spec=spec,
        bundle=order.bundle,
        resources=asked,
        state=JobState.PENDING,
        reason=_WORDS.format(site=site),
        sites=(site,),
        attempt=0,
        site=None,
        guest=False,
        reserved=reserved,
        agreement_version=order.agreement_version,
        submitted=min(held.since, now),
        changed=now,
    )
    arrays = [] if array is None or array in tx.jobs.arrays([array]) else [_array(job, array, order)]
    tx.jobs.add([job], arrays)
    tx.projects.settle(order.project, released=GpuSeconds(-reserved), used=GpuSeconds(0))
    words = {"tasks": 1, "notices": [_WORDS.format(site=site)]}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.SUBMITTED, data=words)])
    return job


def _array(job: Job, name: JobId, order: StartOrder) -> Array:
    task = order.task
    return Array(
        id=name,
        user=job.user,
        partner=job.partner,
        project=job.project,
        spec=job.spec,
        name=job.name,
        count=1 if task is None else task.count,
        lowest=0 if task is None else task.lowest,
        highest=0 if task is None else task.highest,
        step=1 if task is None else task.step,
        at_once=None,
        submitted=job.submitted,
    )
