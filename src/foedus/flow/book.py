"""Book: a site's signed usage record becomes an entry of the ledger, once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.base.dsse import Signature, Verifier
from foedus.core.base.errors import BadInput, Busy, Fault
from foedus.core.base.ids import JobId, ProjectId, SiteId
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, seconds_between
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Attempt, Job, Story, StoryKind
from foedus.core.jobs.state import AttemptState
from foedus.core.ledger.booked import booked
from foedus.core.ledger.entry import Kind, signed_bytes
from foedus.core.ledger.plausible import beyond, implausible, overlaps, too_early
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_from_body
from foedus.flow.orders import enrolled, given
from foedus.flow.ports import AttemptChange, Booking, Transaction
from foedus.flow.rounds import rounds
from foedus.wire.agents import ReportItem, UsageItem

DISPUTED = "its usage record is disputed and not billed"
_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """One usage record, and what the hub has of its attempt."""

    item: UsageItem
    usage: Usage
    job: Job
    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Where one site's records are taken, at one moment."""

    tx: Transaction
    agreement: Agreement
    site: SiteId
    key: str | None
    verify: Verifier
    now: Instant


def book(
    tx: Transaction, agreement: Agreement, site: SiteId, items: Sequence[UsageItem], *, verify: Verifier, now: Instant
) -> list[ReportItem]:
    """Take usage records, in order; return the answer to each.

    What cannot be true, or is not the site's to say, is refused in words. A record that the site did sign of its own
    attempt is disputed then: it is not billed, and the attempt says why.
    """
    desk = _Desk(tx=tx, agreement=agreement, site=site, key=enrolled(tx, site).key, verify=verify, now=now)
    answers: dict[int, ReportItem] = {}
    usages: dict[int, Usage] = {}
    for number, item in enumerate(items):
        try:
            usages[number] = usage_from_body(item.body)
        except BadInput as bad:
            answers[number] = ReportItem(job=JobId("0"), attempt=0, accepted=False, text=str(bad))
    for together in rounds({number: usage.job for number, usage in usages.items()}):
        answers |= _take(desk, {number: (items[number], usages[number]) for number in together})
    return [answers[number] for number in range(len(items))]


def _take(desk: _Desk, said: Mapping[int, tuple[UsageItem, Usage]]) -> dict[int, ReportItem]:
    """Take records of which no two are of one job, and book the good ones together."""
    tx, keys = desk.tx, [_key(usage) for _, usage in said.values()]
    jobs, attempts = tx.jobs.get([job for job, _ in keys]), tx.attempts.some(keys)
    entries = tx.ledger.usage_entries(keys)
    tx.attempts.booked(entries)  # a restored hub has the entry, and does not know yet whose it is
    answers: dict[int, ReportItem] = {}
    new: list[_Claim] = []
    for number, (item, usage) in said.items():
        job, attempt = jobs.get(usage.job), attempts.get(_key(usage))
        words = ""
        if job is None or attempt is None or attempt.site != desk.site or usage.site != desk.site:
            words = f"attempt {usage.attempt} of job {usage.job} was not given to {desk.site}"
        elif not _signed(item, desk.key, desk.verify):
            words = f"the record is not signed with the key of {desk.site}"
        elif _key(usage) not in entries:
            claim = _Claim(item=item, usage=usage, job=job, attempt=attempt)
            words = "; ".join([*_untrue(desk, claim), *_unlike(desk, claim)])
            if words:
                _dispute(tx, attempt, words)
            else:
                new.append(claim)
        answers[number] = ReportItem(job=usage.job, attempt=usage.attempt, accepted=not words, text=words)
    _append(desk, new)
    return answers


def _key(usage: Usage) -> tuple[JobId, int]:
    return usage.job, usage.attempt


def _untrue(desk: _Desk, claim: _Claim) -> list[str]:
    """Say what of a record cannot be, by itself, by the agreement, and by what the hub saw of the attempt."""
    usage, attempt = claim.usage, claim.attempt
    first = given(desk.tx, attempt) if attempt.number > 1 else attempt
    alone = claim.job.attempt == 1
    faults = (
        *implausible(usage, desk.now),
        *_beyond(desk.tx, usage, desk.agreement),
        *_too_early(usage, first, desk.now),
        *(() if alone else overlaps(usage, _other_runs(desk.tx, usage))),
    )
    return [str(fault) for fault in faults]


