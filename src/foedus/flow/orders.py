"""Run, seen from the hub: what an agent is told to start and to stop, and the board that it gets when it starts."""

from collections.abc import Collection, Sequence

from foedus.core.base.errors import NotAuthenticated
from foedus.core.base.ids import JobId, SiteId, parent_array
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Array, Attempt, Job
from foedus.core.jobs.spec import ArrayTask, JobSpec
from foedus.core.jobs.state import LIVE_ATTEMPT, AttemptState
from foedus.flow.ports import SiteRecord, Transaction, orders_topic
from foedus.flow.recover import ask
from foedus.wire.agents import BoardItem, HelloReply, StartOrder, StopOrder


def enrolled(tx: Transaction, site: SiteId) -> SiteRecord:
    """Load a site that has a key; any other cannot be identified."""
    record = tx.sites.get(site)
    if record.key is None:
        raise NotAuthenticated(
            f"no agent is enrolled for site {site!r}, or its key was revoked",
            remedy="enrol it with `foedus agent enrol` and a fresh code",
        )
    return record


def hello(tx: Transaction, site: SiteId, now: Instant, *, known: int = 0) -> HelloReply:
    """Start a new epoch for a site's agent; whoever held an older one is refused from now on.

    `known` is the newest epoch that the agent knows of: a hub that was restored may remember only an earlier one.
    What no agent was ever given is not on the board: it may still be withdrawn, and so must not be taken over.
    """
    epoch = tx.sites.next_epoch(site, known)
    tx.sites.saw(site, now)
    tx.ring(orders_topic(site))
    live = tx.attempts.at(site, LIVE_ATTEMPT)
    attempts = [one for one in live if one.state is not AttemptState.BOUND or one.offered is not None]
    orders = _start_orders(tx, [given(tx, attempt) for attempt in attempts])
    board = [
        BoardItem(
            job=attempt.job,
            attempt=attempt.number,
            state=attempt.state,
            native_id=attempt.native_id,
            order=order,
            stop=attempt.stop,
        )
        for attempt, order in zip(attempts, orders, strict=True)
    ]
    return HelloReply(epoch=epoch, now=now, board=board, recovery=ask(tx, site))


def given(tx: Transaction, attempt: Attempt) -> Attempt:
    """Return the attempt that the site was given: the first of those that it made of it by queueing the job again."""
    if attempt.number == 1:
        return attempt
    numbered = {one.number: one for one in tx.attempts.of(attempt.job)}
    while (before := numbered.get(attempt.number - 1)) and _went_on_as(before, attempt):
        attempt = before
    return attempt


def _went_on_as(before: Attempt, after: Attempt) -> bool:
    same = (before.site, before.native_id) == (after.site, after.native_id)
    return same and before.state is AttemptState.ENDED and bool(before.native_id)


def awaited(tx: Transaction, site: SiteId, known: Collection[tuple[JobId, int]]) -> bool:
    """Say whether there is anything that the site is to start or to stop."""
    return bool(_to_start(tx, site, known) or tx.attempts.to_stop(site))


def starts(
    tx: Transaction, site: SiteId, known: Collection[tuple[JobId, int]], most: int, now: Instant
) -> list[StartOrder]:
    """Return what the site is to start; from here on only the site can say that it did not."""
    waiting = _to_start(tx, site, known)[:most]
    given = tx.attempts.offer([(attempt.job, attempt.number) for attempt in waiting], now)
    return _start_orders(tx, [attempt for attempt in waiting if (attempt.job, attempt.number) in given])


def _to_start(tx: Transaction, site: SiteId, known: Collection[tuple[JobId, int]]) -> list[Attempt]:
    return [
        attempt
        for attempt in tx.attempts.at(site, frozenset({AttemptState.BOUND}))
        if (attempt.job, attempt.number) not in known and attempt.stop is None
    ]


def stops(tx: Transaction, site: SiteId) -> list[StopOrder]:
    """Return what the site is to end; repeated until the site says that it has ended."""
    return [
        StopOrder(job=attempt.job, attempt=attempt.number, why=attempt.stop)
        for attempt in tx.attempts.to_stop(site)
        if attempt.stop is not None
    ]


def _start_orders(tx: Transaction, attempts: Sequence[Attempt]) -> list[StartOrder]:
    jobs = tx.jobs.get([attempt.job for attempt in attempts])
    specs = tx.jobs.specs([job.spec for job in jobs.values()])
    parents = {parent for job in jobs if (parent := parent_array(job))}
    arrays = tx.jobs.arrays(sorted(parents))
    return [
        _start_order(
            attempt,
            jobs[attempt.job],
            specs[jobs[attempt.job].spec],
            arrays.get(_array(attempt.job)),
            earlier=_earlier(tx, attempt),
        )
        for attempt in attempts
    ]


def _earlier(tx: Transaction, attempt: Attempt) -> Sequence[Attempt]:
    """Load the job's attempts before this one; most have none."""
    return [one for one in tx.attempts.of(attempt.job) if one.number < attempt.number] if attempt.number > 1 else ()


def _array(job: JobId) -> JobId:
    return parent_array(job) or job


def _start_order(
    attempt: Attempt, job: Job, spec: JobSpec, array: Array | None, *, earlier: Sequence[Attempt]
) -> StartOrder:
    """Write an order; of the job's earlier attempts the newest that left its progress hands it on."""
    return StartOrder(
        job=job.id,
        attempt=attempt.number,
        user=job.user,
        user_partner=job.partner,
        project=job.project,
        sector=job.sector,
        guest=attempt.guest,
        agreement_version=job.agreement_version,
        spec=spec,
        task=_task(job, array),
        bundle=job.bundle,
        restarts=sum(one.started is not None for one in earlier),
        checkpoint=next((one.checkpoint for one in reversed(earlier) if one.checkpoint is not None), None),
    )


def _task(job: Job, array: Array | None) -> ArrayTask | None:
    if array is None or job.task is None:
        return None
    return ArrayTask(
        array=array.id,
        index=job.task,
        count=array.count,
        lowest=array.lowest,
        highest=array.highest,
        step=array.step,
    )
