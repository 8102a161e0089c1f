"""Enrol: how an agent's key becomes known to the hub, and how it is taken away again."""

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.vouch import verify as verify_vouch
from foedus.core.base.canon import sha256
from foedus.core.base.dsse import Envelope, Verifier
from foedus.core.base.errors import BadInput, Fault, NotAuthenticated, NotFound
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant, after
from foedus.core.base.units import Seconds
from foedus.core.ledger.entry import Kind, matching
from foedus.flow.access import Caller
from foedus.flow.ports import Transaction
from foedus.wire.agents import CodeReply, EnrolReply, EnrolRequest

CODE_LIFE = Seconds(15 * 60)


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
    envelope = _envelope(request)
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
    return EnrolReply(site=request.site, hub_key=hub_key, entry=entry.seq)


def revoke(tx: Transaction, caller: Caller, agreement: Agreement, site: SiteId) -> None:
    """Refuse a site's key from now on. Its running jobs go on; it can report again once it is enrolled anew."""
    if agreement.site(site) is None:
        raise _no_site(site)
    caller.needs_site(site)
    if not tx.sites.revoke(site):
        raise NotFound(f"site {site} has no key", remedy="see `foedus sites`")


def _envelope(request: EnrolRequest) -> Envelope:
    try:
        return Envelope.from_json(dict(request.vouch))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            Fault(
                path="vouch", fault=f"is not a DSSE envelope ({error})", remedy="make it with `foedus agreement vouch`"
            )
        ) from error


def _no_site(site: SiteId) -> NotFound:
    return NotFound(f"the agreement has no site {site!r}", remedy="see `foedus agreement show`")
