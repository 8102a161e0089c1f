"""Book: a site's signed usage record becomes an entry of the ledger, once."""

from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Signature, Verifier
from foedus.core.base.errors import BadInput, Busy
from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Job, Story, StoryKind
from foedus.core.ledger.entry import Kind, signed_bytes
from foedus.core.ledger.plausible import implausible
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_from_body
from foedus.flow.orders import enrolled
from foedus.flow.ports import Transaction
from foedus.wire.agents import ReportItem, UsageItem


def book(
    tx: Transaction, agreement: Agreement, site: SiteId, item: UsageItem, *, verify: Verifier, now: Instant
) -> ReportItem:
    """Take one usage record; what cannot be true, or is not the site's to say, is refused in words."""
    try:
        usage = usage_from_body(item.body)
    except BadInput as bad:
        return ReportItem(job=JobId("0"), attempt=0, accepted=False, text=str(bad))
    job = tx.jobs.get([usage.job]).get(usage.job)
    faults = _faults(tx, agreement, site, item, usage=usage, job=job, verify=verify, now=now)
    if faults or job is None:
        return ReportItem(job=usage.job, attempt=usage.attempt, accepted=False, text="; ".join(faults))
    if tx.ledger.usage_entry(usage.job, usage.attempt) is None:
        _append(tx, item, usage, job, now)
    return ReportItem(job=usage.job, attempt=usage.attempt, accepted=True)


def _faults(
    tx: Transaction,
    agreement: Agreement,
    site: SiteId,
    item: UsageItem,
    *,
    usage: Usage,
    job: Job | None,
    verify: Verifier,
    now: Instant,
) -> list[str]:
    attempt = tx.attempts.get(usage.job, usage.attempt)
    if job is None or attempt is None or attempt.site != site or usage.site != site:
        return [f"attempt {usage.attempt} of job {usage.job} was not given to {site}"]
    faults = [str(fault) for fault in implausible(usage, now)]
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
    }
    for field, value in expected.items():
        if getattr(usage, field) != value:
            faults.append(f"body.{field}: is {getattr(usage, field)!r}, and the hub has {value!r}")
    key = enrolled(tx, site).key
    if key is None or item.keyid != key or not _signed(item, key, verify):
        faults.append(f"the record is not signed with the key of {site}")
    return faults


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
    tx.attempts.booked(usage.job, usage.attempt, entry.seq)
    used = GpuSeconds(sum(usage.gpu_seconds.values()))
    tx.projects.settle(job.project, released=GpuSeconds(0), used=used)
    data = {"attempt": usage.attempt, "entry": entry.seq, "gpu_seconds": used, "elapsed": usage.elapsed}
    tx.jobs.tell([Story(job=job.id, at=now, kind=StoryKind.BOOKED, data=data)])
