"""What happens to every request: an id, a size limit, a log line, a measurement."""

import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foedus.core.base.errors import Busy, TooLarge
from foedus.hub.errors import REQUEST_ID
from foedus.hub.metrics import LATENCY, REQUESTS
from foedus.wire.errors import view_of

_LOG = structlog.get_logger("foedus.http")
_ID_HEADER = REQUEST_ID.encode()
_LONGEST_ID = 64
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted by name: a client can make up any number of others, and each would be kept for ever."""


class Envelope:
    """Gives each request an id (its own, or a fresh one), logs and measures it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500
        started = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (_ID_HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(method, route, status).inc()
            LATENCY.labels(method, route).observe(seconds)
            _LOG.debug(
                "request", id=request_id, method=scope["method"], path=scope["path"], status=status, seconds=seconds
            )


class LargestBody:
    """Refuses bodies over a limit, before they are read where their length is announced, else while they arrive."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, if it is small enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > self._limit:
            await self._refuse(scope, send)
            return
        seen = 0

        async def receiving() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                # The framework makes "malformed" of every other error that arises while it reads a body.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(self._limit).message)
            return message

        await self._app(scope, receiving, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        body = view_of(_too_large(self._limit), scope["state"]["request_id"]).model_dump_json().encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class OnlyWhole:
    """While a restored hub is not whole, answers every change with 503: nothing happened, and it may be repeated.

    What is let through can start, book or number nothing: the agents' own part in the recovery, and to revoke.
    """

    def __init__(self, app: ASGIApp, recovering: Callable[[], bool]) -> None:
        self._app = app
        self._recovering = recovering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, unless it has to wait."""
        changes = scope["type"] == "http" and scope["method"] not in {"GET", "HEAD", "OPTIONS"}
        if not changes or not self._recovering() or _ALWAYS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        error = Busy(
            "this hub was restored from a backup and learns back what it had lost; nothing happened",
            remedy="try again later; its operator sees how far it is with `foedus hub recovery`",
        )
        body = view_of(error, scope["state"]["request_id"]).model_dump_json().encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", b"5"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_ALWAYS = re.compile(r"/api/v1/(tokens|users|partners)/.*|/api/v1/agents/[^/]+/(hello|orders|recovery)")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request is larger than {limit} bytes", remedy="send less at once")


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == _ID_HEADER), b"").decode("latin-1")
    fine = 0 < len(given) <= _LONGEST_ID and all(char.isalnum() or char in "-_." for char in given)
    return given if fine else secrets.token_hex(8)
