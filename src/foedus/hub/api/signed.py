"""What an agent signed: checked here, and served by the shortest way.

Nearly every request of a busy hub is one of these. The framework would resolve what an endpoint takes one by one and
check its answer once more, on threads that wait for each other: more work than what most of them ask for.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from foedus.core.base.canon import LARGEST
from foedus.core.base.errors import BadInput, Fault, Forgotten, Stale
from foedus.core.base.ids import SiteId
from foedus.flow.orders import enrolled
from foedus.flow.ports import SiteRecord, Transaction
from foedus.hub.api.asking import ThisHub
from foedus.hub.wiring import Hub
from foedus.keys.http import EPOCH, SEQUENCE, verify_request
from foedus.wire.errors import unfit
from foedus.wire.message import Message

_COUNT = re.compile(r"[0-9]{1,16}")
_UNORDERED = frozenset({"pieces", "heads", "agreement"})
"""Series whose requests may arrive in any order, and twice: they change nothing that a repeat would change again."""
_NUMBERED_WITHIN = frozenset({"reports"})
"""Series, the most frequent ones, whose numbers are noted in the very transaction that does what a message asks."""
_BESIDE = frozenset({"hello", "key"})
"""Series that belong to no epoch: the first begins one, and the other comes from a command beside the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request that a site's agent signed."""

    site: SiteId
    epoch: int
    key: str
    series: str
    sequence: int


class SignedRoute(APIRoute):
    """A route whose endpoint takes the ``agent`` that signed, the message of the ``request``, and parts of the hub.

    These parts are named as in the application's state; ``line`` is the request as it came. It is described like any
    other route. An endpoint that does not wait is called on the thread that has checked the signature.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(path, endpoint, **given)
        taken = inspect.signature(endpoint).parameters
        self._message = cast("type[Message]", taken["request"].annotation)
        self._parts = tuple(name for name in taken if name not in {"agent", "request", "line"})
        self._hears = "line" in taken
        self._waits = inspect.iscoroutinefunction(endpoint)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        parts = {name: getattr(request.app.state, name) for name in self._parts}
        if self._hears:
            parts["line"] = request
        if self._waits:
            given = await run_in_threadpool(self._checked, request, body)
            answer = _written(await self.endpoint(**parts, **given))
        else:
            answer = await run_in_threadpool(lambda: _written(self.endpoint(**parts, **self._checked(request, body))))
        await answer(scope, receive, send)

    def _checked(self, request: Request, body: bytes) -> dict[str, Signed | Message]:
        """Check who signed, and only then read what was sent."""
        agent = check(request.app.state.hub, request, SiteId(request.path_params["site"]), body)
        try:
            return {"agent": agent, "request": self._message.model_validate_json(body)}
        except ValidationError as error:
            raise unfit(error.errors(), "see the API's description at /docs") from error


def _written(reply: BaseModel | Response) -> Response:
    if isinstance(reply, Response):
        return reply
    return Response(reply.model_dump_json(), media_type="application/json")


async def _signed(hub: ThisHub, request: Request, site: SiteId) -> Signed:
    body = await request.body()
    return await run_in_threadpool(check, hub, request, site, body)


Agent = Annotated[Signed, Depends(_signed)]
"""The site whose agent signed the request (RFC 9421)."""


def check(hub: Hub, request: Request, site: SiteId, body: bytes) -> Signed:
    """Check signature, clock, epoch and sequence; only a request that passes all of them is looked at."""
    headers = dict(request.headers)
    with hub.store.read() as tx:
        record = enrolled(tx, site)
    verify_request(record.key or "", request.method, str(request.url), headers=headers, body=body, now=hub.clock.now())
    series = request.url.path.split(f"/agents/{site}/", 1)[1].split("/")[0]
    return accept(hub, record, series, epoch=_number(headers, EPOCH), sequence=_number(headers, SEQUENCE))


def accept(hub: Hub, record: SiteRecord, series: str, *, epoch: int, sequence: int) -> Signed:
    """Take a request whose signature is good, if its epoch is the site's present one and its number is new.

    Raises `Stale` otherwise. The numbers of `_NUMBERED_WITHIN` are looked at later.
    """
    site = record.site
    series = "pieces" if series == "projects" else series
    if series not in _BESIDE:
        of_this_epoch(record, epoch)
    signed = Signed(site=site, epoch=epoch, key=record.key or "", series=series, sequence=sequence)
    if series not in _UNORDERED | _NUMBERED_WITHIN:
        hub.write(lambda tx: take_number(tx, signed))
    return signed


def take_number(tx: Transaction, agent: Signed) -> None:
    """Take note of a message's number; raises `Stale` unless it is new."""
    if not tx.sites.accept(agent.site, agent.series, agent.sequence):
        words = f"message {agent.sequence} of {agent.site} was seen before, or is older than one that was"
        raise Stale(words, remedy="send a new one")


def of_this_epoch(record: SiteRecord, epoch: int) -> None:
    """Raise `Stale` for an agent that another one has replaced, `Forgotten` for one that a restored hub has lost."""
    if epoch > record.epoch:
        raise Forgotten(f"this hub does not know epoch {epoch} of {record.site}'s agent", remedy="greet the hub again")
    if epoch != record.epoch:
        words = f"this is epoch {epoch} of {record.site}'s agent, and the hub has begun epoch {record.epoch}"
        raise Stale(f"{words} with a newer one", remedy="run one agent for each site; this one stops")


def _number(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    if not _COUNT.fullmatch(value) or int(value) > LARGEST:
        raise BadInput(Fault(path=name, fault=f"{value[:64]!r} is no number", remedy="send a whole number"))
    return int(value)
