"""Routes of users and tokens."""

import secrets
import string

from fastapi import APIRouter
from starlette.responses import Response

from foedus.core.base.ids import PartnerId, UserId
from foedus.flow.people import (
    Secret,
    add_user,
    new_token,
    readmit_user,
    revoke_partner_key,
    revoke_token,
    revoke_user,
    tokens_of,
    user_view,
    who,
)
from foedus.hub.api.asking import REFUSALS, Asking, Key, ThisHub, once
from foedus.wire.alliance import (
    NewTokenView,
    PartnerKeyRequest,
    PartnerKeyView,
    TokenList,
    TokenRequest,
    UserList,
    UserRequest,
    UserRevocationView,
    UserView,
    WhoView,
)

router = APIRouter(tags=["people"], responses=REFUSALS)
_LETTERS = string.ascii_lowercase + string.digits


def fresh_secret() -> Secret:
    """Make the random parts of a token: 12 and 40 letters and digits (62 and 206 bits)."""
    return Secret(id=_random(12), secret=_random(40))


@router.get("/whoami")
def whoami(caller: Asking) -> WhoView:
    """Say who the token speaks for."""
    return who(caller)


@router.get("/users")
def list_users(hub: ThisHub, caller: Asking) -> UserList:
    """List everybody (office)."""
    caller.needs_office()
    with hub.store.read() as tx:
        return UserList(users=[user_view(user) for user in tx.people.all()])


@router.post("/users", status_code=201, response_model=UserView)
def create_user(hub: ThisHub, caller: Asking, request: UserRequest, key: Key) -> Response:
    """Make a person known (office)."""
    now = hub.clock.now()
    asked = ("POST /users", request)
    return once(
        hub, caller, key, asked=asked, act=lambda tx: add_user(tx, caller, request, hub.agreement(tx), now), status=201
    )


@router.post("/users/{user}/revocation")
def revoke_person(hub: ThisHub, caller: Asking, user: UserId) -> UserRevocationView:
    """Take nothing from a person any more, and end all of their tokens (office); may be repeated."""
    now = hub.clock.now()
    return hub.write(lambda tx: revoke_user(tx, caller, user, now))


@router.delete("/users/{user}/revocation")
def readmit_person(hub: ThisHub, caller: Asking, user: UserId) -> UserView:
    """Take somebody's word again (office); they need a new token."""
    now = hub.clock.now()
    return hub.write(lambda tx: readmit_user(tx, caller, user, now))


@router.post("/partners/{partner}/revocation")
def revoke_partner(hub: ThisHub, caller: Asking, partner: PartnerId, request: PartnerKeyRequest) -> PartnerKeyView:
    """Take no statement signed with a partner's present key any more (office)."""
    now = hub.clock.now()
    return hub.write(
        lambda tx: revoke_partner_key(tx, caller, hub.agreement(tx), partner, reason=request.reason, now=now)
    )


@router.get("/tokens")
def list_tokens(hub: ThisHub, caller: Asking) -> TokenList:
    """List the caller's tokens, without their secrets; the office sees everybody's."""
    with hub.store.read() as tx:
        return tokens_of(tx, caller)


@router.post("/tokens", status_code=201)
def create_token(hub: ThisHub, caller: Asking, request: TokenRequest) -> NewTokenView:
    """Make a token. Its secret is in this answer and nowhere else, so the answer is never stored for a repeat."""
    now = hub.clock.now()
    return hub.write(lambda tx: new_token(tx, caller, request, fresh_secret(), now))


@router.delete("/tokens/{token}", status_code=204)
def delete_token(hub: ThisHub, caller: Asking, token: str) -> None:
    """Revoke a token, at once."""
    now = hub.clock.now()
    hub.write(lambda tx: revoke_token(tx, caller, token, now))


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
