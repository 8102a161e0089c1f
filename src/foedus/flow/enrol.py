"""Enrol: how an agent's key becomes known to the hub, is changed for another, and is taken away again."""

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.revocation import Revocation
from foedus.core.agreement.revocation import verify as verify_revocation
from foedus.core.agreement.vouch import Vouch
from foedus.core.agreement.vouch import verify as verify_vouch
from foedus.core.base.canon import JsonObject, sha256
from foedus.core.base.dsse import Envelope, Verifier
from foedus.core.base.errors import BadInput, Conflict, Fault, NotAuthenticated, NotFound
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant, after
from foedus.core.base.units import Seconds
from foedus.core.ledger.entry import Entry, Kind, matching
from foedus.core.ledger.site_keys import SiteKeys
from foedus.flow.access import Caller
from foedus.flow.evacuate import requeue_all
from foedus.flow.ports import Transaction
from foedus.wire.agents import CodeReply, EnrolReply, EnrolRequest, RevocationReply, RotationReply, RotationRequest

CODE_LIFE = Seconds(15 * 60)
_NEW_KEY = "make a new key at the site (`foedus agent key --new`), and vouch for that one"


def new_code(
    tx: Transaction, caller: Caller, agreement: Agreement, site: SiteId, *, code: str, now: Instant
) -> CodeReply:
    """Keep the hash of a fresh random `code`, good for one enrolment of one site within 15 minutes."""
    if agreement.site(site) is None:
        raise _no_site(site)
    caller.needs_site(site)
    expires = after(now, CODE_LIFE)
    tx.sites.add_code(sha256(code.encode()), site, expires)
    return CodeReply(code=code, site=site, expires=expires)


def enrol(
    tx: Transaction, request: EnrolRequest, agreement: Agreement, *, hub_key: str, verify: Verifier, now: Instant
) -> EnrolReply:
    """Take a site's key: the code says that the site was invited, the vouch that its partner stands behind the key."""
    if agreement.site(request.site) is None:
        raise _no_site(request.site)
    vouch, envelope = _vouched(tx, request.vouch, agreement, request.site, verify=verify, now=now)
    if not tx.sites.use_code(sha256(request.code.encode()), request.site, now):
        raise NotAuthenticated(
            f"the code is not good for {request.site}: it is unknown, used, over, or another site's",
            remedy=f"ask for a new one (`foedus site code {request.site}`) and use it within 15 minutes",
        )
    entry = _take(tx, vouch, envelope, verify, now)
    return EnrolReply(site=request.site, hub_key=hub_key, entry=entry.seq)


def rotate(
    tx: Transaction,
    site: SiteId,
    old: str,
    request: RotationRequest,
    agreement: Agreement,
    *,
    verify: Verifier,
    now: Instant,
) -> RotationReply:
    """Take another key for a site: the present one (`old`) signed the request, and the partner vouches for the new one.

    The epoch goes on, so that the running agent does too. With the partner's statement that the old key is retired the
    ledger says that in the same moment; without it only the hub refuses the old key. A repeat finds it done.
    """
    vouch, envelope = _vouched(tx, request.vouch, agreement, site, verify=verify, now=now)
    retired = None if request.retirement is None else _retired(tx, request.retirement, agreement, site, verify)
    if vouch.key == old:
        return RotationReply(site=site, key=old, entry=_entry_of(tx, old))
    if retired is not None and retired[0].key != old:
        fault = f"is about {retired[0].key}, and the site's key is {old}"
        raise BadInput(Fault(path="retirement.key", fault=fault, remedy="retire the key that is replaced"))
    entry = _take(tx, vouch, envelope, verify, now)
    if retired is not None:
        _retire(tx, *retired, verify=verify, now=now)
    return RotationReply(site=site, key=vouch.key, entry=entry.seq)


def _vouched(
    tx: Transaction, statement: JsonObject, agreement: Agreement, site: SiteId, *, verify: Verifier, now: Instant
) -> tuple[Vouch, Envelope]:
    _needs_good_key(tx, agreement, site, "vouch.signature")
    envelope = _envelope(statement, "vouch", "make it with `foedus agreement vouch`")
    vouch = verify_vouch(envelope, agreement, now, verify)
    if vouch.site != site:
        fault = f"is for {vouch.site}, and {site} is to have the key"
        raise BadInput(Fault(path="vouch.site", fault=fault, remedy="vouch for the site that asks"))
    return vouch, envelope


