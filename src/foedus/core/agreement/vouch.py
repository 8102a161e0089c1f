"""A partner's word that a key speaks for one of its sites.

The hub takes a site's key only with this, so that nobody but the site's own partner can put an agent into the
alliance: neither another partner nor the operator of the hub.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.statement import Form
from foedus.core.base.canon import Json, canonical
from foedus.core.base.dsse import Envelope, Signer, Verifier
from foedus.core.base.errors import BadInput
from foedus.core.base.ids import AllianceId, SiteId
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, after, iso, parse_iso

PAYLOAD_TYPE = "application/vnd.foedus.site-key+json"

_FORM: Final = Form(
    name="vouch",
    payload_type=PAYLOAD_TYPE,
    members=frozenset({"alliance", "site", "key", "not_before"}),
    remedy="ask the site's partner for a new statement (`foedus agreement vouch`)",
)


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
    return _FORM.seal(signer, vouch)


def verify(envelope: Envelope, agreement: Agreement, now: Instant, verifier: Verifier) -> Vouch:
    """Read a statement and check that the site's own partner made it and that it holds at `now`.

    Raises `BadInput` with every fault.
    """
    vouch = _FORM.read(envelope, _build)
    faults = _FORM.faults(vouch, envelope, agreement, verifier)
    if after(now, CLOCK_SLACK_S) < vouch.not_before:
        faults.append(_FORM.fault("not_before", f"is {iso(vouch.not_before)}, and it is {iso(now)}"))
    if faults:
        raise BadInput(*faults)
    return vouch


def _build(texts: Mapping[str, str]) -> Vouch:
    return Vouch(
        alliance=AllianceId(texts["alliance"]),
        site=SiteId(texts["site"]),
        key=texts["key"],
        not_before=parse_iso(texts["not_before"]),
    )
