"""What a partner states about the key of one of its sites: read from its envelope, and checked to be the partner's."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Envelope, Signer, Verifier, sign, signed_by
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import AllianceId, SiteId, key_fault


class Stated(Protocol):
    """What every such statement names."""

    @property
    def alliance(self) -> AllianceId:
        """The alliance that it is for."""
        ...

    @property
    def site(self) -> SiteId:
        """The partner's site."""
        ...

    @property
    def key(self) -> str:
        """The site's key."""
        ...

    def payload(self) -> bytes:
        """Return what is signed."""
        ...


S = TypeVar("S", bound=Stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of statement."""

    name: str
    """What its faults are called by: ``vouch.site``."""
    payload_type: str
    members: frozenset[str]
    """The members of its object, all of them texts."""
    remedy: str

    def seal(self, signer: Signer, stated: Stated) -> Envelope:
        """Sign a statement with the partner's key."""
        payload = stated.payload()
        signature = sign(signer, self.payload_type, payload)
        return Envelope(payload_type=self.payload_type, payload=payload, signatures=(signature,))

    def read(self, envelope: Envelope, build: Callable[[Mapping[str, str]], S]) -> S:
        """Read a statement, unchecked as to who made it; `build` may raise `ValueError`. Raises `BadInput`."""
        if envelope.payload_type != self.payload_type:
            raise BadInput(self.fault("payloadType", f"is {envelope.payload_type!r}, not {self.payload_type!r}"))
        try:
            stated = build(self._texts(cast("object", json.loads(envelope.payload))))
            exact = stated.payload() == envelope.payload
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput(self.fault("payload", f"is no statement about a site's key ({error})")) from error
        if not exact:
            raise BadInput(self.fault("payload", "is not in canonical form, or says more than it may"))
        fault = key_fault(stated.key, f"{self.name}.key")
        if fault is not None:
            raise BadInput(fault)
        return stated

    def faults(self, stated: Stated, envelope: Envelope, agreement: Agreement, verifier: Verifier) -> list[Fault]:
        """Say what is wrong unless it is about a site of this agreement and made by that site's own partner."""
        faults: list[Fault] = []
        if stated.alliance != agreement.id:
            faults.append(self.fault("alliance", f"is for {stated.alliance!r}, not {agreement.id!r}"))
        site = agreement.site(stated.site)
        partner = agreement.partner(site.partner) if site else None
        if partner is None:
            faults.append(self.fault("site", f"{stated.site!r} is no site of the agreement"))
        elif not signed_by(verifier, partner.key, self.payload_type, envelope.payload, envelope.signatures):
            words = f"is not made with the key of {partner.id}, to whom {stated.site} belongs"
            faults.append(self.fault("signature", words))
        return faults

    def fault(self, part: str, fault: str) -> Fault:
        """Say what is wrong with a part of it."""
        return Fault(path=f"{self.name}.{part}", fault=fault, remedy=self.remedy)

    def _texts(self, body: object) -> Mapping[str, str]:
        if not isinstance(body, dict):
            raise TypeError("not an object")
        parts = cast("dict[str, object]", body)
        found = {name: parts[name] for name in sorted(self.members)}
        texts = {name: text for name, text in found.items() if isinstance(text, str)}
        if len(texts) < len(found):
            raise TypeError("not all of it is text")
        return texts
