"""Recover: what a hub that was restored from a backup learns back from its sites, before it does anything else.

Between the backup and its loss the hub took jobs, gave them to sites and booked what they used. Of all that the sites
know what concerns them: the orders that they were given, and the ledger's entries up to the head that they sealed.
Until every site has told that, nothing is placed, taken or booked: a job might start twice, the ledger would fork.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import PAYLOAD_TYPE, needed
from foedus.core.base.dsse import Envelope, Signature, Verifier
from foedus.core.base.errors import BadInput, Conflict, Fault
from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.base.instant import Instant, after, iso, seconds_between
from foedus.core.base.units import GpuSeconds
from foedus.core.ledger.chain import follows, head_of
from foedus.core.ledger.entry import Entry, Kind, entry_from_json
from foedus.core.ledger.usage_json import usage_from_body
from foedus.flow.ports import AgreementRecord, Project, Recovery, RecoverySite, Transaction
from foedus.flow.relearn import relearn
from foedus.wire.agents import RecoveryAsk, RecoveryReply, RecoveryRequest
from foedus.wire.alliance import ProjectRole
from foedus.wire.ledger import SignedHead

MARGIN_S: Final = 3600
"""The sites are asked for what changed this long before the backup, too: what they knew then the hub may not have."""
_LEAST_GAP: Final = 1_000_000
_NUMBERS_A_SECOND: Final = 100
_MOST_FAULTS: Final = 20


def recovering(tx: Transaction) -> Recovery | None:
    """Return the restoration that is going on."""
    found = tx.recovery.get()
    return found if found is not None and found.ended is None else None


def begin_recovery(tx: Transaction, since: Instant, reason: str, now: Instant) -> Recovery:
    """Begin: the agents have to greet again, and no number is given again that a lost job may have had."""
    newest = tx.ledger.head()
    found = Recovery(begun=now, since=since, head=newest.seq if newest else 0, reason=reason)
    tx.recovery.begin(found)
    gap = max(_LEAST_GAP, _NUMBERS_A_SECOND * round(seconds_between(since, now)))
    tx.recovery.skip_numbers(tx.recovery.last_number() + gap)
    return found


def is_behind(tx: Transaction, shown: SignedHead, hub_keys: Collection[str], verify: Verifier) -> bool:
    """Say whether this hub once signed a head that is beyond its newest entry now: it has lost entries."""
    newest = tx.ledger.head()
    return (newest is None or newest.seq < shown.seq) and _own(shown, hub_keys, verify)


def ask(tx: Transaction, site: SiteId) -> RecoveryAsk | None:
    """Say what a site that greets has to tell, all of it anew; `None` if this hub is whole."""
    found, newest = recovering(tx), tx.ledger.head()
    if found is None:
        return None
    _anew(tx, [one for one in tx.recovery.sites() if one.site == site])
    return RecoveryAsk(since=found.since, head=newest.seq if newest else 0)


def has_told(tx: Transaction, site: SiteId) -> bool:
    """Say whether a site has told everything. One that has not must greet again: that is how it is asked."""
    return any(one.site == site and one.done for one in tx.recovery.sites())


def _anew(tx: Transaction, sites: Sequence[RecoverySite]) -> None:
    """Have sites tell everything again, but remember what they have sealed."""
    for one in sites:
        tx.recovery.heard(replace(one, jobs=0, done=False, faults=()))


def recover(
    tx: Transaction,
    site: SiteId,
    request: RecoveryRequest,
    *,
    hub_keys: Collection[str],
    verify: Verifier,
    now: Instant,
) -> RecoveryReply:
    """Take what a site tells; raises `Conflict` if nothing is being recovered."""
    if recovering(tx) is None:
        raise Conflict("this hub is whole", remedy="go on as usual")
    told = {one.site: one for one in tx.recovery.sites()}.get(site)
    faults: list[str] = []
    if request.head is not None:
        faults += _entries(tx, request, request.head, hub_keys, verify)
    for held in request.attempts:
        fault = relearn(tx, site, held, now)
        faults += [] if fault is None else [fault]
    sealed = request.sealed.seq if request.sealed and _own(request.sealed, hub_keys, verify) else 0
    kept = (*(told.faults if told else ()), *faults)
    tx.recovery.heard(
        RecoverySite(
            site=site,
            at=now,
            sealed=max(sealed, told.sealed if told else 0),
            jobs=(told.jobs if told else 0) + len(request.attempts),
            done=request.last or (told is not None and told.done),
            faults=tuple(dict.fromkeys(kept))[:_MOST_FAULTS],
        )
    )
    newest = tx.ledger.head()
    return RecoveryReply(head=newest.seq if newest else 0, faults=faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a restoration is."""

    recovery: Recovery
    head: int
    """Number of the ledger's newest entry now."""
    sites: Sequence[RecoverySite]
    missing: Sequence[SiteId]
    """Enrolled sites that have not told everything yet."""
    faults: Sequence[str]
    """What stands against its end."""


