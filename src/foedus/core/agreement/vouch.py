"""A partner's word that a key speaks for one of its sites.

The hub takes a site's key only with this, so that nobody but the site's own partner can put an agent into the
alliance: neither another partner nor the operator of the hub.
"""

import json
from dataclasses import dataclass
from typing import cast

from foedus.core.agreement.model import Agreement
from foedus.core.base.canon import Json, canonical
from foedus.core.base.dsse import Envelope, Signer, Verifier, sign, signed_by
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import AllianceId, SiteId, key_fault
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, after, iso, parse_iso

PAYLOAD_TYPE = "application/vnd.foedus.site-key+json"

_REMEDY = "ask the site's partner for a new statement (`foedus agreement vouch`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """The statement: from ``not_before`` on, ``key`` speaks for ``site``."""

    alliance: AllianceId
    site: SiteId
    key: str
    not_before: Instant

    def body(self) -> dict[str, Json]:
        """Return the statement as an object: what the ledger books."""
        return {"alliance": self.alliance, "site": self.site, "key": self.key, "not_before": iso(self.not_before)}

    def payload(self) -> bytes:
        """Return what is signed."""
        return canonical(self.body())


def make(signer: Signer, vouch: Vouch) -> Envelope:
    """Sign a statement with the partner's key."""
    payload = vouch.payload()
    return Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(sign(signer, PAYLOAD_TYPE, payload),))


def verify(envelope: Envelope, agreement: Agreement, now: Instant, verifier: Verifier) -> Vouch:
    """Read a statement and check that the site's own partner made it and that it holds at `now`.

    Raises `BadInput` with every fault.
    """
    vouch = _read(envelope)
    faults: list[Fault] = []
    if vouch.alliance != agreement.id:
        faults.append(_fault("alliance", f"is for {vouch.alliance!r}, not {agreement.id!r}"))
    site = agreement.site(vouch.site)
    partner = agreement.partner(site.partner) if site else None
    if partner is None:
        faults.append(_fault("site", f"{vouch.site!r} is no site of the agreement"))
    elif not signed_by(verifier, partner.key, PAYLOAD_TYPE, envelope.payload, envelope.signatures):
        faults.append(_fault("signature", f"is not made with the key of {partner.id}, to whom {vouch.site} belongs"))
    if after(now, CLOCK_SLACK_S) < vouch.not_before:
        faults.append(_fault("not_before", f"is {iso(vouch.not_before)}, and it is {iso(now)}"))
    if faults:
        raise BadInput(*faults)
    return vouch


def _read(envelope: Envelope) -> Vouch:
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BadInput(_fault("payloadType", f"is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}"))
    try:
        body = cast("object", json.loads(envelope.payload))
        vouch = _from_json(body)
        exact = vouch.payload() == envelope.payload
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(_fault("payload", f"is no statement about a site's key ({error})")) from error
    if not exact:
        raise BadInput(_fault("payload", "is not in canonical form, or says more than it may"))
    fault = key_fault(vouch.key, "vouch.key")
    if fault is not None:
        raise BadInput(fault)
    return vouch


def _from_json(body: object) -> Vouch:
    if not isinstance(body, dict):
        raise TypeError("not an object")
    parts = cast("dict[str, object]", body)
    texts = {name: parts[name] for name in ("alliance", "site", "key", "not_before")}
    alliance, site, key, not_before = (text for text in texts.values() if isinstance(text, str))
    return Vouch(alliance=AllianceId(alliance), site=SiteId(site), key=key, not_before=parse_iso(not_before))


def _fault(part: str, fault: str) -> Fault:
    return Fault(path=f"vouch.{part}", fault=fault, remedy=_REMEDY)
