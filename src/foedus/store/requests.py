"""Idempotency keys and the answers that were given under them."""

from dataclasses import dataclass

from sqlalchemy import select, update

from foedus.core.base.errors import Broken, KeyReused
from foedus.core.base.ids import Digest, UserId
from foedus.core.base.instant import Instant
from foedus.flow.ports import Answered
from foedus.store.session import Session
from foedus.store.tables import requests


@dataclass(frozen=True, slots=True)
class SqlRequests:
    """The port `Requests`."""

    _session: Session

    def claim(self, user: UserId, key: str, body: Digest, at: Instant) -> Answered | None:
        """Claim a key, or return what it was answered with; raises `KeyReused` for another body.

        The insert waits for a concurrent one of the same key; if that is committed, its row is read here.
        """
        if self._session.add_new(requests, {"user_id": user, "key": key, "body": body, "at": at}):
            return None
        row = self._session.first(select(requests).where(requests.c.user_id == user, requests.c.key == key))
        if row is None:
            raise Broken("an idempotency key vanished while it was looked at")
        if row.body != body:
            raise KeyReused
        if row.status is None:
            raise Broken("an idempotency key was claimed and never answered")
        return Answered(body=Digest(row.body), status=row.status, answer=row.answer)

    def answer(self, user: UserId, key: str, status: int, answer: bytes) -> None:
        """Store the answer to a claimed key."""
        claimed = update(requests).where(requests.c.user_id == user, requests.c.key == key)
        if self._session.changes(claimed.values(status=status, answer=answer)) != 1:
            raise Broken("an idempotency key was answered without being claimed")
