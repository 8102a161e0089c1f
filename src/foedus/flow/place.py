"""Place: bind waiting jobs to sites that say they can start them now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foedus.core.agreement.model import Agreement
from foedus.core.base.ids import JobId, ProjectId, SiteId
from foedus.core.base.instant import Instant, after, seconds_between
from foedus.core.base.units import Seconds
from foedus.core.jobs.job import Attempt, Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import AttemptState, JobState, Move
from foedus.core.placement.decide import Bind, Considered, Held, Placing, SiteNow, Waiting
from foedus.flow.cancel import take_back
from foedus.flow.ports import JobChange, Recent, SiteRecord, Stage, Transaction, orders_topic
from foedus.flow.shadows import LiveShadows

_SETTLE_S = 10
"""How long a scheduler may take to start what it was handed."""
_PAST_ALL_TASKS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRules:
    """Bounds of placement."""

    window: int = 1000
    """How many waiting jobs are loaded at once."""
    windows: int = 10
    """Most windows that one pass looks through while there is room left somewhere."""
    share: int = 500
    """How many jobs of one project may find no room before the rest of it is passed over until the next pass: so the
    queue of one project, however long, does not keep the others' jobs from being looked at."""
    fresh: Seconds
    """How long a site's word about its capacity counts."""
    patience: Seconds
    """How long a job lets younger ones pass before room is kept for it."""
    promise: Seconds
    """How long a site may leave a job in its own queue before it is recalled for a site that can start it."""
    rest: Seconds
    """How long a job stays away from a site that gave it back."""
    ahead: bool = False
    """Whether a site whose jobs are short is given the next ones before it has room for them."""


def place(
    tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant, shadows: LiveShadows | None = None
) -> int:
    """Bind what can start, what is due by the shadows before the rest; return how many were bound."""
    placing = Placing(sites=sites_now(tx, agreement, rules, now), patience=rules.patience, now=now)
    shadows = shadows or LiveShadows()
    bound = _place_due(tx, agreement, rules, now, placing=placing, shadows=shadows)
    last: tuple[int, int] | None = None
    stuck: Counter[ProjectId] = Counter()
    for _ in range(0 if placing.full else rules.windows):
        jobs = tx.jobs.pending(rules.window, last, without=[one for one in stuck if stuck[one] >= rules.share])
        resting = _resting(tx, jobs, rules, now)
        started = True
        bindings: list[tuple[Job, Bind]] = []
        for job in jobs:
            due = shadows.is_due(job.id)
            if due:
                shadows.waits(job.id)
            bind = placing.offer(_waiting(job, agreement, resting.get(job.id, frozenset())), due=due)
            started = bind is not None and _bind(tx, job, bind, now)
            if bind is not None and started:
                bindings.append((job, bind))
            stuck[job.project] += not started
            if placing.full:
                break
        _write(tx, bindings, now)
        bound += len(bindings)
        if len(jobs) < rules.window or placing.full:
            break
        last = _after(jobs[-1], started=started)
    return bound


def _place_due(
    tx: Transaction,
    agreement: Agreement,
    rules: PlaceRules,
    now: Instant,
    *,
    placing: Placing,
    shadows: LiveShadows,
) -> int:
    """Bind what would have started alone by now, in that order."""
    names = [] if placing.full else shadows.waiting(rules.window)
    found = tx.jobs.get(names)
    jobs = [job for name in names if (job := found.get(name)) and job.state is JobState.PENDING and not job.held]
    shadows.placed([name for name in names if name not in {job.id for job in jobs}])
    resting = _resting(tx, jobs, rules, now)
    bindings: list[tuple[Job, Bind]] = []
    for job in jobs:
        bind = placing.offer(_waiting(job, agreement, resting.get(job.id, frozenset())), due=True)
        if bind is not None and _bind(tx, job, bind, now):
            bindings.append((job, bind))
    _write(tx, bindings, now)
    return len(bindings)


def recall(
    tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant, shadows: LiveShadows | None = None
) -> int:
    """Ask back what waits too long in a site's own queue while another site could start it now.

    A guest that is due is asked back as soon as its host has had the time to start it.
    """
    placing = Placing(sites=sites_now(tx, agreement, rules, now), patience=rules.patience, now=now)
    if placing.full:
        return 0
    shadows = shadows or LiveShadows()
    patient, settled = after(now, -rules.promise), after(now, -min(rules.promise, _SETTLE_S))
    overdue = [
        attempt
        for attempt in tx.attempts.overdue(settled, rules.window)
        if (attempt.handed or attempt.bound) < patient or (attempt.guest and shadows.is_due(attempt.job))
    ]
    jobs = tx.jobs.get([attempt.job for attempt in overdue])
    return sum(
        _recall(tx, attempt, jobs[attempt.job], agreement=agreement, placing=placing, now=now) for attempt in overdue
    )


def withdraw(tx: Transaction, rules: PlaceRules, now: Instant) -> int:
    """Take back what was bound to a site that never came to fetch it."""
    stale = tx.attempts.unfetched(after(now, -rules.fresh))
    jobs = tx.jobs.get([attempt.job for attempt in stale])
    return sum(
        take_back(tx, jobs[attempt.job], f"{attempt.site} did not come for it; waits for room at a site", now)
        for attempt in stale
        if jobs[attempt.job].attempt == attempt.number
    )


def sites_now(tx: Transaction, agreement: Agreement, rules: PlaceRules, now: Instant) -> Mapping[SiteId, SiteNow]:
    """Load what every site says of itself, and what it has been given since it said so."""
    records = {record.site: record for record in tx.sites.all()}
    given = _given(tx, records, rules, now)
    return {
        site.id: _site_now(records[site.id], given.get(site.id, ()), rules, now)
        for site in agreement.sites
        if site.id in records
    }