def _take(tx: Transaction, vouch: Vouch, envelope: Envelope, verify: Verifier, now: Instant) -> Entry:
    """Make a vouched key the site's, and book it.

    The entry is never earlier than the moment from which the key counts, and so is none after it: a signatory's clock
    that is a little ahead of the hub's leaves no record between the two, which nobody could verify.
    """
    tx.sites.enrol(vouch.site, vouch.key)
    signatures = matching(Kind.SITE_KEY, vouch.body(), envelope.signatures, verify)
    entry = tx.ledger.append(Kind.SITE_KEY, vouch.body(), signatures, max(now, vouch.not_before))
    fault = _keys_before(tx, entry).vouch_fault(vouch.site, vouch.key)
    if fault is not None:
        raise BadInput(Fault(path="vouch.key", fault=fault, remedy=_NEW_KEY))
    return entry


def _entry_of(tx: Transaction, key: str) -> int:
    booked = [one.seq for one in tx.ledger.about_keys() if one.kind is Kind.SITE_KEY and one.body["key"] == key]
    return booked[-1] if booked else 0


def revoke(
    tx: Transaction,
    caller: Caller,
    agreement: Agreement,
    site: SiteId,
    statement: JsonObject | None,
    *,
    requeue: bool = False,
    verify: Verifier,
    now: Instant,
) -> RevocationReply:
    """Refuse a site's key from now on. Its running jobs go on; it can report again once it is enrolled anew.

    Without a statement of the site's partner only the hub refuses the key that the site has now, and the same key can
    be enrolled again. With one the ledger says so, and the key that it names, the present one or an earlier one, is
    refused for good. Usage that was signed with it and is not booked yet is refused too: the agent signs it anew.

    `requeue` gives the site's jobs to others at once: see `requeue_all`.
    """
    if agreement.site(site) is None:
        raise _no_site(site)
    caller.needs_site(site)
    present = tx.sites.get(site).key
    if statement is not None:
        said, envelope = _retired(tx, statement, agreement, site, verify)
        entry = _retire(tx, said, envelope, verify=verify, now=now)
        if said.key == present:
            tx.sites.revoke(site)
        requeued = requeue_all(tx, site, caller, now) if requeue else 0
        return RevocationReply(site=site, key=said.key, entry=entry.seq, requeued=requeued)
    if present is None or not tx.sites.revoke(site):
        raise NotFound(f"site {site} has no key", remedy="see `foedus sites`")
    requeued = requeue_all(tx, site, caller, now) if requeue else 0
    return RevocationReply(site=site, key=present, entry=None, requeued=requeued)


def _retired(
    tx: Transaction, statement: JsonObject, agreement: Agreement, site: SiteId, verify: Verifier
) -> tuple[Revocation, Envelope]:
    _needs_good_key(tx, agreement, site, "revocation.signature")
    envelope = _envelope(statement, "revocation", "make it with `foedus site revoke --partner-key`")
    said = verify_revocation(envelope, agreement, verify)
    if said.site != site:
        fault = f"is for {said.site}, and {site} was to lose its key"
        raise BadInput(Fault(path="revocation.site", fault=fault, remedy="name the same site in both places"))
    return said, envelope


def _retire(tx: Transaction, said: Revocation, envelope: Envelope, *, verify: Verifier, now: Instant) -> Entry:
    signatures = matching(Kind.SITE_KEY_REVOKED, said.body(), envelope.signatures, verify)
    entry = tx.ledger.append(Kind.SITE_KEY_REVOKED, said.body(), signatures, now)
    before = _keys_before(tx, entry)
    if said.key in before.revoked:
        raise Conflict(f"{said.key} was revoked already, by ledger entry {before.revoked[said.key]}")
    if before.standing.get(said.key) != said.site:
        fault = f"{said.key} never was a key of {said.site}"
        raise BadInput(Fault(path="revocation.key", fault=fault, remedy="see its keys: `foedus ledger show`"))
    return entry


def _needs_good_key(tx: Transaction, agreement: Agreement, site: SiteId, path: str) -> None:
    home = agreement.site(site)
    partner = agreement.partner(home.partner) if home else None
    if partner is not None and partner.key in tx.people.revoked_keys():
        fault = f"the key of {partner.id}, {partner.key[:16]}..., was revoked by the office"
        raise BadInput(Fault(path=path, fault=fault, remedy="amend the agreement with the partner's new key first"))


def _keys_before(tx: Transaction, entry: Entry) -> SiteKeys:
    """Read which keys stood when an entry was appended: the head is locked since, so nobody else changes that."""
    return SiteKeys.of(one for one in tx.ledger.about_keys() if one.seq < entry.seq)


def _envelope(statement: JsonObject, path: str, remedy: str) -> Envelope:
    try:
        return Envelope.from_json(dict(statement))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(Fault(path=path, fault=f"is not a DSSE envelope ({error})", remedy=remedy)) from error


def _no_site(site: SiteId) -> NotFound:
    return NotFound(f"the agreement has no site {site!r}", remedy="see `foedus agreement show`")
