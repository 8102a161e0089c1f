"""PostgreSQL: the database of a hub of any number of processes."""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, cast

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, select, text
from sqlalchemy.dialects.postgresql import insert

from foedus.core.base.errors import Broken
from foedus.core.base.instant import Instant
from foedus.store.bell import Bell
from foedus.store.dialects.base import LEASE_SECONDS, WAIT_SECONDS, Insert, Leader
from foedus.store.dialects.postgres_bell import CHANNEL, PostgresBell
from foedus.store.faults import translate_errors
from foedus.store.tables import job_numbers

# Advisory locks are numbers that all users of one database share; these spell "foedus" and count.
_LEADER: Final = 0x666F6564_7573_0001
_MIGRATION: Final = 0x666F6564_7573_0002

_LONGEST_NOTICE: Final = 7900
"""Bytes; PostgreSQL takes less than 8000."""
_ALIVE: Final = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "foedus",
}
"""So that a silent network is noticed within seconds."""
_STANDSTILL: Final = "SET idle_in_transaction_session_timeout = '10s'"
"""A process that stands still in the middle of a transaction, or whose machine is gone, has it undone by the server:
what it had locked is free again."""
_LEASE: Final = "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'idle_session_timeout'"
"""The server ends a session from which it hears nothing for so long, and its locks with it (since PostgreSQL 14)."""


class PostgresDatabase:
    """A PostgreSQL server. Connections that a restart broke are replaced before they are used."""

    def __init__(self, url: URL, *, connections: int) -> None:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_pre_ping=True,
            connect_args=dict(_ALIVE),
            isolation_level="READ COMMITTED",
        )
        event.listen(engine, "connect", _bound)
        translate_errors(engine)
        self._writes = engine
        self._reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._dsn = make_conninfo(plain, **_ALIVE)
        self._name = secrets.token_hex(8)
        self._bell = PostgresBell(self._dsn, self._name)

    @property
    def writes(self) -> Engine:
        """Transactions at READ COMMITTED; guarded updates and row locks do the rest."""
        return self._writes

    @property
    def reads(self) -> Engine:
        """Transactions on a snapshot; writing in them is refused."""
        return self._reads

    @property
    def bell(self) -> Bell:
        """Rings in every process on this database."""
        return self._bell

    def gate(self, *, write: bool) -> AbstractContextManager[None]:
        """Let everybody in."""
        del write
        return nullcontext()

    @property
    def one_writer(self) -> bool:
        """Many write at once."""
        return False

    def holds(self, connection: Connection) -> bool:
        """Say yes: PostgreSQL ends none by itself."""
        del connection
        return True

    def insert(self, table: Table) -> Insert:
        """Begin an insert that knows ``ON CONFLICT``."""
        return insert(table)

    def numbers(self, connection: Connection, count: int) -> int:
        """Draw from a sequence, which nobody waits for.

        Another process may draw in between; then the numbers are not consecutive, stay unused, and others are drawn.
        """
        drawn = select(job_numbers.next_value().label("number")).select_from(func.generate_series(1, count)).subquery()
        while True:
            first, last = connection.execute(select(func.min(drawn.c.number), func.max(drawn.c.number))).one()
            if last - first + 1 == count:
                return int(first)

    def skip_numbers(self, connection: Connection, beyond: int) -> None:
        """Go on from there, unless the sequence is higher already."""
        last = connection.execute(text(f"SELECT last_value FROM {job_numbers.name}")).scalar_one()  # noqa: S608 - a name
        if last < beyond:
            connection.execute(select(func.setval(job_numbers.name, beyond)))

    def announce(self, connection: Connection, topics: Sequence[str]) -> None:
        """Have PostgreSQL tell the other processes when the transaction commits.

        Raises `Broken` if an error that somebody swallowed has undone the transaction: PostgreSQL answers the commit of
        such a one with a silent rollback.
        """
        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        if driver.info.transaction_status is TransactionStatus.INERROR:
            raise Broken("a transaction went on after an error that has undone it")
        for notice in _notices(self._name, topics):
            connection.execute(select(func.pg_notify(CHANNEL, notice)))

    def only_migration(self, connection: Connection) -> None:
        """Wait for the lock that every migration takes."""
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION)))
        # who waits for a table's lock holds up everybody who comes after; better to give way and come again
        connection.execute(text("SET LOCAL lock_timeout = '2s'"))

    def now(self, connection: Connection) -> Instant:
        """Read the server's clock."""
        seconds = connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
        return Instant(round(seconds * 1000))

    def leader(self) -> Leader:
        """Lead by an advisory lock on a connection of its own."""
        return PostgresLeader(self._dsn)

    def close(self) -> None:
        """Close all connections and end the listening thread."""
        self._bell.close()
        self._writes.dispose()


def _bound(connection: psycopg.Connection, record: object) -> None:
    """Bound how long a new connection may stand still in a transaction."""
    del record
    connection.execute(_STANDSTILL)
    connection.commit()


def _notices(name: str, topics: Sequence[str]) -> Iterator[str]:
    """Pack topics into as few notices as fit: the sender's name, then a topic a line."""
    notice = name
    for topic in dict.fromkeys(topics):
        if len(notice.encode()) + len(topic.encode()) >= _LONGEST_NOTICE:
            yield notice
            notice = name
        notice += f"\n{topic}"
    if notice != name:
        yield notice


class PostgresLeader:
    """Leads while its own connection, which holds the lock, lives.

    The server ends that connection when nothing comes over it for `LEASE_SECONDS`: a process that is frozen, or whose
    machine is gone without a word, does not keep the lead from the others.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection | None = None
        self._leads = False

    def hold(self) -> bool:
        """Take or confirm the lead. A lost connection means that the lead is lost: false, even if nobody took it."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._dsn, autocommit=True)
                self._connection.execute(_LEASE, [f"{LEASE_SECONDS}s"])
            if self._leads:
                self._connection.execute("SELECT 1")
            else:
                row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [_LEADER]).fetchone()
                self._leads = bool(row and row[0])
        except psycopg.Error:
            self.release()
        return self._leads

    def release(self) -> None:
        """Give the lead back: unlocked here, since the server notices a closed connection only a moment later."""
        connection, self._connection, self._leads = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(psycopg.Error), contextlib.closing(connection):
                connection.execute("SELECT pg_advisory_unlock_all()")
