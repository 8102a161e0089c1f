"""Users and their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from foedus.core.base.errors import Conflict
from foedus.core.base.ids import Digest, PartnerId, UserId
from foedus.core.base.instant import Instant
from foedus.flow.ports import Token, User
from foedus.store.agreement_tables import revoked_keys
from foedus.store.session import AnyRow, Session
from foedus.store.tables import tokens, users
from foedus.wire.alliance import Role, Scope


@dataclass(frozen=True, slots=True)
class SqlPeople:
    """The port `People`."""

    _session: Session

    def add(self, user: User) -> None:
        """Store a new user."""
        row = {
            "id": user.id,
            "partner": user.partner,
            "name": user.name,
            "role": user.role.value,
            "created": user.created,
            "revoked": user.revoked,
        }
        if not self._session.add_new(users, row):
            raise Conflict(f"there is a user {user.id} already", remedy="choose another id")

    def get(self, user: UserId) -> User | None:
        """Load one."""
        row = self._session.first(select(users).where(users.c.id == user))
        return None if row is None else _user(row)

    def all(self) -> Sequence[User]:
        """Load all, by id."""
        return [_user(row) for row in self._session.rows(select(users).order_by(users.c.id))]

    def add_token(self, token: Token) -> None:
        """Store a new token."""
        row = {
            "id": token.id,
            "user_id": token.user,
            "secret": token.secret,
            "scope": token.scope.value,
            "project": token.project,
            "label": token.label,
            "created": token.created,
            "expires": token.expires,
            "used": token.used,
            "revoked": token.revoked,
        }
        if not self._session.add_new(tokens, row):
            raise Conflict(f"there is a token {token.id} already")

    def token(self, token: str) -> Token | None:
        """Load one by its id."""
        row = self._session.first(select(tokens).where(tokens.c.id == token))
        return None if row is None else _token(row)

    def tokens(self, user: UserId | None) -> Sequence[Token]:
        """Load a user's tokens (or everybody's), newest first."""
        found = select(tokens).order_by(tokens.c.created.desc(), tokens.c.id)
        if user is not None:
            found = found.where(tokens.c.user_id == user)
        return [_token(row) for row in self._session.rows(found)]

    def touch(self, token: str, at: Instant) -> None:
        """Note that a token was used."""
        self._session.changes(update(tokens).where(tokens.c.id == token).values(used=at))

    def revoke(self, token: str, at: Instant) -> bool:
        """End a token."""
        valid = update(tokens).where(tokens.c.id == token, tokens.c.revoked.is_(None))
        return self._session.changes(valid.values(revoked=at)) == 1

    def revoke_all(self, user: UserId, at: Instant) -> int:
        """End all tokens of a user."""
        valid = update(tokens).where(tokens.c.user_id == user, tokens.c.revoked.is_(None))
        return self._session.changes(valid.values(revoked=at))

    def bar(self, user: UserId, at: Instant | None) -> None:
        """Take nothing from a user any more, or again."""
        self._session.changes(update(users).where(users.c.id == user).values(revoked=at))

    def revoke_key(self, key: str, partner: PartnerId, reason: str, at: Instant) -> bool:
        """Remember that a partner's key counts no longer."""
        return self._session.add_new(revoked_keys, {"key": key, "partner": partner, "reason": reason, "at": at})

    def revoked_keys(self) -> frozenset[str]:
        """Load the partners' keys that count no longer."""
        return frozenset(str(row.key) for row in self._session.rows(select(revoked_keys.c.key)))


def _user(row: AnyRow) -> User:
    return User(
        id=UserId(row.id),
        partner=PartnerId(row.partner),
        name=row.name,
        role=Role(row.role),
        created=Instant(row.created),
        revoked=row.revoked,
    )


def _token(row: AnyRow) -> Token:
    return Token(
        id=row.id,
        user=UserId(row.user_id),
        secret=Digest(row.secret),
        scope=Scope(row.scope),
        project=row.project,
        label=row.label,
        created=Instant(row.created),
        expires=Instant(row.expires),
        used=row.used,
        revoked=row.revoked,
    )
