"""A partner's word that a key speaks for one of its sites no longer.

The ledger books it, so that every reader of the books knows it; a key that was taken back so never returns.
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
from foedus.core.base.letters import sentence_fault

PAYLOAD_TYPE = "application/vnd.foedus.site-key-revoked+json"

_FORM: Final = Form(
    name="revocation",
    payload_type=PAYLOAD_TYPE,
    members=frozenset({"alliance", "site", "key", "reason"}),
    remedy="ask the site's partner for a new statement (`foedus site revoke --partner-key`)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The statement: from where it is booked on, ``key`` does not speak for ``site``."""

    alliance: AllianceId
    site: SiteId
    key: str
    reason: str
    """A line for the readers of the ledger."""

    def body(self) -> dict[str, Json]:
        """Return the statement as an object: what the ledger books."""
        return {"alliance": self.alliance, "site": self.site, "key": self.key, "reason": self.reason}

    def payload(self) -> bytes:
        """Return what is signed."""
        return canonical(self.body())


def make(signer: Signer, revocation: Revocation) -> Envelope:
    """Sign a statement with the partner's key."""
    return _FORM.seal(signer, revocation)


def verify(envelope: Envelope, agreement: Agreement, verifier: Verifier) -> Revocation:
    """Read a statement and check that the site's own partner made it; raises `BadInput` with every fault."""
    revocation = _FORM.read(envelope, _build)
    faults = _FORM.faults(revocation, envelope, agreement, verifier)
    wrong = sentence_fault(revocation.reason)
    if wrong is not None:
        faults.append(_FORM.fault("reason", wrong))
    if faults:
        raise BadInput(*faults)
    return revocation


def _build(texts: Mapping[str, str]) -> Revocation:
    return Revocation(
        alliance=AllianceId(texts["alliance"]),
        site=SiteId(texts["site"]),
        key=texts["key"],
        reason=texts["reason"],
    )
