"""The tables. Instants are milliseconds, budgets GPU-seconds; what is only ever read whole is JSON in a text column.

CHECK constraints refuse what the rules do not know. Every list of a million jobs is a walk along one of the indices.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from foedus.core.jobs.job import StopReason, StoryKind
from foedus.core.jobs.spec import Condition, Purpose
from foedus.core.jobs.state import AT_SITE, LIVE_ATTEMPT, AttemptState, JobState, Outcome
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.site_keys import KEY_KINDS
from foedus.wire.alliance import ProjectRole, Role, Scope

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

COUNTING: Final = BigInteger().with_variant(Integer(), "sqlite")
"""Type of a key that the database counts up itself; SQLite does so for its own INTEGER only."""
NO_TASK: Final = -1
"""In ``jobs.task``: the job is not a task of an array. A number, so that pages compare (number, task) as one."""


def words(values: Iterable[StrEnum]) -> str:
    """Write values as an SQL list, in a stable order."""
    return ", ".join(f"'{value}'" for value in sorted(values))


def _one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({words(values)})", name=column)


# Predicates of the partial indices. A query has to say the very same words for SQLite to use the index.
PLACEABLE: Final = text(f"state = '{JobState.PENDING}' AND NOT held")
HELD: Final = text(f"state = '{JobState.PENDING}' AND held")
UNFINISHED: Final = text(f"state IN ({words({*AT_SITE, JobState.PENDING})})")
A_TASK: Final = text("task >= 0")
TO_STOP: Final = text(f"stop IS NOT NULL AND state IN ({words(LIVE_ATTEMPT)})")
UNBOOKED: Final = text(f"state = '{AttemptState.ENDED}' AND entry IS NULL")
BOOKS_USAGE: Final = text(f"kind = '{Kind.USAGE}'")
ABOUT_KEYS: Final = text(f"kind IN ({words(KEY_KINDS)})")

BY_PLACEABLE: Final = "ix_jobs_placeable"
BY_HELD: Final = "ix_jobs_held"
BY_UNFINISHED: Final = "ix_jobs_unfinished"
BY_TALLY: Final = "ix_jobs_tally"
BY_TO_STOP: Final = "ix_attempts_to_stop"
BY_UNBOOKED: Final = "ix_attempts_unbooked"

# --- jobs -------------------------------------------------------------------------------------------------------------

job_numbers: Final = Sequence("job_numbers", metadata=metadata)
"""PostgreSQL only; SQLite counts in `counters`."""

counters: Final = Table(
    "counters", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)

specs: Final = Table("specs", metadata, Column("digest", Text, primary_key=True), Column("spec", Text, nullable=False))

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("task", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("purpose", Text),
    Column("name", Text, nullable=False),
    Column("spec", Text, ForeignKey("specs.digest"), nullable=False),
    Column("bundle", Text),
    Column("resources", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sites", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("site", Text),
    Column("guest", Boolean, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("agreement_version", Integer, nullable=False),
    Column("submitted", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("held", Boolean, nullable=False),
    Column("cancel", Boolean, nullable=False),
    UniqueConstraint("number", "task"),
    _one_of("state", JobState),
    _one_of("purpose", Purpose),
    CheckConstraint("number >= 1 AND task >= -1 AND attempt >= 0 AND reserved >= 0", name="counts"),
    CheckConstraint(f"NOT held OR state = '{JobState.PENDING}'", name="held"),
)
Index(None, jobs.c.project, jobs.c.number, jobs.c.task)
Index(None, jobs.c.user_id, jobs.c.number, jobs.c.task)
Index(None, jobs.c.site, jobs.c.number, jobs.c.task)
Index(None, jobs.c.name, jobs.c.number, jobs.c.task)
Index(None, jobs.c.state, jobs.c.number, jobs.c.task)
for _name, _columns, _where in (
    (BY_PLACEABLE, (jobs.c.number, jobs.c.task), PLACEABLE),
    (BY_HELD, (jobs.c.number, jobs.c.task), HELD),
    (BY_UNFINISHED, (jobs.c.site, jobs.c.state, jobs.c.project), UNFINISHED),
    (BY_TALLY, (jobs.c.number, jobs.c.state), A_TASK),
):
    Index(_name, *_columns, sqlite_where=_where, postgresql_where=_where)

arrays: Final = Table(
    "arrays",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("spec", Text, ForeignKey("specs.digest"), nullable=False),
    Column("name", Text, nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("lowest", Integer, nullable=False),
    Column("highest", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("at_once", Integer),
    Column("submitted", BigInteger, nullable=False),
)

dependencies: Final = Table(
    "dependencies",
    metadata,
    Column("job", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("any_of", Boolean, nullable=False),
    Column("condition", Text, nullable=False),
    Column("other", Text, nullable=False, index=True),
    PrimaryKeyConstraint("job", "position"),
    _one_of("condition", Condition),
)

stories: Final = Table(
    "stories",
    metadata,
    Column("id", COUNTING, primary_key=True),
    Column("job", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),
    _one_of("kind", StoryKind),
)
Index(None, stories.c.job, stories.c.id)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("job", Text, ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("site", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("guest", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("native_id", Text, nullable=False),
    Column("bound", BigInteger, nullable=False),
    Column("offered", BigInteger),
    Column("handed", BigInteger),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("outcome", Text),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("reason", Text, nullable=False),
    Column("stop", Text),
    Column("entry", BigInteger),
    Column("outputs", Text),
    Column("checkpoint", Text),
    PrimaryKeyConstraint("job", "number"),
    _one_of("state", AttemptState),
    _one_of("outcome", Outcome),
    _one_of("stop", StopReason),
    CheckConstraint("number >= 1 AND epoch >= 0", name="counts"),
)
Index(None, attempts.c.site, attempts.c.state, attempts.c.bound)
Index(BY_TO_STOP, attempts.c.site, sqlite_where=TO_STOP, postgresql_where=TO_STOP)
ENTERED: Final = {AttemptState.BOUND: "bound", AttemptState.STARTING: "handed", AttemptState.RUNNING: "started"}
"""Which column says when a live attempt came into its state; ``ix_attempts_<column>`` is sorted by it."""
for _state, _column in ENTERED.items():
    _where = text(f"state = '{_state}'")
    Index(f"ix_attempts_{_column}", attempts.c[_column], sqlite_where=_where, postgresql_where=_where)
Index(BY_UNBOOKED, attempts.c.ended, attempts.c.site, sqlite_where=UNBOOKED, postgresql_where=UNBOOKED)

logs: Final = Table(
    "logs",
    metadata,
    Column("job", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stream", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("truncated", Boolean, nullable=False),
    PrimaryKeyConstraint("job", "attempt", "stream"),
)

log_parts: Final = Table(
    "log_parts",
    metadata,
    Column("job", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stream", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job", "attempt", "stream", "start"),
)

# --- books ------------------------------------------------------------------------------------------------------------

ledger: Final = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("job", Text),
    Column("attempt", Integer),
    Column("hash", Text, nullable=False, unique=True),
    Column("line", LargeBinary, nullable=False),
    _one_of("kind", Kind),
)
Index(
    "ix_ledger_usage",
    ledger.c.job,
    ledger.c.attempt,
    unique=True,
    sqlite_where=BOOKS_USAGE,
    postgresql_where=BOOKS_USAGE,
)
Index("ix_ledger_keys", ledger.c.seq, sqlite_where=ABOUT_KEYS, postgresql_where=ABOUT_KEYS)

ledger_head: Final = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("alliance", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

seals: Final = Table(
    "seals",
    metadata,
    Column("site", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("alliance", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("keyid", Text, nullable=False),
    Column("sig", Text, nullable=False),
    PrimaryKeyConstraint("site", "seq"),
)

# --- alliance ---------------------------------------------------------------------------------------------------------

users: Final = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("partner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
    _one_of("role", Role),
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("secret", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("project", Text),
    Column("label", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger),
    Column("revoked", BigInteger),
    _one_of("scope", Scope),
)
Index(None, tokens.c.user_id, tokens.c.created)

projects: Final = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    CheckConstraint("used >= 0 AND reserved >= 0", name="budget"),
)

members: Final = Table(
    "members",
    metadata,
    Column("project", Text, ForeignKey("projects.id"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("project", "user_id"),
    _one_of("role", ProjectRole),
)

sites: Final = Table(
    "sites",
    metadata,
    Column("site", Text, primary_key=True),
    Column("key", Text),
    Column("epoch", BigInteger, nullable=False),
    Column("seen", BigInteger),
    Column("draining", Boolean, nullable=False),
    Column("capacity", Text),
    Column("capacity_at", BigInteger),
)

site_series: Final = Table(
    "site_series",
    metadata,
    Column("site", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("last", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "series"),
)

codes: Final = Table(
    "codes",
    metadata,
    Column("code", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger),
)

# --- the rest ---------------------------------------------------------------------------------------------------------

requests: Final = Table(
    "requests",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Column("status", Integer),
    Column("answer", LargeBinary),
    PrimaryKeyConstraint("user_id", "key"),
)

pieces: Final = Table(
    "pieces",
    metadata,
    Column("project", Text, nullable=False),
    Column("piece", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("project", "piece"),
)
