"""Who signed an agreement. Each partner's signature is a DSSE envelope in a file beside it.

The payload is the agreement's file, byte for byte. A partner whose key changes with an amendment signs it with both
keys: the old one to allow the change, the new one to show that it is held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Envelope, Signer, Verifier, sign, signed_by
from foedus.core.base.errors import Fault
from foedus.core.base.ids import PartnerId

PAYLOAD_TYPE = "application/vnd.foedus.agreement+toml"


class Standing(StrEnum):
    """What became of one signature that the agreement needs."""

    SIGNED = "signed"
    """It is there and good."""
    MISSING = "missing"
    """There is no envelope of this partner."""
    OTHER_TEXT = "other-text"
    """The envelope holds another document: the agreement was changed after it was signed."""
    WRONG = "wrong"
    """The envelope holds no good signature of this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One signature that the agreement needs."""

    partner: PartnerId
    key: str
    standing: Standing

    @property
    def fault(self) -> Fault | None:
        """What is wrong with it."""
        words = _FAULTS.get(self.standing)
        if words is None:
            return None
        return Fault(
            path=f"signatures.{self.partner}",
            fault=words,
            remedy=f"{self.partner} signs this very file with {self.key[:16]}... (`foedus agreement sign`)",
        )


_FAULTS = {
    Standing.MISSING: "is missing",
    Standing.OTHER_TEXT: "is over another text than this file",
    Standing.WRONG: "is not made with the partner's key",
}


def file_name(agreement: str, partner: PartnerId) -> str:
    """Name the file of a partner's signature; `agreement` is the name of the agreement's file.

    >>> file_name("agreement.toml", PartnerId("baku"))
    'agreement.baku.dsse.json'
    """
    return f"{agreement.removesuffix('.toml')}.{partner}.dsse.json"


def needed(agreement: Agreement, previous: Agreement | None) -> tuple[tuple[PartnerId, str], ...]:
    """List the signatures that bring an agreement into force, as partner and key.

    An amendment needs every partner of the version before too, so that nobody is amended out without a word.
    """
    wanted = [(partner.id, partner.key) for partner in agreement.partners]
    if previous is not None:
        wanted += [(partner.id, partner.key) for partner in previous.partners]
    return tuple(dict.fromkeys(wanted))


def findings(
    data: bytes,
    agreement: Agreement,
    previous: Agreement | None,
    envelopes: Mapping[PartnerId, Envelope],
    verify: Verifier,
) -> tuple[Finding, ...]:
    """Look at every signature that `agreement`, whose file is `data`, needs to follow `previous`."""
    return tuple(
        Finding(partner=partner, key=key, standing=_standing(data, key, envelopes.get(partner), verify))
        for partner, key in needed(agreement, previous)
    )


def sign_agreement(signer: Signer, data: bytes, envelope: Envelope | None) -> Envelope:
    """Sign the file `data`; signatures of other keys in a partner's earlier envelope over the same file are kept."""
    kept = () if envelope is None or envelope.payload != data or envelope.payload_type != PAYLOAD_TYPE else (envelope,)
    others = tuple(one for old in kept for one in old.signatures if one.keyid != signer.key)
    return Envelope(payload_type=PAYLOAD_TYPE, payload=data, signatures=(*others, sign(signer, PAYLOAD_TYPE, data)))


def _standing(data: bytes, key: str, envelope: Envelope | None, verify: Verifier) -> Standing:
    if envelope is None:
        return Standing.MISSING
    if envelope.payload_type != PAYLOAD_TYPE:
        return Standing.WRONG
    if envelope.payload != data:
        return Standing.OTHER_TEXT
    return Standing.SIGNED if signed_by(verify, key, PAYLOAD_TYPE, data, envelope.signatures) else Standing.WRONG
