"""Enrol: how an agent's key becomes known to the hub, and how it is taken away again."""

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.revocation import Revocation
from foedus.core.agreement.revocation import verify as verify_revocation
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
from foedus.wire.agents import CodeReply, EnrolReply, EnrolRequest, RevocationReply

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
    envelope = _envelope(request.vouch, "vouch", "make it with `foedus agreement vouch`")
    vouch = verify_vouch(envelope, agreement, now, verify)
    if vouch.site != request.site:
        fault = f"is for {vouch.site}, and the code is for {request.site}"
        raise BadInput(Fault(path="vouch.site", fault=fault, remedy="vouch for the site that enrols"))
    if not tx.sites.use_code(sha256(request.code.encode()), request.site, now):
        raise NotAuthenticated(
            f"the code is not good for {request.site}: it is unknown, used, over, or another site's",
            remedy=f"ask for a new one (`foedus site code {request.site}`) and use it within 15 minutes",
        )
    tx.sites.enrol(request.site, vouch.key)
    signatures = matching(Kind.SITE_KEY, vouch.body(), envelope.signatures, verify)
    entry = tx.ledger.append(Kind.SITE_KEY, vouch.body(), signatures, now)
    fault = _keys_before(tx, entry).vouch_fault(vouch.site, vouch.key)
    if fault is not None:
        raise BadInput(Fault(path="vouch.key", fault=fault, remedy=_NEW_KEY))
    return EnrolReply(site=request.site, hub_key=hub_key, entry=entry.seq)


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
        said, entry = _booked(tx, agreement, site, statement, verify=verify, now=now)
        if said.key == present:
            tx.sites.revoke(site)
        requeued = requeue_all(tx, site, caller, now) if requeue else 0
        return RevocationReply(site=site, key=said.key, entry=entry.seq, requeued=requeued)
    if present is None or not tx.sites.revoke(site):
        raise NotFound(f"site {site} has no key", remedy="see `foedus sites`")
    requeued = requeue_all(tx, site, caller, now) if requeue else 0
    return RevocationReply(site=site, key=present, entry=None, requeued=requeued)


def _booked(
    tx: Transaction, agreement: Agreement, site: SiteId, statement: JsonObject, *, verify: Verifier, now: Instant
) -> tuple[Revocation, Entry]:
    envelope = _envelope(statement, "revocation", "make it with `foedus site revoke --partner-key`")
    said = verify_revocation(envelope, agreement, verify)
    if said.site != site:
        fault = f"is for {said.site}, and {site} was to lose its key"
        raise BadInput(Fault(path="revocation.site", fault=fault, remedy="name the same site in both places"))
    signatures = matching(Kind.SITE_KEY_REVOKED, said.body(), envelope.signatures, verify)
    entry = tx.ledger.append(Kind.SITE_KEY_REVOKED, said.body(), signatures, now)
    before = _keys_before(tx, entry)
    if said.key in before.revoked:
        raise Conflict(f"{said.key} was revoked already, by ledger entry {before.revoked[said.key]}")
    if before.standing.get(said.key) != site:
        fault = f"{said.key} never was a key of {site}"
        raise BadInput(Fault(path="revocation.key", fault=fault, remedy="see its keys: `foedus ledger show`"))
    return said, entry


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
