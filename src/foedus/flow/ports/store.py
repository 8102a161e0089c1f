"""The database as a whole: transactions, answered requests, wake-ups."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from foedus.core.base.ids import Digest, JobId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.flow.ports.attempts import Attempts
from foedus.flow.ports.books import Ledger
from foedus.flow.ports.files import Logs, Pieces
from foedus.flow.ports.jobs import Jobs
from foedus.flow.ports.people import People, Projects
from foedus.flow.ports.recovery import Recoveries
from foedus.flow.ports.shadows import Shadows
from foedus.flow.ports.sites import Agreements, Sites

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that was answered before under an idempotency key."""

    body: Digest
    status: int
    answer: bytes


class Stage(StrEnum):
    """Up to where a job's waiting is measured; it always begins with its submission."""

    BIND = "bind"
    """A site was chosen for the first time."""
    START = "start"
    """It ran for the first time."""


class Requests(Protocol):
    """Idempotency keys, stored in the transaction of what they stand for."""

    def claim(self, user: UserId, key: str, body: Digest, at: Instant) -> Answered | None:
        """Claim a key for this transaction, or return what it was answered with before.

        A concurrent claim of the same key waits until this transaction has ended.
        """
        ...

    def answer(self, user: UserId, key: str, status: int, answer: bytes) -> None:
        """Store the answer to a claimed key."""
        ...


class Transaction(Protocol):
    """One unit of work."""

    @property
    def jobs(self) -> Jobs: ...  # noqa: D102
    @property
    def attempts(self) -> Attempts: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def people(self) -> People: ...  # noqa: D102
    @property
    def projects(self) -> Projects: ...  # noqa: D102
    @property
    def sites(self) -> Sites: ...  # noqa: D102
    @property
    def agreements(self) -> Agreements: ...  # noqa: D102
    @property
    def requests(self) -> Requests: ...  # noqa: D102
    @property
    def logs(self) -> Logs: ...  # noqa: D102
    @property
    def pieces(self) -> Pieces: ...  # noqa: D102
    @property
    def recovery(self) -> Recoveries: ...  # noqa: D102
    @property
    def shadows(self) -> Shadows: ...  # noqa: D102

    def ring(self, topic: str) -> None:
        """Wake whoever waits for a topic, in every hub process, once this transaction is committed."""
        ...

    def waited(self, stage: Stage, seconds: float) -> None:
        """Note for this process's figures how long a job waited, once this transaction is committed."""
        ...


class Store(Protocol):
    """The hub's database."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that may write: committed at the end of the block, rolled back if it raises.

        A transaction that lost a race (serialisation, deadlock) raises a retryable error; nothing happened.
        """
        ...

    def do(self, act: Callable[[Transaction], Result]) -> Result:
        """Make one change, wholly or not at all; it may share a transaction with others that come at the same time.

        Then it sees what those before it have changed, and comes to nothing if they do when all are committed.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that only reads."""
        ...


BROKER = "broker"
"""Rung when there is something to place."""


def orders_topic(site: SiteId) -> str:
    """Name what is rung when there are orders for a site."""
    return f"orders:{site}"


def job_topic(job: JobId) -> str:
    """Name what is rung when a job has ended or its output has grown."""
    return f"job:{job}"
