"""How a site joins: its key is made here, its partner vouches for it, and the hub takes it for a single-use code."""

import json
from dataclasses import dataclass

import httpx2

from foedus.agent import agreement as agreements
from foedus.agent.folder import Enrolment, StateFolder
from foedus.agent.hub import Hub, enrol
from foedus.agent.post import Post
from foedus.core.agreement import vouch
from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Envelope, Signer
from foedus.core.base.errors import BadInput, Fault, NotFound
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Clock
from foedus.keys import ed25519
from foedus.wire.agents import EnrolRequest, HelloRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What came of it."""

    agreement: Agreement
    key: str
    entry: int


def statement(folder: StateFolder, site: SiteId, partner: Signer, alliance: str, clock: Clock) -> Envelope:
    """Vouch on the spot, where the partner's own key is at hand."""
    key = folder.make_key().key
    words = vouch.Vouch(alliance=vouch.AllianceId(alliance), site=site, key=key, not_before=clock.now())
    return vouch.make(partner, words)


def vouched_key(envelope: Envelope) -> tuple[str, str, str]:
    """Return the alliance, site and key that a statement is about, unchecked: to compare before anything is sent."""
    try:
        parts = json.loads(envelope.payload)
        return str(parts["alliance"]), str(parts["site"]), str(parts["key"])
    except (ValueError, KeyError, TypeError) as error:
        fault = Fault(path="vouch", fault=f"says nothing about a site's key ({error})", remedy=_VOUCH)
        raise BadInput(fault) from error


_VOUCH = "let the partner's signatory make it: `foedus agreement vouch`"


def join(
    folder: StateFolder, http: httpx2.Client, *, hub_url: str, site: SiteId, code: str, envelope: Envelope, clock: Clock
) -> Enrolled:
    """Enrol the site and keep what the agent needs from then on.

    The hub is believed only where the agreement, signed by every partner, says the same: the site's partner must be
    the one that vouched, and the hub's key the one that the partners agreed on.
    """
    signer = folder.make_key()
    _, named, key = vouched_key(envelope)
    if (named, key) != (site, signer.key):
        fault = f"is for site {named} and key {key[:20]}..., not for {site} and {signer.key[:20]}..."
        raise BadInput(Fault(path="vouch", fault=fault, remedy=_VOUCH))
    reply = enrol(http, EnrolRequest(code=code, site=site, vouch=envelope.json()))
    hub = Hub(Post(lambda: http, folder.keys(), clock), site)
    hub.hello(HelloRequest(version="enrol", driver=""), clock.now())
    view = hub.agreement()
    agreement = agreements.accepted(view, _held(folder))
    vouch.verify(envelope, agreement, clock.now(), ed25519.verify)
    if agreement.hub_key != reply.hub_key:
        fault = "is not the one that the partners signed in the agreement"
        raise BadInput(Fault(path="hub key", fault=fault, remedy="check the hub's address; tell the office"))
    agreements.store(folder, view)
    known = Enrolment(hub=hub_url, site=site, alliance=agreement.id, hub_key=agreement.hub_key)
    folder.write("enrolment.json", known.model_dump_json().encode("utf-8"))
    return Enrolled(agreement=agreement, key=signer.key, entry=reply.entry)


def _held(folder: StateFolder) -> Agreement | None:
    try:
        folder.enrolment()
    except NotFound:
        return None
    return agreements.load(folder)
