"""The store: transactions with the parts of the database, and what belongs to the database as a whole."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from foedus.core.base.errors import BadInput, Busy, Fault
from foedus.core.base.instant import Instant
from foedus.flow import ports
from foedus.store.agreements import SqlAgreements
from foedus.store.attempts import SqlAttempts
from foedus.store.bell import Listener
from foedus.store.dialects.base import Database, Leader
from foedus.store.dialects.postgres import PostgresDatabase
from foedus.store.dialects.sqlite import SqliteDatabase
from foedus.store.jobs import SqlJobs
from foedus.store.ledger import SqlLedger
from foedus.store.logs import SqlLogs
from foedus.store.people import SqlPeople
from foedus.store.pieces import SqlPieces
from foedus.store.projects import SqlProjects
from foedus.store.recovery import SqlRecoveries
from foedus.store.requests import SqlRequests
from foedus.store.session import Session
from foedus.store.shadows import SqlShadows
from foedus.store.sites import SqlSites
from foedus.store.together import Together

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """The port `Transaction`: one open transaction."""

    session: Session
    topics: list[str] = field(default_factory=list[str])
    """Rung once this is committed."""
    waits: list[tuple[ports.Stage, float]] = field(default_factory=list[tuple[ports.Stage, float]])
    """Measured once this is committed."""

    @property
    def jobs(self) -> SqlJobs:
        """Jobs, arrays, specs, dependencies and stories."""
        return SqlJobs(self.session)

    @property
    def attempts(self) -> SqlAttempts:
        """Attempts of jobs."""
        return SqlAttempts(self.session)

    @property
    def ledger(self) -> SqlLedger:
        """The chain."""
        return SqlLedger(self.session)

    @property
    def people(self) -> SqlPeople:
        """Users and tokens."""
        return SqlPeople(self.session)

    @property
    def projects(self) -> SqlProjects:
        """Projects, members, budgets."""
        return SqlProjects(self.session)

    @property
    def sites(self) -> SqlSites:
        """What agents said."""
        return SqlSites(self.session)

    @property
    def agreements(self) -> SqlAgreements:
        """Versions of the agreement."""
        return SqlAgreements(self.session)

    @property
    def requests(self) -> SqlRequests:
        """Idempotency keys."""
        return SqlRequests(self.session)

    @property
    def logs(self) -> SqlLogs:
        """Output of jobs."""
        return SqlLogs(self.session)

    @property
    def pieces(self) -> SqlPieces:
        """Which pieces a project has."""
        return SqlPieces(self.session)

    @property
    def recovery(self) -> SqlRecoveries:
        """The hub's own restoration."""
        return SqlRecoveries(self.session)

    @property
    def shadows(self) -> SqlShadows:
        """Jobs alone at their homes."""
        return SqlShadows(self.session)

    @property
    def open(self) -> bool:
        """Whether it is still open: a database may end it by itself, when its disk is full."""
        return self.session.database.holds(self.session.connection)

    @contextmanager
    def apart(self) -> Generator[None]:
        """Undo what was done in the block, and that alone, if it raises."""
        topics, waits = len(self.topics), len(self.waits)
        try:
            with self.session.connection.begin_nested():
                yield
        except BaseException:
            del self.topics[topics:]
            del self.waits[waits:]
            raise

    def ring(self, topic: str) -> None:
        """Wake whoever waits for a topic, once this is committed."""
        self.topics.append(topic)

    def waited(self, stage: ports.Stage, seconds: float) -> None:
        """Have a wait measured, once this is committed."""
        self.waits.append((stage, seconds))


class SqlStore:
    """The port `Store`. Thread-safe; a transaction belongs to one thread at a time and is never nested.

    Errors are those of `foedus.core.base.errors`: `Busy` means that nothing happened; `Unreachable` out of a commit
    leaves open whether it happened, which is what idempotency keys are for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self.begin)
        self.measure: Callable[[ports.Stage, float], None] = _unmeasured
        """Gets every wait of a job, in seconds, once its transaction is committed."""

    @contextmanager
    def begin(self) -> Generator[SqlTransaction]:
        """Open a transaction that may write."""
        topics: list[str] = []
        waits: list[tuple[ports.Stage, float]] = []
        with self.change() as session:
            yield SqlTransaction(session, topics, waits)
            self._database.announce(session.connection, topics)
        self._database.bell.ring(topics)
        for stage, seconds in waits:
            self.measure(stage, seconds)

    def do(self, act: Callable[[ports.Transaction], Result]) -> Result:
        """Make one change, in a transaction with those that come at the same time if only one at a time may write."""
        if self._database.one_writer:
            return self._together.do(act)
        with self.begin() as tx:
            return act(tx)

    @contextmanager
    def change(self) -> Generator[Session]:
        """Open a bare transaction that may write, for the store's own upkeep."""
        with (
            self._database.gate(write=True),
            _connection(self._database.writes) as connection,
            connection.begin(),
        ):
            yield Session(connection=connection, database=self._database)

    @contextmanager
    def read(self) -> Generator[ports.Transaction]:
        """Open a transaction that only reads, on one unmoving view of the data."""
        with (
            self._database.gate(write=False),
            _connection(self._database.reads) as connection,
            connection.begin(),
        ):
            yield SqlTransaction(Session(connection=connection, database=self._database))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each topic that is rung, here or in another process; return what ends that.

        The empty topic means that some may have been missed: look at everything. The call comes on another thread.
        """
        return self._database.bell.listen(listener)

    def now(self) -> Instant:
        """Read the clock of the database's machine; raises what a database that does not answer raises."""
        with _connection(self._database.reads) as connection:
            return self._database.now(connection)

    def leader(self) -> Leader:
        """Return a new contender for the lead; there is one leader a database."""
        return self._database.leader()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()


def _unmeasured(stage: ports.Stage, seconds: float) -> None:
    """Measure nothing."""


@contextmanager
def _connection(engine: Engine) -> Generator[Connection]:
    try:
        connection = engine.connect()
    except PoolTimeoutError as error:
        raise Busy("all connections to the database are in use; nothing happened") from error
    with connection:
        yield connection


def open_database(url: str, *, connections: int = 10) -> Database:
    """Prepare a database: ``sqlite:///PATH``, ``sqlite://`` (in memory, with its tables) or ``postgresql://...``.

    Connects when it is first used, but for SQLite in memory. `connections` is the size of the pool for PostgreSQL.
    """
    remedy = "give sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise BadInput(Fault(path="database", fault="is not a database's URL", remedy=remedy)) from error
    match parts.get_backend_name():
        case "sqlite":
            return SqliteDatabase(parts.set(drivername="sqlite"))
        case "postgresql":
            return PostgresDatabase(parts, connections=connections)
        case other:
            raise BadInput(Fault(path="database", fault=f"{other!r} is not a database that Foedus uses", remedy=remedy))


def open_store(url: str, *, connections: int = 10) -> SqlStore:
    """Open a store; its tables are there already (see `foedus.store.migrate`), or it is in memory."""
    return SqlStore(open_database(url, connections=connections))
