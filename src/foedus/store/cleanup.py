"""What the store may forget. Jobs, stories, books and logs are kept."""

from typing import Final

from sqlalchemy import delete

from foedus.core.base.instant import Instant, after
from foedus.store.tables import codes, requests
from foedus.store.unit import SqlStore

_KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long an idempotency key is honoured, and an enrolment code that is over is remembered."""


def forget(store: SqlStore, now: Instant) -> int:
    """Forget idempotency keys and expired enrolment codes that are older than seven days; return how many."""
    limit = after(now, -_KEPT_SECONDS)
    with store.change() as session:
        return sum(
            session.changes(statement)
            for statement in (
                delete(requests).where(requests.c.at < limit),
                delete(codes).where(codes.c.expires < limit),
            )
        )
