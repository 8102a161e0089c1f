"""Book: a site's signed usage record becomes an entry of the ledger, once."""

from collections.abc import Iterator

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.base.dsse import Signature, Verifier
from foedus.core.base.errors import BadInput, Busy, Fault
from foedus.core.base.ids import JobId, SiteId
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
from foedus.flow.ports import AttemptChange, Transaction
from foedus.wire.agents import ReportItem, UsageItem

DISPUTED = "its usage record is disputed and not billed"
_LONGEST_REASON = 2000


def book(
    tx: Transaction, agreement: Agreement, site: SiteId, item: UsageItem, *, verify: Verifier, now: Instant
) -> ReportItem:
    """Take one usage record; what cannot be true, or is not the site's to say, is refused in words.

    A record that the site did sign of its own attempt is disputed then: it is not billed, and the attempt says why.
    """
    try:
        usage = usage_from_body(item.body)
    except BadInput as bad:
        return ReportItem(job=JobId("0"), attempt=0, accepted=False, text=str(bad))
    job, attempt = tx.jobs.get([usage.job]).get(usage.job), tx.attempts.get(usage.job, usage.attempt)
    if job is None or attempt is None or attempt.site != site or usage.site != site:
        return _refused(usage, f"attempt {usage.attempt} of job {usage.job} was not given to {site}")
    key = enrolled(tx, site).key
    if key is None or item.keyid != key or not _signed(item, key, verify):
        return _refused(usage, f"the record is not signed with the key of {site}")
    entries = tx.ledger.usage_entries([(usage.job, usage.attempt)])
    tx.attempts.booked(entries)  # a restored hub has the entry, and does not know yet whose it is
    if not entries:
        faults = [
            *_untrue(tx, usage, attempt, agreement, now, alone=job.attempt == 1),
            *_unlike(usage, agreement, site, job),
        ]
        if faults:
            words = "; ".join(faults)
            _dispute(tx, attempt, words)
            return _refused(usage, words)
        _append(tx, item, usage, job, now)
    return ReportItem(job=usage.job, attempt=usage.attempt, accepted=True)


def _refused(usage: Usage, words: str) -> ReportItem:
    return ReportItem(job=usage.job, attempt=usage.attempt, accepted=False, text=words)


def _untrue(
    tx: Transaction, usage: Usage, attempt: Attempt, agreement: Agreement, now: Instant, *, alone: bool
) -> list[str]:
    """Say what of a record cannot be, by itself, by the agreement, and by what the hub saw of the attempt.

    `alone` says that the job has no other attempt.
    """
    first = given(tx, attempt) if attempt.number > 1 else attempt
    faults = (
        *implausible(usage, now),
        *_beyond(tx, usage, agreement),
        *_too_early(usage, first, now),
        *(() if alone else overlaps(usage, _other_runs(tx, usage))),
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


def _unlike(usage: Usage, agreement: Agreement, site: SiteId, job: Job) -> list[str]:
    home = agreement.site(site)
    expected = {
        "alliance": agreement.id,
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
        f"body.{field}: is {getattr(usage, field)!r}, and the hub has {value!r}"
        for field, value in expected.items()
        if getattr(usage, field) != value
    ]


def _dispute(tx: Transaction, attempt: Attempt, words: str) -> None:
    """Note on an attempt that is over why its record is not booked."""
    reason = f"{DISPUTED}: {words}"[:_LONGEST_REASON]
    ended = frozenset({AttemptState.ENDED})
    tx.attempts.change(
        AttemptChange(job=attempt.job, number=attempt.number, state=AttemptState.ENDED, allowed=ended, reason=reason)
    )


def _signed(item: UsageItem, key: str, verify: Verifier) -> bool:
    try:
        raw = Signature(keyid=key, sig=item.sig).raw
    except ValueError:
        return False
    return verify(key, signed_bytes(Kind.USAGE, item.body), raw)


def _append(tx: Transaction, item: UsageItem, usage: Usage, job: Job, now: Instant) -> None:
    signature = Signature(keyid=item.keyid, sig=item.sig)
    entry = tx.ledger.append(Kind.USAGE, item.body, [signature], now, attempt=(usage.job, usage.attempt))
    if tx.sites.get(usage.site).key != item.keyid:
        # Revoked before the head was locked: after that entry this one would make the ledger unsound for ever.
        raise Busy(f"the key of {usage.site} changed in this very moment; nothing happened")
    tx.attempts.booked({(usage.job, usage.attempt): entry.seq})
    used = GpuSeconds(sum(usage.gpu_seconds.values()))
    tx.projects.settle(job.project, released=GpuSeconds(0), used=used)
    data = {"attempt": usage.attempt, "entry": entry.seq, "gpu_seconds": used, "elapsed": usage.elapsed}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.BOOKED, data=data)])
