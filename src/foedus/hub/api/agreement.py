"""Routes of the agreement."""

from fastapi import APIRouter

from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import BadInput, Fault, NotFound
from foedus.core.base.ids import PartnerId
from foedus.flow.agreement import agreement_view, put_in_force
from foedus.hub.api.asking import REFUSALS, Asking, ThisHub
from foedus.policy.cedar import clause_faults
from foedus.wire.alliance import AgreementRequest, AgreementView
from foedus.wire.message import WireObject

router = APIRouter(tags=["agreement"], responses=REFUSALS)


@router.get("/agreement")
def get_agreement(hub: ThisHub, caller: Asking) -> AgreementView:  # noqa: ARG001 - any person of the alliance may read it
    """Return the agreement in force, with the partners' signatures."""
    with hub.store.read() as tx:
        record = tx.agreements.current()
    if record is None:
        raise NotFound("no agreement is in force", remedy="put one in force: `foedus hub init`")
    return agreement_view(record)


@router.put("/agreement")
def amend_agreement(hub: ThisHub, caller: Asking, request: AgreementRequest) -> AgreementView:
    """Put the next version in force (office): it needs every partner's signature."""
    caller.needs_office()
    envelopes = read_envelopes(request.signatures)
    now = hub.clock.now()
    record = hub.write_alone(
        lambda tx: put_in_force(
            tx,
            request.text.encode("utf-8"),
            envelopes,
            hub_keys=hub.keys.all(),
            check=check_clauses,
            verify=hub.verify,
            now=now,
        )
    )
    return agreement_view(record)


def check_clauses(agreement: Agreement) -> tuple[Fault, ...]:
    """Check all clauses strictly against the schema."""
    return clause_faults(agreement.clauses)


def read_envelopes(signatures: dict[PartnerId, WireObject]) -> dict[PartnerId, Envelope]:
    """Read the partners' envelopes; all that are none are refused together."""
    envelopes: dict[PartnerId, Envelope] = {}
    faults: list[Fault] = []
    for partner, found in signatures.items():
        try:
            envelopes[partner] = Envelope.from_json(dict(found))
        except (ValueError, KeyError, TypeError) as error:
            fault = f"is not a DSSE envelope ({error})"
            faults.append(Fault(path=f"signatures.{partner}", fault=fault, remedy="sign the file again"))
    if faults:
        raise BadInput(*faults)
    return envelopes
