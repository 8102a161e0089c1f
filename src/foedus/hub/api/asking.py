"""What routes share: the hub, who is asking, and answers that a repeat gets again."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.responses import Response

from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Busy, Fault, NotAuthenticated
from foedus.core.base.ids import Digest
from foedus.flow.access import Caller
from foedus.flow.people import authenticate, touched
from foedus.flow.ports import Transaction
from foedus.hub.waker import Waker
from foedus.hub.wiring import Hub
from foedus.wire.errors import ErrorView

_BEARER = HTTPBearer(auto_error=False, description="A token, as `foedus token create` prints it.")
_LONGEST_KEY = 200

REFUSALS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": ErrorView, "description": "The call was refused; the body says why and what to do."},
    "5XX": {"model": ErrorView, "description": "The hub failed; a retryable one may be repeated with the same key."},
}
"""What every route may answer beside what it documents."""


async def _hub(request: Request) -> Hub:
    return request.app.state.hub


async def _waker(request: Request) -> Waker:
    return request.app.state.waker


ThisHub = Annotated[Hub, Depends(_hub)]
ThisWaker = Annotated[Waker, Depends(_waker)]


async def _boards(request: Request) -> asyncio.Semaphore:
    return request.app.state.boards


ThisBoards = Annotated[asyncio.Semaphore, Depends(_boards)]
"""Held while a board is built, which is large where the site has many jobs: all agents may greet at once."""


def _caller(hub: ThisHub, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
    if credentials is None:
        raise NotAuthenticated("this needs a token", remedy="log in: `foedus login`, or send `Authorization: Bearer`")
    now = hub.clock.now()
    with hub.store.read() as tx:
        agreement = hub.agreement(tx)
        caller, token = authenticate(tx, credentials.credentials, agreement, now)
    hub.rate.take(caller.user.id)
    if touched(token, now):
        with contextlib.suppress(Busy):  # the next request notes it
            hub.write(lambda tx: tx.people.touch(token.id, now))
    return caller


Asking = Annotated[Caller, Depends(_caller)]
"""The person behind the request's token."""


async def _key(idempotency_key: Annotated[str | None, Header(max_length=_LONGEST_KEY)] = None) -> str | None:
    if idempotency_key is not None and not idempotency_key.strip():
        fault = Fault(path="Idempotency-Key", fault="is empty", remedy="send a fresh random text, or none")
        raise BadInput(fault)
    return idempotency_key


Key = Annotated[str | None, Depends(_key)]
"""The request's idempotency key."""


def once(
    hub: Hub,
    caller: Caller,
    key: str | None,
    *,
    asked: tuple[str, BaseModel],
    act: Callable[[Transaction], BaseModel],
    status: int,
) -> Response:
    """Do something once for each key: the answer is stored in the same transaction, and a repeat gets it again.

    `asked` is what the key stands for: the route, and the request's body.
    """
    body = digest_of(*asked)

    def run(tx: Transaction) -> tuple[int, bytes, bool]:
        done = tx.requests.claim(caller.user.id, key, body, hub.clock.now()) if key else None
        if done is not None:
            return done.status, done.answer, True
        reply = act(tx).model_dump_json().encode()
        if key:
            tx.requests.answer(caller.user.id, key, status, reply)
        return status, reply, False

    code, answer, repeated = hub.write(run)
    headers = {"Foedus-Repeated": "true"} if repeated else None
    return Response(answer, status_code=code, media_type="application/json", headers=headers)


def digest_of(route: str, body: BaseModel) -> Digest:
    """Return what an idempotency key is compared by: the route, and the request as it was understood."""
    return sha256(f"{route}\n{body.model_dump_json()}".encode())
