"""Place: bind waiting jobs to sites that say they can start them now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foedus.core.agreement.model import Agreement
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import Seconds
from foedus.core.jobs.job import Attempt, Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import AttemptState, Move
from foedus.core.placement.decide import Bind, Considered, Held, SiteNow, Snapshot, Waiting, consider, decide
from foedus.flow.ports import JobChange, SiteRecord, Transaction, orders_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRules:
    """Bounds of placement."""

    window: int = 1000
    """Most waiting jobs looked at in one pass."""
    fresh: Seconds
    """How long a site's word about its capacity counts."""
    patience: Seconds
    """How long a job lets younger ones pass before room is kept for it."""
    promise: Seconds
    """How long a site may leave a job in its own queue before it is recalled for a site that can start it."""
    rest: Seconds
    """How long a job stays away from a site that gave it back."""


def place(tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant) -> int:
    """Bind what can start; return how many were bound."""
    jobs = {job.id: job for job in tx.jobs.pending(rules.window)}
    if not jobs:
        return 0
    sites = sites_now(tx, agreement, rules, now)
    waiting = [waiting_job(tx, job, agreement, rules, now) for job in jobs.values()]
    snapshot = Snapshot(now=now, waiting=waiting, sites=sites, patience=rules.patience)
    return sum(_bind(tx, jobs[bind.job], bind, now) for bind in decide(snapshot))


def recall(tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant) -> int:
    """Ask back what waits too long in a site's own queue while another site could start it now."""
    sites = sites_now(tx, agreement, rules, now)
    asked = 0
    for site in agreement.sites:
        for attempt in tx.attempts.at(site.id, frozenset({AttemptState.STARTING})):
            if attempt.stop is None and _overdue(attempt, rules, now):
                asked += _recall(tx, attempt, agreement, sites, now)
    return asked


def withdraw(tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant) -> int:
    """Take back what was bound to a site that never came to fetch it."""
    taken = 0
    for site in agreement.sites:
        for attempt in tx.attempts.at(site.id, frozenset({AttemptState.BOUND})):
            stale = attempt.offered is None and seconds_between(attempt.bound, now) > rules.fresh
            if stale and tx.attempts.withdraw(attempt.job, attempt.number, "its agent did not come for it"):
                change = JobChange(
                    job=attempt.job,
                    move=Move.RETURN,
                    at=now,
                    reason=f"{site.id} did not come for it; waits for room at a site",
                    fence=attempt.number,
                    clear_run=True,
                )
                taken += tx.jobs.change(change)
    return taken


def sites_now(tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant) -> Mapping[SiteId, SiteNow]:
    """Load what every site says of itself, and what it has been given since it said so."""
    records = {record.site: record for record in tx.sites.all()}
    return {site.id: _site_now(tx, records[site.id], rules, now) for site in agreement.sites if site.id in records}


def waiting_job(tx: Transaction, job: Job, agreement: Agreement, rules: PlaceRules, now: Instant) -> Waiting:
    """Say what placement needs of a job: its sites, without those that gave it back a moment ago."""
    resting = _resting(tx, job, rules, now) if job.attempt else frozenset[SiteId]()
    partner_of = {site.id: site.partner for site in agreement.sites}
    sites = tuple(
        (site, partner_of[site] != job.partner) for site in job.sites if site in partner_of and site not in resting
    )
    return Waiting(job=job.id, resources=job.resources, sites=sites, since=job.submitted)


def considered_data(considered: Iterable[Considered]) -> list[dict[str, str | bool]]:
    """Write what was found at each site, for the story."""
    return [{"site": one.site, "guest": one.guest, "text": one.text} for one in considered]


def _site_now(tx: Transaction, record: SiteRecord, rules: PlaceRules, now: Instant) -> SiteNow:
    fresh = record.capacity_at is not None and seconds_between(record.capacity_at, now) <= rules.fresh
    return SiteNow(
        capacity=record.capacity if fresh else None,
        reachable=record.seen is not None and seconds_between(record.seen, now) <= rules.fresh,
        draining=record.draining,
        held=tuple(_held(tx, record)),
    )


def _held(tx: Transaction, record: SiteRecord) -> list[Held]:
    """Return what was bound, or handed to the cluster, since the site last said what is free."""
    said = record.capacity_at or 0
    recent = [
        attempt
        for attempt in tx.attempts.at(record.site, frozenset({AttemptState.BOUND, AttemptState.STARTING}))
        if attempt.state is AttemptState.BOUND or (attempt.handed or attempt.bound) >= said
    ]
    jobs = tx.jobs.get([attempt.job for attempt in recent])
    return [
        Held(resources=jobs[attempt.job].resources, guest=attempt.guest) for attempt in recent if attempt.job in jobs
    ]


def _resting(tx: Transaction, job: Job, rules: PlaceRules, now: Instant) -> frozenset[SiteId]:
    return frozenset(
        attempt.site
        for attempt in tx.attempts.of(job.id)
        if attempt.state is AttemptState.RETURNED
        and attempt.ended is not None
        and seconds_between(attempt.ended, now) < rules.rest
    )


def _bind(tx: Transaction, job: Job, bind: Bind, now: Instant) -> bool:
    number = job.attempt + 1
    reason = f"{bind.site} can start it now"
    change = JobChange(
        job=job.id,
        move=Move.BIND,
        at=now,
        reason=reason,
        fence=job.attempt,
        attempt=number,
        site=bind.site,
        guest=bind.guest,
    )
    if not tx.jobs.change(change):
        return False
    attempt = Attempt(
        job=job.id,
        number=number,
        site=bind.site,
        state=AttemptState.BOUND,
        guest=bind.guest,
        epoch=0,
        native_id="",
        bound=now,
    )
    tx.attempts.add([attempt])
    data = {
        "attempt": number,
        "site": bind.site,
        "guest": bind.guest,
        "considered": considered_data(bind.considered),
    }
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.BOUND, data=data)])
    tx.ring(orders_topic(bind.site))
    return True


def _overdue(attempt: Attempt, rules: PlaceRules, now: Instant) -> bool:
    return attempt.handed is not None and seconds_between(attempt.handed, now) > rules.promise


def _recall(
    tx: Transaction, attempt: Attempt, agreement: Agreement, sites: Mapping[SiteId, SiteNow], now: Instant
) -> bool:
    job = tx.jobs.get([attempt.job]).get(attempt.job)
    if job is None or job.attempt != attempt.number:
        return False
    elsewhere = _elsewhere(job, attempt, agreement)
    waiting = Waiting(job=job.id, resources=job.resources, sites=elsewhere, since=job.submitted)
    found = consider(waiting, sites)
    if not found or found[-1].hindrance is not None:
        return False
    if not tx.attempts.ask_stop(job.id, attempt.number, StopReason.RECALL):
        return False
    data = {"attempt": attempt.number, "site": attempt.site, "for": found[-1].site}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.RECALLED, data=data)])
    tx.ring(orders_topic(attempt.site))
    return True


def _elsewhere(job: Job, attempt: Attempt, agreement: Agreement) -> tuple[tuple[SiteId, bool], ...]:
    partner_of = {site.id: site.partner for site in agreement.sites}
    others: Sequence[SiteId] = [site for site in job.sites if site != attempt.site and site in partner_of]
    return tuple((site, partner_of[site] != job.partner) for site in others)
