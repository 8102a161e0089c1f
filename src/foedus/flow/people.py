"""People: users and their tokens.

A token is ``fds_<id>_<secret>_<check>``: the id finds it, the secret's hash is all that is stored, and the check
(CRC-32 of what stands before it) lets a scanner tell a leaked token from noise.
"""

import zlib
from dataclasses import dataclass, replace

from foedus.core.agreement.model import Agreement
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Conflict, Fault, NotAllowed, NotAuthenticated, NotFound
from foedus.core.base.ids import PartnerId, UserId, name_fault
from foedus.core.base.instant import Instant, after, seconds_between
from foedus.flow.access import Caller, caller_of
from foedus.flow.ports import Token, Transaction, User
from foedus.wire.alliance import (
    MembershipView,
    NewTokenView,
    PartnerKeyView,
    Role,
    Scope,
    TokenList,
    TokenRequest,
    TokenView,
    UserRequest,
    UserRevocationView,
    UserView,
    WhoView,
)

_DAY = 86_400
_TOUCH_EVERY_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Fresh random parts of a new token: lower-case letters and digits."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """The token as its owner keeps it."""
        body = f"fds_{self.id}_{self.secret}"
        return f"{body}_{zlib.crc32(body.encode()):08x}"


def authenticate(tx: Transaction, text: str, agreement: Agreement | None, now: Instant) -> tuple[Caller, Token]:
    """Find who a token speaks for; raises `NotAuthenticated` without saying which part was wrong."""
    parts = text.split("_")
    wrong = NotAuthenticated("this token is not known", remedy="log in again with a good one: `foedus login`")
    if len(parts) != 4 or Secret(id=parts[1], secret=parts[2]).text != text:  # noqa: PLR2004 - fds, id, secret, check
        raise wrong
    token = tx.people.token(parts[1])
    if token is None or token.secret != sha256(parts[2].encode()):
        raise wrong
    if token.revoked is not None:
        raise NotAuthenticated("this token was revoked", remedy="make a new one: `foedus token create`")
    if token.expires <= now:
        raise NotAuthenticated("this token has expired", remedy="ask for a new one: `foedus token create`")
    user = tx.people.get(token.user)
    if user is None:
        raise wrong
    if user.revoked is not None:
        raise NotAuthenticated(f"nothing is taken from {user.id} any more", remedy="ask the alliance's office")
    return caller_of(tx, user, agreement, token.scope, token.project), token


def touched(token: Token, now: Instant) -> bool:
    """Say whether the token's last use should be noted: to the minute, so that reading does not mean writing."""
    return token.used is None or seconds_between(token.used, now) >= _TOUCH_EVERY_S


def add_user(tx: Transaction, caller: Caller, request: UserRequest, agreement: Agreement, now: Instant) -> UserView:
    """Make a person known (office)."""
    caller.needs_office()
    faults = [fault for fault in (name_fault(request.id, "id"),) if fault]
    if agreement.partner(request.partner) is None:
        remedy = f"use one of: {', '.join(partner.id for partner in agreement.partners)}"
        faults.append(Fault(path="partner", fault=f"the agreement has no partner {request.partner!r}", remedy=remedy))
    if faults:
        raise BadInput(*faults)
    if tx.people.get(request.id) is not None:
        raise Conflict(f"there is a user {request.id} already", remedy="choose another id")
    user = User(id=request.id, partner=request.partner, name=request.name, role=request.role, created=now)
    tx.people.add(user)
    return user_view(user)


def new_token(tx: Transaction, caller: Caller, request: TokenRequest, fresh: Secret, now: Instant) -> NewTokenView:
    """Make a token: for oneself within one's own token's reach, or as the office for anyone.

    It takes a token that may do everything: whoever finds another one must not be able to outlive its end with new
    ones.
    """
    caller.needs(Scope.MANAGE)
    owner = request.user or caller.user.id
    if owner != caller.user.id:
        caller.needs_office()
    if caller.only is not None and request.project != caller.only:
        raise NotAllowed(f"this token is narrowed to project {caller.only}", remedy="narrow the new one likewise")
    user = tx.people.get(owner)
    if user is None:
        raise NotFound(f"there is no user {owner!r}", remedy="see `foedus user list`")
    if request.project is not None and request.project not in {one.id for one in tx.projects.of(owner)}:
        fault = f"{owner} is in no project {request.project!r}"
        raise BadInput(Fault(path="project", fault=fault, remedy="narrow it to one of their projects"))
    token = Token(
        id=fresh.id,
        user=owner,
        secret=sha256(fresh.secret.encode()),
        scope=request.scope,
        project=request.project,
        label=request.label,
        created=now,
        expires=after(now, request.days * _DAY),
    )
    tx.people.add_token(token)
    return NewTokenView(**token_view(token).model_dump(), token=fresh.text)


