"""Agreement: a version that every partner signed comes into force, and the ledger says so."""

from collections.abc import Callable, Collection, Mapping, Sequence

from foedus.core.agreement.force import refusals
from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import findings
from foedus.core.base.dsse import Envelope, Verifier
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import PartnerId
from foedus.core.base.instant import Instant
from foedus.core.ledger.bodies import agreement_body
from foedus.core.ledger.entry import Entry, Kind, matching
from foedus.flow.ports import AgreementRecord, Transaction
from foedus.wire.alliance import AgreementView

ClauseCheck = Callable[[Agreement], Sequence[Fault]]
"""The policy engine's strict check of all clauses."""


def put_in_force(
    tx: Transaction,
    text: bytes,
    envelopes: Mapping[PartnerId, Envelope],
    *,
    hub_keys: Collection[str],
    check: ClauseCheck,
    verify: Verifier,
    now: Instant,
) -> AgreementRecord:
    """Put a version in force, or raise `BadInput` with everything that stands against it.

    The version that is in force already may be given again: nothing happens then.
    """
    candidate = read(text)
    current = tx.agreements.current()
    before = read(current.text) if current else None
    signed = findings(text, candidate, before, envelopes, verify)
    faults = [*refusals(candidate, before, now, signed, check(candidate))]
    if candidate.hub_key not in hub_keys:
        held = " and ".join(f"{key[:16]}..." for key in sorted(hub_keys))
        faults.append(
            Fault(
                path="hub.key",
                fault=f"is {candidate.hub_key[:16]}..., and this hub has {held}",
                remedy="write this hub's public key into the agreement before the partners sign it",
            )
        )
    revoked = tx.people.revoked_keys()
    faults += [
        Fault(
            path=f"partners.{partner.id}.key",
            fault=f"is {partner.key[:16]}..., which the office has revoked",
            remedy="name a new key of this partner in the amendment",
        )
        for partner in candidate.partners
        if partner.key in revoked and (current is None or current.digest != candidate.digest)
    ]
    if faults:
        raise BadInput(*faults)
    if current is not None and current.digest == candidate.digest:
        return current
    body = agreement_body(text.decode("utf-8"), candidate.digest)
    every = [one for envelope in envelopes.values() for one in envelope.signatures]
    entry = tx.ledger.append(Kind.AGREEMENT, body, matching(Kind.AGREEMENT, body, every, verify), now)
    return _record(tx, text, candidate, envelopes, entry)


def _record(
    tx: Transaction, text: bytes, agreement: Agreement, envelopes: Mapping[PartnerId, Envelope], entry: Entry
) -> AgreementRecord:
    record = AgreementRecord(
        version=agreement.version,
        digest=agreement.digest,
        text=text,
        envelopes={partner: envelope.json() for partner, envelope in envelopes.items()},
        entry=entry.seq,
    )
    tx.agreements.add(record)
    return record


def agreement_view(record: AgreementRecord) -> AgreementView:
    """Put the version in force on the wire."""
    return AgreementView(
        id=read(record.text).id,
        version=record.version,
        digest=record.digest,
        text=record.text.decode("utf-8"),
        signatures=dict(record.envelopes),
        entry=record.entry,
    )
