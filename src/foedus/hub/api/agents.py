"""Routes of agents: enrolment, and the signed exchange with each site."""

import secrets
import time
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from foedus.core.base.errors import Forgotten, NotAllowed, NotAuthenticated, NotFound
from foedus.core.base.ids import ProjectId, SiteId
from foedus.core.base.instant import Instant
from foedus.flow import enrol
from foedus.flow.agreement import agreement_view
from foedus.flow.book import book
from foedus.flow.books import Countersigned, countersign, head, since
from foedus.flow.files import put_piece
from foedus.flow.logs import append_log
from foedus.flow.orders import awaited, hello, starts, stops
from foedus.flow.ports import BROKER, SiteRecord, Transaction, orders_topic
from foedus.flow.recover import begin_recovery, has_told, is_behind, lost_reason, recover, recovering
from foedus.flow.report import report
from foedus.hub.api.asking import REFUSALS, Asking, Key, ThisBoards, ThisHub, ThisWaker, once
from foedus.hub.api.files import BYTES, TAKES_BYTES, Piece
from foedus.hub.api.signed import Agent, Signed, SignedRoute, of_this_epoch, take_number
from foedus.hub.metrics import REFUSED_REPORTS
from foedus.hub.wiring import Hub, Result
from foedus.wire.agents import (
    CodeReply,
    CodeRequest,
    EnrolReply,
    EnrolRequest,
    HeadReply,
    HelloReply,
    HelloRequest,
    LogsReply,
    LogsRequest,
    OrdersReply,
    OrdersRequest,
    RecoveryReply,
    RecoveryRequest,
    ReportReply,
    ReportRequest,
    RevocationReply,
    RevocationRequest,
    RotationReply,
    RotationRequest,
)
from foedus.wire.alliance import AgreementView
from foedus.wire.files import MissingReply, MissingRequest
from foedus.wire.message import Position

router = APIRouter(tags=["agents"], responses=REFUSALS)
exchange = APIRouter(tags=["agents"], responses=REFUSALS, route_class=SignedRoute)
"""What agents say again and again."""
_LOG = structlog.get_logger("foedus.agents")
_LOOK_AGAIN_S = 5.0
_MEBIBYTE = 1024 * 1024
_WAIT = OrdersReply(starts=[], stops=[], head=None, recovering=True)
_NOTHING = OrdersReply(starts=[], stops=[], head=None)


@router.post("/agents/codes", status_code=201)
def create_code(hub: ThisHub, caller: Asking, request: CodeRequest) -> CodeReply:
    """Make a single-use enrolment code (office, or the site's operators)."""
    code, now = secrets.token_urlsafe(24), hub.clock.now()
    return hub.write(lambda tx: enrol.new_code(tx, caller, hub.agreement(tx), request.site, code=code, now=now))


@router.post("/agents/enrol", status_code=201)
def enrol_agent(hub: ThisHub, request: EnrolRequest) -> EnrolReply:
    """Introduce an agent's key; the code is what authorises it."""
    now = hub.clock.now()
    return hub.write(
        lambda tx: enrol.enrol(tx, request, hub.agreement(tx), hub_key=hub.signer(tx).key, verify=hub.verify, now=now)
    )


@router.post("/agents/{site}/revocation", response_model=RevocationReply)
def revoke_agent(
    hub: ThisHub, caller: Asking, site: SiteId, key: Key, request: RevocationRequest | None = None
) -> Response:
    """Refuse a site's key from now on (office, or the site's operators); with its partner's statement for good."""
    asked, now = request or RevocationRequest(), hub.clock.now()
    return once(
        hub,
        caller,
        key,
        asked=(f"POST /agents/{site}/revocation", asked),
        act=lambda tx: enrol.revoke(
            tx,
            caller,
            hub.agreement(tx),
            site,
            asked.statement,
            requeue=asked.requeue,
            verify=hub.verify,
            now=now,
        ),
        status=200,
    )


@exchange.post("/agents/{site}/key")
def agent_key(hub: ThisHub, agent: Agent, request: RotationRequest) -> RotationReply:
    """Take another key for the site: its partner vouches for it, and the present one signed this request."""
    now = hub.clock.now()

    def rotate(tx: Transaction) -> RotationReply:
        tx.sites.saw(agent.site, now)
        if tx.sites.get(agent.site).key != agent.key:
            raise NotAuthenticated("the site's key was changed in this very moment", remedy="sign it with that one")
        return enrol.rotate(tx, agent.site, agent.key, request, hub.agreement(tx), verify=hub.verify, now=now)

    return hub.write(rotate)