def waiting_job(tx: Transaction, job: Job, agreement: Agreement, rules: PlaceRules, now: Instant) -> Waiting:
    """Say what placement needs of a job: its sites, without those that gave it back a moment ago."""
    return _waiting(job, agreement, _resting(tx, [job], rules, now).get(job.id, frozenset()))


def considered_data(considered: Iterable[Considered]) -> list[dict[str, str | bool]]:
    """Write what was found at each site, for the story."""
    return [{"site": one.site, "guest": one.guest, "text": one.text} for one in considered]


def _site_now(record: SiteRecord, given: Sequence[Recent], rules: PlaceRules, now: Instant) -> SiteNow:
    capacity = record.capacity if _is_fresh(record, rules, now) else None
    waiting = sum(one.state is not AttemptState.RUNNING for one in given)
    return SiteNow(
        capacity=capacity,
        reachable=record.key is not None
        and record.seen is not None
        and seconds_between(record.seen, now) <= rules.fresh,
        draining=record.draining,
        held=tuple(Held(resources=one.resources, guest=one.guest) for one in given),
        ahead=max(0, capacity.turnover - waiting) if capacity and rules.ahead else 0,
    )


def _is_fresh(record: SiteRecord, rules: PlaceRules, now: Instant) -> bool:
    return record.capacity_at is not None and seconds_between(record.capacity_at, now) <= rules.fresh


def _given(
    tx: Transaction, records: Mapping[SiteId, SiteRecord], rules: PlaceRules, now: Instant
) -> Mapping[SiteId, Sequence[Recent]]:
    """Return what was bound, or handed to the cluster, and is not yet missing from what each site last said is free.

    A scheduler takes a moment to start what it was handed; until then its nodes still look free. Where a site's word
    is old nothing can start anyway.
    """
    said = {site: record.capacity_at or now for site, record in records.items() if _is_fresh(record, rules, now)}
    oldest = min(said.values(), default=now)
    given: dict[SiteId, list[Recent]] = {}
    for one in tx.attempts.recent(handed=after(oldest, -_SETTLE_S), started=oldest):
        if one.site in said and _unseen(one, said[one.site]):
            given.setdefault(one.site, []).append(one)
    return given


def _unseen(one: Recent, said: Instant) -> bool:
    match one.state:
        case AttemptState.STARTING:
            return after(one.since, _SETTLE_S) >= said
        case AttemptState.RUNNING:
            return one.since >= said
        case _:
            return True


def _waiting(job: Job, agreement: Agreement, resting: frozenset[SiteId]) -> Waiting:
    partner_of = {site.id: site.partner for site in agreement.sites}
    sites = tuple(
        (site, partner_of[site] != job.partner) for site in job.sites if site in partner_of and site not in resting
    )
    return Waiting(job=job.id, resources=job.resources, sites=sites, since=job.submitted)


def _resting(
    tx: Transaction, jobs: Sequence[Job], rules: PlaceRules, now: Instant
) -> Mapping[JobId, frozenset[SiteId]]:
    """Return which sites gave jobs back so lately that they are not asked again yet."""
    tried = [job.id for job in jobs if job.attempt]
    return tx.attempts.returned(tried, after(now, -rules.rest)) if tried else {}


def _after(last: Job, *, started: bool) -> tuple[int, int]:
    """Say where to look on; past the whole array if its last task found no room, since the others ask for the same."""
    if last.task is None:
        return last.number, -1
    return last.number, last.task if started else _PAST_ALL_TASKS


def _bind(tx: Transaction, job: Job, bind: Bind, now: Instant) -> bool:
    number = job.attempt + 1
    reason = f"next at {bind.site}" if bind.ahead else f"{bind.site} can start it now"
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
    return tx.jobs.change(change)


def _write(tx: Transaction, bindings: Sequence[tuple[Job, Bind]], now: Instant) -> None:
    """Write down the attempts that were bound, and tell the sites."""
    attempts = [
        Attempt(
            job=job.id,
            number=job.attempt + 1,
            site=bind.site,
            state=AttemptState.BOUND,
            guest=bind.guest,
            epoch=0,
            native_id="",
            bound=now,
        )
        for job, bind in bindings
    ]
    tx.attempts.add(attempts)
    tx.jobs.tell([_story(attempt, bind, now) for attempt, (_, bind) in zip(attempts, bindings, strict=True)])
    for site in sorted({attempt.site for attempt in attempts}):
        tx.ring(orders_topic(site))
    for job, _ in bindings:
        if job.attempt == 0:
            tx.waited(Stage.BIND, seconds_between(job.submitted, now))


def _story(attempt: Attempt, bind: Bind, now: Instant) -> Story:
    data = {
        "attempt": attempt.number,
        "site": bind.site,
        "guest": bind.guest,
        "considered": considered_data(bind.considered),
    }
    return Story(job=attempt.job, at=now, kind=StoryKind.BOUND, data=data)


def _recall(
    tx: Transaction, attempt: Attempt, job: Job, *, agreement: Agreement, placing: Placing, now: Instant
) -> bool:
    if job.attempt != attempt.number:
        return False
    bind = placing.offer(_waiting(job, agreement, frozenset({attempt.site})), ahead=False)
    # One that was asked back before still claims its room elsewhere: only what is left is for others.
    if bind is None or not tx.attempts.ask_stop(job.id, attempt.number, StopReason.RECALL):
        return False
    data = {"attempt": attempt.number, "site": attempt.site, "for": bind.site}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.RECALLED, data=data)])
    tx.ring(orders_topic(attempt.site))
    return True