def tokens_of(tx: Transaction, caller: Caller) -> TokenList:
    """List the caller's tokens, without their secrets; the office's list is everybody's."""
    caller.needs(Scope.MANAGE)
    found = tx.people.tokens(None if caller.office else caller.user.id)
    return TokenList(tokens=[token_view(token) for token in found if _manages(caller, token)])


def _manages(caller: Caller, token: Token) -> bool:
    """Say whether a token is the caller's to see and end; one narrowed to a project reaches no wider ones."""
    own = token.user == caller.user.id and caller.only in {None, token.project}
    return own or caller.office


def revoke_token(tx: Transaction, caller: Caller, token: str, now: Instant) -> None:
    """End a token: one's own, or as the office anyone's."""
    caller.needs(Scope.MANAGE)
    found = tx.people.token(token)
    if found is None or not _manages(caller, found):
        raise NotFound(f"there is no token {token!r} that you could see", remedy="see `foedus token list`")
    tx.people.revoke(token, now)


def revoke_user(tx: Transaction, caller: Caller, name: UserId, now: Instant) -> UserRevocationView:
    """Take nothing from a person any more, and end all of their tokens (office). Their jobs go on."""
    caller.needs_office()
    user = _known(tx, name)
    if user.id == caller.user.id:
        raise Conflict("this is your own account", remedy="let another member of the office do it")
    tx.people.bar(name, user.revoked or now)
    return UserRevocationView(user=name, revoked=user.revoked or now, tokens=tx.people.revoke_all(name, now))


def readmit_user(tx: Transaction, caller: Caller, name: UserId, now: Instant) -> UserView:
    """Take somebody's word again (office). Their old tokens stay ended, one made in the moment of revocation too."""
    caller.needs_office()
    user = _known(tx, name)
    tx.people.revoke_all(name, now)
    tx.people.bar(name, None)
    return user_view(replace(user, revoked=None))


def revoke_partner_key(
    tx: Transaction, caller: Caller, agreement: Agreement, partner: PartnerId, *, reason: str, now: Instant
) -> PartnerKeyView:
    """Take no statement signed with a partner's key any more (office): no vouch, no revocation, no new agreement.

    It is this hub's decision, at once. For the readers of the ledger the key stands until an amendment, signed by every
    partner, names another; this hub puts none in force that names this one.
    """
    caller.needs_office()
    found = agreement.partner(partner)
    if found is None:
        remedy = f"use one of: {', '.join(one.id for one in agreement.partners)}"
        raise BadInput(Fault(path="partner", fault=f"the agreement has no partner {partner!r}", remedy=remedy))
    if not tx.people.revoke_key(found.key, partner, reason, now):
        raise Conflict(f"the key of {partner} is revoked already", remedy="amend the agreement with a new one")
    return PartnerKeyView(partner=partner, key=found.key)


def _known(tx: Transaction, name: UserId) -> User:
    user = tx.people.get(name)
    if user is None:
        raise NotFound(f"there is no user {name!r}", remedy="see `foedus user list`")
    return user


def first_user(tx: Transaction, user: User, fresh: Secret, days: int) -> NewTokenView:
    """Make the first account of a hub, with a token that may do everything: there is nobody yet who could."""
    tx.people.add(user)
    boss = Caller(user=replace(user, role=Role.OFFICE), scope=Scope.MANAGE, only=None)
    request = TokenRequest(scope=Scope.MANAGE, days=days, label="first token")
    return new_token(tx, boss, request, fresh, user.created)


def who(caller: Caller) -> WhoView:
    """Say who the token speaks for."""
    return WhoView(
        user=user_view(caller.user),
        scope=caller.scope,
        project=caller.only,
        projects=[MembershipView(project=project, role=role) for project, role in sorted(caller.roles.items())],
    )


def user_view(user: User) -> UserView:
    """Put a person on the wire."""
    return UserView(
        id=user.id, partner=user.partner, name=user.name, role=user.role, created=user.created, revoked=user.revoked
    )


def token_view(token: Token) -> TokenView:
    """Put a token on the wire, without its secret."""
    return TokenView(
        id=token.id,
        user=token.user,
        scope=token.scope,
        project=token.project,
        label=token.label,
        created=token.created,
        expires=token.expires,
        used=token.used,
        revoked=token.revoked,
    )
