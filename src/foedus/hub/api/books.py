"""Routes of the ledger and the balance."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from foedus.core.base.canon import LARGEST
from foedus.flow.alone import waits_view
from foedus.flow.balance import balance_view
from foedus.flow.books import entry_json, head, ledger_file, seal_list
from foedus.flow.gaps import gap_list
from foedus.hub.api.asking import REFUSALS, Asking, ThisHub
from foedus.wire.ledger import BalanceView, EntryPage, GapList, SealList, SignedHead, WaitsView

router = APIRouter(tags=["books"], responses=REFUSALS)
_LINES: dict[int | str, dict[str, object]] = {200: {"content": {"application/jsonl": {"schema": {"type": "string"}}}}}


@router.get("/ledger/head")
def ledger_head(hub: ThisHub, caller: Asking) -> SignedHead:  # noqa: ARG001 - the books are open to the alliance
    """Return the newest head, signed by the hub."""
    with hub.store.read() as tx:
        return head(tx, hub.signer(tx))


@router.get("/ledger/entries")
def ledger_entries(
    hub: ThisHub,
    caller: Asking,  # noqa: ARG001 - the books are open to the alliance
    start: Annotated[int, Query(ge=1, le=LARGEST)] = 1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> EntryPage:
    """Return entries in order."""
    with hub.store.read() as tx:
        found = tx.ledger.entries(start, limit)
        newest = tx.ledger.head()
    last = found[-1].seq if found else start
    more = newest is not None and last < newest.seq and bool(found)
    return EntryPage(entries=[entry_json(entry) for entry in found], next=last + 1 if more else None)


@router.get("/ledger/seals")
def ledger_seals(hub: ThisHub, caller: Asking) -> SealList:  # noqa: ARG001 - the books are open to the alliance
    """Return how far each site has sealed the ledger, and whether it is this one that it sealed."""
    with hub.store.read() as tx:
        return seal_list(tx)


@router.get("/ledger/gaps")
def ledger_gaps(hub: ThisHub, caller: Asking) -> GapList:  # noqa: ARG001 - the books are open to the alliance
    """Return what the sites ran and have not accounted for."""
    with hub.store.read() as tx:
        return gap_list(tx, hub.agreement(tx), hub.clock.now())


@router.get("/ledger/export", response_class=Response, responses=_LINES)
def ledger_export(hub: ThisHub, caller: Asking) -> StreamingResponse:  # noqa: ARG001 - the books are open to the alliance
    """Return the whole ledger as a file that anybody can check with the agreement alone."""
    with hub.store.read() as tx:
        signer = hub.signer(tx)
    return StreamingResponse(ledger_file(hub.store, signer), media_type="application/jsonl")


@router.get("/balance")
def get_balance(hub: ThisHub, caller: Asking, period: str | None = None) -> BalanceView:  # noqa: ARG001 - open to the alliance
    """Return what each partner gave and took, by period, computed from the ledger."""
    with hub.store.read() as tx:
        return balance_view(tx, hub.agreement(tx), hub.balance(tx), period, hub.clock.now())


@router.get("/waits")
def get_waits(hub: ThisHub, caller: Asking) -> WaitsView:  # noqa: ARG001 - open to the alliance
    """Return how many jobs of each partner ended sooner, as soon and later than on its own site alone, by month."""
    with hub.store.read() as tx:
        return waits_view(tx)