def _too_early(usage: Usage, first: Attempt, now: Instant) -> tuple[Fault, ...]:
    """Compare with when the site was given the attempt; nothing is held against it if the hub's own clock was wrong."""
    given_at = first.offered or first.bound
    since = now if first.handed is None else min(first.handed, now)
    return () if seconds_between(since, given_at) > CLOCK_SLACK_S else too_early(usage, given_at)


def _beyond(tx: Transaction, usage: Usage, agreement: Agreement) -> tuple[Fault, ...]:
    """Compare with the site as it is, and as it was under each version since the job was admitted."""
    gpus = sum(usage.gpus.values())
    site = agreement.site(usage.site)
    faults = beyond(site, usage.nodes, gpus) if site else ()
    if faults and usage.agreement_version < agreement.version:
        earlier = [read(record.text).site(usage.site) for record in tx.agreements.since(usage.agreement_version)]
        return () if any(one and not beyond(one, usage.nodes, gpus) for one in earlier) else faults
    return faults


def _other_runs(tx: Transaction, usage: Usage) -> Iterator[Usage]:
    """Return what is booked of the job's other attempts at the same site."""
    for other in tx.attempts.of(usage.job):
        if other.number != usage.attempt and other.site == usage.site and other.entry is not None:
            record = booked(tx.ledger.entries(other.entry, 1)[0])
            if record is not None:
                yield record.usage


def _unlike(desk: _Desk, claim: _Claim) -> list[str]:
    """Say where a record differs from the job that it is of."""
    home, job = desk.agreement.site(desk.site), claim.job
    expected = {
        "alliance": desk.agreement.id,
        "agreement_version": job.agreement_version,
        "site_partner": home.partner if home else "",
        "user": job.user,
        "user_partner": job.partner,
        "project": job.project,
        "sector": job.sector,
        "purpose": job.purpose,
        "requested_gpus": job.resources.gpus,
        "requested_time_limit": job.resources.time_limit,
    }
    return [
        f"body.{field}: is {getattr(claim.usage, field)!r}, and the hub has {value!r}"
        for field, value in expected.items()
        if getattr(claim.usage, field) != value
    ]


def _dispute(tx: Transaction, attempt: Attempt, words: str) -> None:
    """Note on an attempt that is over why its record is not booked."""
    reason = f"{DISPUTED}: {words}"[:_LONGEST_REASON]
    ended = frozenset({AttemptState.ENDED})
    tx.attempts.change(
        AttemptChange(job=attempt.job, number=attempt.number, state=AttemptState.ENDED, allowed=ended, reason=reason)
    )


def _signed(item: UsageItem, key: str | None, verify: Verifier) -> bool:
    if key is None or item.keyid != key:
        return False
    try:
        raw = Signature(keyid=key, sig=item.sig).raw
    except ValueError:
        return False
    return verify(key, signed_bytes(Kind.USAGE, item.body), raw)


def _append(desk: _Desk, claims: Sequence[_Claim]) -> None:
    """Chain the records, each as an entry of its own, and do what follows."""
    if not claims:
        return
    tx = desk.tx
    bookings = [
        Booking(
            kind=Kind.USAGE,
            body=claim.item.body,
            signatures=[Signature(keyid=claim.item.keyid, sig=claim.item.sig)],
            attempt=_key(claim.usage),
        )
        for claim in claims
    ]
    entries = tx.ledger.append_all(bookings, desk.now)
    if tx.sites.get(desk.site).key != desk.key:
        # Revoked before the head was locked: after that entry these would make the ledger unsound for ever.
        raise Busy(f"the key of {desk.site} changed in this very moment; nothing happened")
    tx.attempts.booked({_key(claim.usage): entry.seq for claim, entry in zip(claims, entries, strict=True)})
    spent: Counter[ProjectId] = Counter()
    stories: list[Story] = []
    for claim, entry in zip(claims, entries, strict=True):
        usage, used = claim.usage, sum(claim.usage.gpu_seconds.values())
        spent[claim.job.project] += used
        data = {"attempt": usage.attempt, "entry": entry.seq, "gpu_seconds": used, "elapsed": usage.elapsed}
        stories.append(Story(job=usage.job, at=desk.now, kind=StoryKind.BOOKED, data=data))
    for project, used in sorted(spent.items()):
        tx.projects.settle(project, released=GpuSeconds(0), used=GpuSeconds(used))
    tx.jobs.tell(stories)