def standing(tx: Transaction) -> Standing | None:
    """Look where the restoration that is going on, or the last one, is; `None` if this hub was never restored."""
    recovery = tx.recovery.get()
    if recovery is None:
        return None
    told = {one.site: one for one in tx.recovery.sites()}
    enrolled = [record.site for record in tx.sites.all() if record.key is not None]
    newest = tx.ledger.head()
    reached = newest.seq if newest else 0
    faults = [f"{one.site}: {fault}" for one in told.values() for fault in one.faults]
    faults += [
        f"{one.site} has sealed entry {one.sealed}, and the ledger here ends at {reached}"
        for one in told.values()
        if one.sealed > reached
    ]
    return Standing(
        recovery=recovery,
        head=reached,
        sites=tuple(told.values()),
        missing=tuple(site for site in enrolled if site not in told or not told[site].done),
        faults=tuple(faults),
    )


def finish(tx: Transaction, without: Collection[SiteId], now: Instant) -> int:
    """End it: the hub is whole, and goes on. Returns how many waiting jobs are held back.

    Refused while a site has not told everything, unless it is left out by name. Then every job that waited at the time
    of the backup is held back: such a site may have it. Refused, whoever is left out, while a site holds entries that
    this hub lacks, or other ones under the same numbers: to go on would fork the ledger.
    """
    found = standing(tx)
    if found is None or found.recovery.ended is not None:
        raise Conflict("nothing is being recovered", remedy="see `foedus hub recovery`")
    missing = [site for site in found.missing if site not in without]
    faults = [
        Fault(
            path=site,
            fault="has not told what it has",
            remedy=f"start its agent and wait; or go on without it: --without {site}",
        )
        for site in missing
    ]
    faults += [
        Fault(path="ledger", fault=fault, remedy="import an export that has the entries: --ledger FILE")
        for fault in found.faults
    ]
    if faults:
        raise BadInput(*faults)
    held = _hold_all(tx, now) if found.missing else 0
    tx.recovery.end(now)
    return held


def _hold_all(tx: Transaction, now: Instant) -> int:
    waiting: list[JobId] = []
    last: tuple[int, int] | None = None
    while page := tx.jobs.pending(1000, last):
        waiting += [job.id for job in page]
        last = (page[-1].number, -1 if page[-1].task is None else page[-1].task)
    words = "held back: a site that may have it was not heard when the hub was restored"
    tx.jobs.hold(waiting, held=True, reason=words, at=now)
    return len(waiting)


def learn(tx: Transaction, entries: Sequence[Entry]) -> list[str]:
    """Chain entries that are known to be this ledger's own, with what follows from them; says what does not fit.

    What a site told that did not fit before may fit now, so that site is asked anew.
    """
    faults: list[str] = []
    newest = tx.ledger.head()
    before = reached = newest.seq if newest else 0
    known = {one.seq: one.hash for one in tx.ledger.entries(entries[0].seq, len(entries))} if entries else {}
    for entry in entries:
        if entry.seq <= reached:
            if known.get(entry.seq) != entry.hash:
                faults.append(f"entry {entry.seq} is another one here: the ledger has forked")
                break
        elif tx.ledger.take(entry):
            reached = entry.seq
            faults += _apply(tx, entry)
        else:
            faults.append(f"entry {entry.seq} does not follow from entry {reached}, the last one here")
            break
    if reached > before:
        _anew(tx, [one for one in tx.recovery.sites() if one.faults])
    return faults


