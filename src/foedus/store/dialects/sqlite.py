"""SQLite: the embedded database of a single hub process."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import URL, Connection, Engine, FromClause, Table, create_engine, event, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.pool import QueuePool, StaticPool

from foedus.core.base.errors import Busy, Unreachable
from foedus.core.base.instant import Instant
from foedus.store.bell import Bell
from foedus.store.dialects.base import WAIT_SECONDS, Insert, Leader
from foedus.store.faults import translate_errors
from foedus.store.tables import counters, metadata

_WRITES: Final = "foedus_writes"
"""Execution option of the connections that may write."""
_READERS: Final = 16
"""Most that read at the same time. Each has a connection, with a cache and prepared statements, that is kept."""

_EPOCH_DAY: Final = 2440587.5
"""1970-01-01 as a Julian day."""
_DAY_MS: Final = 86_400_000


class SqliteDatabase:
    """A file, or (with no path) a database in memory that is gone when it is closed."""

    def __init__(self, url: URL) -> None:
        self._path = None if url.database in {None, "", ":memory:"} else Path(str(url.database))
        self._lock = threading.Lock()
        if self._path is None:
            self._reads = writes = _engine(url, poolclass=StaticPool)
        else:
            self._reads = _engine(url, **_pool(_READERS))
            writes = _engine(url, **_pool(1))  # nobody else's changes ever make its cache stale
        self._writes = writes.execution_options(**{_WRITES: True})
        self._bell = Bell()
        if self._path is None:
            with self._writes.begin() as connection:
                metadata.create_all(connection)

    @property
    def writes(self) -> Engine:
        """Transactions that take the right to write at once, so that none fails half-way."""
        return self._writes

    @property
    def reads(self) -> Engine:
        """Transactions on a snapshot; writing in them is refused."""
        return self._reads

    @property
    def bell(self) -> Bell:
        """Rings in this process: there is no other."""
        return self._bell

    def gate(self, *, write: bool) -> AbstractContextManager[None]:
        """Let one writer in at a time: a lock is handed on at once, where SQLite's own waiting sleeps and polls.

        In memory there is a single connection, so that readers queue up too.
        """
        return self._turn() if write or self._path is None else nullcontext()

    @contextmanager
    def _turn(self) -> Generator[None]:
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise Busy("another transaction holds the database; nothing happened")
        try:
            yield
        finally:
            self._lock.release()

    @property
    def one_writer(self) -> bool:
        """One writes at a time."""
        return True

    def holds(self, connection: Connection) -> bool:
        """Ask the driver: after some errors, such as a full disk, SQLite has undone the whole transaction."""
        return cast("sqlite3.Connection", connection.connection.dbapi_connection).in_transaction

    def insert(self, table: Table) -> Insert:
        """Begin an insert that knows ``ON CONFLICT``."""
        return insert(table)

    def numbers(self, connection: Connection, count: int) -> int:
        """Count on in a row of `counters`; there is only one writer."""
        start = insert(counters).values(name="job", value=count)
        onward = start.on_conflict_do_update(
            index_elements=[counters.c.name], set_={"value": counters.c.value + start.excluded.value}
        )
        last = connection.execute(onward.returning(counters.c.value)).scalar_one()
        return int(last) - count + 1

    def skip_numbers(self, connection: Connection, beyond: int) -> None:
        """Count on from there, unless the count is higher already."""
        start = insert(counters).values(name="job", value=beyond)
        higher = start.on_conflict_do_update(
            index_elements=[counters.c.name],
            set_={"value": start.excluded.value},
            where=counters.c.value < start.excluded.value,
        )
        connection.execute(higher)

    def announce(self, connection: Connection, topics: Sequence[str]) -> None:
        """Nobody else to tell."""

    def only_migration(self, connection: Connection) -> None:
        """Hold already: the transaction is the only one that writes."""

    def now(self, connection: Connection) -> Instant:
        """Read the clock: it is this machine's."""
        days = connection.execute(select(func.julianday("now"))).scalar_one()
        return Instant(round((days - _EPOCH_DAY) * _DAY_MS))

    def leader(self) -> Leader:
        """Lead by a lock on a file beside the database."""
        return AlwaysLeader() if self._path is None else FileLeader(self._path.with_name(f"{self._path.name}.leader"))

    def close(self) -> None:
        """Close all connections."""
        self._bell.close()
        self._reads.dispose()
        self._writes.dispose()


def _pool(size: int) -> dict[str, Any]:
    """Describe a pool that uses as few of its connections as will do."""
    return {
        "poolclass": QueuePool,
        "pool_size": size,
        "max_overflow": 0,
        "pool_timeout": WAIT_SECONDS,
        "pool_use_lifo": True,
    }


def _engine(url: URL, **pool: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    connecting = {"check_same_thread": False, "timeout": WAIT_SECONDS, "cached_statements": 512}
    engine = create_engine(url, connect_args=connecting, **pool)
    engine.dialect.statement_compiler = _Compiler
    translate_errors(engine)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


class _Compiler(SQLiteCompiler):
    """Writes the hint of a table (``INDEXED BY ...``) behind it, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        del table
        return text


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions on its own: `_begin` does
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        "cache_size = -8192",  # KiB of each connection: the system caches the file as well
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    native = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    native.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}").close()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class AlwaysLeader:
    """Leads where there can be no other process."""

    def hold(self) -> bool:
        """Lead."""
        return True

    def release(self) -> None:
        """Nothing to give back."""


class FileLeader:
    """Leads by an exclusive lock on a file; the system gives it back when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def hold(self) -> bool:
        """Take or confirm the lead; raises `Unreachable` if the file cannot be made."""
        if self._held is not None:
            if os.fstat(self._held).st_nlink:
                return True
            self.release()  # somebody deleted the file: another process may lock a new one
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unreachable(f"cannot lock {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._held = handle
        return True

    def release(self) -> None:
        """Give the lead back."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