@exchange.post("/agents/{site}/hello", response_model=HelloReply)
async def agent_hello(hub: ThisHub, boards: ThisBoards, agent: Agent, request: HelloRequest) -> Response:
    """Start a new epoch and get the hub's board of the site."""
    async with boards:
        reply = await run_in_threadpool(lambda: hello_now(hub, agent, request).model_dump_json())
    return Response(reply, media_type="application/json")


def hello_now(hub: Hub, agent: Signed, request: HelloRequest) -> HelloReply:
    """Start a new epoch for a site's agent."""
    now = hub.clock.now()
    return hub.write(lambda tx: hello(tx, agent.site, now, known=request.epoch))


@exchange.post("/agents/{site}/orders")
async def agent_orders(
    hub: ThisHub, waker: ThisWaker, agent: Agent, request: OrdersRequest, line: Request
) -> OrdersReply:
    """Return orders, at once if there are any, else when there are, or when `wait_s` is over.

    An agent that has hung up meanwhile is given none: it would have to be asked what became of them.
    """
    deadline = time.monotonic() + request.wait_s
    with waker.listen(orders_topic(agent.site)) as event:
        while True:
            event.clear()
            left = deadline - time.monotonic()
            patient = left > 0 and not waker.closing
            reply = await run_in_threadpool(orders_now, hub, agent, request, patient=patient)
            if reply is not None:
                return reply
            await waker.wait(event, min(left, _LOOK_AGAIN_S))
            if await line.is_disconnected():
                return _NOTHING


def _fence(tx: Transaction, agent: Signed) -> SiteRecord:
    """Look again, in the very transaction of what is to be done, that the site's agent and key are still the same."""
    record = tx.sites.get(agent.site)
    of_this_epoch(record, agent.epoch)
    if record.key != agent.key:
        raise NotAuthenticated("the site's key was changed while this was under way", remedy="sign it with the new key")
    return record


def _has_to_wait(tx: Transaction, site: SiteId) -> bool:
    """Say whether this hub is not whole yet; raises `Forgotten` for a site that it wants to be told everything by."""
    if recovering(tx) is None:
        return False
    if not has_told(tx, site):
        raise Forgotten(f"this hub was restored, and wants to know what {site} has", remedy="greet the hub again")
    return True


def orders_now(hub: Hub, agent: Signed, request: OrdersRequest, *, patient: bool = False) -> OrdersReply | None:
    """Return what there is for a site to do at this moment; `None` for nothing, to one who is patient."""
    known = frozenset(request.known)
    now = hub.clock.now()

    def load(tx: Transaction) -> OrdersReply:
        _fence(tx, agent)
        if _has_to_wait(tx, agent.site):
            return _WAIT
        if request.sealed is not None and is_behind(tx, request.sealed, hub.keys.all(), hub.verify):
            begin_recovery(tx, Instant(0), lost_reason(request.sealed, agent.site), now)
            hub.recovering = True
            return _WAIT
        found = starts(tx, agent.site, known, hub.settings.most_starts, now)
        return OrdersReply(starts=found, stops=stops(tx, agent.site), head=head(tx, hub.signer(tx)))

    # Most looks find nothing, and need not wait until it is their turn to write.
    with hub.store.read() as tx:
        _fence(tx, agent)
        if _has_to_wait(tx, agent.site):
            return _WAIT
        if not (request.sealed or awaited(tx, agent.site, known)):
            return None if patient else OrdersReply(starts=[], stops=[], head=head(tx, hub.signer(tx)))
    found = hub.write(load)
    return None if patient and not (found.starts or found.stops or found.recovering) else found


@exchange.post("/agents/{site}/recovery")
def agent_recovery(hub: ThisHub, agent: Agent, request: RecoveryRequest) -> RecoveryReply:
    """Take what a site knows that this hub, which was restored, may have lost."""
    now = hub.clock.now()

    def take(tx: Transaction) -> RecoveryReply:
        _fence(tx, agent)
        return recover(tx, agent.site, request, hub_keys=hub.keys.all(), verify=hub.verify, now=now)

    return hub.write(take)