def _entries(
    tx: Transaction, request: RecoveryRequest, shown: SignedHead, hub_keys: Collection[str], verify: Verifier
) -> list[str]:
    """Believe entries for the hub's own signature under the head that they lead to."""
    if not _own(shown, hub_keys, verify):
        return [f"head {shown.seq} does not bear a signature of this hub"]
    try:
        entries = [entry_from_json(one) for one in request.entries]
    except BadInput as error:
        return [str(fault) for fault in error.faults]
    if not entries:
        return []
    before = tx.ledger.entries(entries[0].seq - 1, 1)
    old = head_of(shown.alliance, before[0]) if before else None
    wrong = follows(old, entries, shown.head)
    return [*wrong] if wrong else learn(tx, entries)


def _own(shown: SignedHead, hub_keys: Collection[str], verify: Verifier) -> bool:
    return shown.keyid in hub_keys and shown.is_signed(verify)


def _apply(tx: Transaction, entry: Entry) -> list[str]:
    """Do what was done when the entry was booked."""
    body = entry.body
    match entry.kind:
        case Kind.AGREEMENT:
            _agreement(tx, entry)
        case Kind.SITE_KEY:
            tx.sites.enrol(SiteId(str(body["site"])), str(body["key"]))
        case Kind.SITE_KEY_REVOKED:
            site = SiteId(str(body["site"]))
            if tx.sites.get(site).key == body["key"]:
                tx.sites.revoke(site)
        case Kind.PROJECT:
            return _project(tx, entry)
        case Kind.ALLOCATION:
            amount = body["gpu_seconds"]
            tx.projects.grant(ProjectId(str(body["project"])), GpuSeconds(amount if isinstance(amount, int) else 0))
        case Kind.USAGE:
            usage = usage_from_body(body)
            used = GpuSeconds(sum(usage.gpu_seconds.values()))
            if tx.projects.get(usage.project) is None:
                return [f"entry {entry.seq} books on project {usage.project}, which is not known here"]
            tx.projects.settle(usage.project, released=GpuSeconds(0), used=used)
            tx.attempts.booked({(usage.job, usage.attempt): entry.seq})
        case Kind.CORRECTION:
            pass  # changes no budget
    return []


def _agreement(tx: Transaction, entry: Entry) -> None:
    text = str(entry.body["text"]).encode()
    agreement, current = read(text), tx.agreements.current()
    before: Agreement | None = read(current.text) if current else None
    signatures: dict[PartnerId, list[Signature]] = {}
    for partner, key in needed(agreement, before):
        signatures.setdefault(partner, []).extend(one for one in entry.signatures if one.keyid == key)
    envelopes: Mapping[PartnerId, Envelope] = {
        partner: Envelope(payload_type=PAYLOAD_TYPE, payload=text, signatures=tuple(found))
        for partner, found in signatures.items()
    }
    tx.agreements.add(
        AgreementRecord(
            version=agreement.version,
            digest=Digest(str(entry.body["digest"])),
            text=text,
            envelopes={partner: envelope.json() for partner, envelope in envelopes.items()},
            entry=entry.seq,
        )
    )


def _project(tx: Transaction, entry: Entry) -> list[str]:
    body, nothing = entry.body, GpuSeconds(0)
    lead = UserId(str(body.get("lead", "")))
    known = tx.people.get(lead) is not None
    name = ProjectId(str(body["project"]))
    tx.projects.add(
        Project(
            id=name,
            title=str(body.get("title", name)),
            sector=SectorId(str(body.get("sector", ""))),
            opened=entry.at,
            granted=nothing,
            used=nothing,
            reserved=nothing,
            members={lead: ProjectRole.LEAD} if known else {},
        )
    )
    return []


def since_backup(at: Instant) -> Instant:
    """Return from when on the sites are asked, for a backup that was begun at `at`."""
    return after(at, -MARGIN_S)


def reason_of(at: Instant) -> str:
    """Say why a hub recovers that was restored from a backup."""
    return f"restored from a backup of {iso(at)}"


def lost_reason(shown: SignedHead, site: SiteId) -> str:
    """Say why a hub recovers that found itself behind a head which it had signed."""
    return f"{site} holds head {shown.seq}, which this hub has signed and does not have"
