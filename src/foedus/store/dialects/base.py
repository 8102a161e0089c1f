"""What the rest of the store needs of a database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeAlias

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from foedus.core.base.instant import Instant
from foedus.store.bell import Bell

Insert: TypeAlias = PostgresInsert | SqliteInsert

WAIT_SECONDS: Final = 30
"""Longest wait for a connection or for the right to write, before the caller is told to try again."""
LEASE_SECONDS: Final = 5
"""A leader that has not confirmed its lead for so long may have lost it to another process."""


class Leader(Protocol):
    """Says whether this process is the one that leads (runs the broker)."""

    def hold(self) -> bool:
        """Take the lead if it is free, or confirm it; false if another process has it, or it was lost."""
        ...

    def release(self) -> None:
        """Give the lead back."""
        ...


class Database(Protocol):
    """One database: how to reach it, and what it does in its own way."""

    @property
    def writes(self) -> Engine:
        """Transactions that may write."""
        ...

    @property
    def reads(self) -> Engine:
        """Transactions that only read, each on one unmoving view of the data."""
        ...

    @property
    def bell(self) -> Bell:
        """Who is told of what happens."""
        ...

    def gate(self, *, write: bool) -> AbstractContextManager[None]:
        """Wait for one's turn, where the database lets only one in; raises `Busy` after a long wait."""
        ...

    @property
    def one_writer(self) -> bool:
        """Whether only one transaction at a time may write."""
        ...

    def holds(self, connection: Connection) -> bool:
        """Say whether the connection's transaction is still open."""
        ...

    def insert(self, table: Table) -> Insert:
        """Begin an insert that knows ``ON CONFLICT``."""
        ...

    def numbers(self, connection: Connection, count: int) -> int:
        """Take consecutive job numbers that were never given before; return the first."""
        ...

    def skip_numbers(self, connection: Connection, beyond: int) -> None:
        """Give no job a number up to `beyond` any more."""
        ...

    def announce(self, connection: Connection, topics: Sequence[str]) -> None:
        """Have the other processes' bells rung when the transaction, which is about to, commits."""
        ...

    def only_migration(self, connection: Connection) -> None:
        """Wait until no other process migrates; holds until the transaction ends."""
        ...

    def now(self, connection: Connection) -> Instant:
        """Read the clock of the database's machine."""
        ...

    def leader(self) -> Leader:
        """Return a new contender for the lead."""
        ...

    def close(self) -> None:
        """Close all connections and end what runs in the background."""
        ...