@exchange.post("/agents/{site}/reports")
def agent_report(hub: ThisHub, agent: Agent, request: ReportRequest) -> ReportReply:
    """Take what an agent says of its site and its attempts, all in one transaction."""
    now = hub.clock.now()

    def take(tx: Transaction) -> ReportReply:
        before = _fence(tx, agent)
        take_number(tx, agent)
        # this locks the site: its key then stays the same until everything is booked
        tx.sites.saw(agent.site, now, request.capacity, draining=request.draining)
        _fence(tx, agent)
        statuses = report(tx, agent.site, request.statuses, agent.epoch, now)
        agreement = hub.agreement(tx)
        usages = book(tx, agreement, agent.site, request.usages, verify=hub.verify, now=now)
        for seal in request.seals:
            found = countersign(tx, agent.site, seal, hub_keys=hub.keys.all(), verify=hub.verify)
            if found is Countersigned.CONTRADICTS:
                _LOG.critical("a site was shown another ledger", site=agent.site, seq=seal.seq, hash=seal.hash)
        if request.capacity is not None and (request.capacity, request.draining) != (before.capacity, before.draining):
            tx.ring(BROKER)
        return ReportReply(statuses=statuses, usages=usages)

    reply = hub.write(take)
    for what, items in (("status", reply.statuses), ("usage", reply.usages)):
        for item in items:
            if not item.accepted:
                REFUSED_REPORTS.labels(agent.site, what).inc()
                _LOG.warning("refused", site=agent.site, what=what, job=item.job, attempt=item.attempt, why=item.text)
    return reply


@exchange.post("/agents/{site}/logs")
def agent_logs(hub: ThisHub, agent: Agent, request: LogsRequest) -> LogsReply:
    """Keep output of the site's jobs; say how far each stream has come."""
    most = hub.settings.largest_log_mib * _MEBIBYTE

    def keep(tx: Transaction) -> LogsReply:
        return LogsReply(offsets=[append_log(tx, agent.site, piece, most) for piece in request.pieces])

    return hub.write(keep)


@router.get("/agents/{site}/agreement")
def agent_agreement(hub: ThisHub, agent: Agent) -> AgreementView:  # noqa: ARG001 - any enrolled agent may read it
    """Return the agreement in force, with the partners' signatures."""
    with hub.store.read() as tx:
        record = tx.agreements.current()
    if record is None:
        raise NotFound("no agreement is in force")
    return agreement_view(record)


@router.get("/agents/{site}/heads")
def agent_heads(
    hub: ThisHub,
    agent: Agent,  # noqa: ARG001 - any enrolled agent may read the books
    seq: Annotated[Position, Query(alias="since")] = 0,
) -> HeadReply:
    """Return the entries after number `since`, and the signed head that they lead to."""
    with hub.store.read() as tx:
        return since(tx, seq, hub.signer(tx))


@router.post("/agents/{site}/projects/{project}/pieces/missing")
def agent_missing(hub: ThisHub, agent: Agent, project: ProjectId, request: MissingRequest) -> MissingReply:
    """Say which pieces of outputs the project does not have yet."""
    return _in_project(
        hub, agent, project, lambda tx: MissingReply(missing=list(tx.pieces.missing(project, request.pieces)))
    )


@router.put("/agents/{site}/projects/{project}/pieces/{piece}", status_code=204, openapi_extra=TAKES_BYTES)
async def agent_put_piece(hub: ThisHub, agent: Agent, project: ProjectId, piece: Piece, request: Request) -> None:
    """Keep a piece of a job's outputs."""
    data = await request.body()

    def keep() -> None:
        _in_project(hub, agent, project, lambda _: None)
        put_piece(hub.store, hub.pieces, project, piece, data=data, now=hub.clock.now())

    await run_in_threadpool(keep)


@router.get("/agents/{site}/projects/{project}/pieces/{piece}", response_class=Response, responses=BYTES)
def agent_get_piece(hub: ThisHub, agent: Agent, project: ProjectId, piece: Piece) -> Response:
    """Return a piece of a bundle."""
    data = _in_project(hub, agent, project, lambda _: hub.pieces.get(project, piece))
    if data is None:
        raise NotFound(f"project {project} has no piece {piece}", remedy="let the job's user submit it again")
    return Response(data, media_type="application/octet-stream")


def _in_project(hub: Hub, agent: Signed, project: ProjectId, act: Callable[[Transaction], Result]) -> Result:
    """Do something with a project's files, if the site has a job of the project now."""
    with hub.store.read() as tx:
        if not tx.jobs.has_live(agent.site, project):
            raise NotAllowed(f"{agent.site} has no job of project {project}", remedy="ask for files of own jobs only")
        return act(tx)
