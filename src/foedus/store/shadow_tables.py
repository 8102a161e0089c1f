"""The table of jobs alone at their homes: one row a job, from its arrival on."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from foedus.store.tables import metadata

FRESH: Final = text("fresh")
OPEN: Final = text("home IS NOT NULL AND end_at IS NULL")
SETTLED: Final = text("end_at IS NOT NULL")
BY_FRESH: Final = "ix_alone_fresh"
BY_OPEN: Final = "ix_alone_open"
BY_END: Final = "ix_alone_end"

alone: Final = Table(
    "alone",
    metadata,
    Column("job", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("task", Integer, nullable=False),
    Column("partner", Text, nullable=False),
    Column("arrived", BigInteger, nullable=False),
    Column("is_over", Boolean, nullable=False),
    Column("fresh", Boolean, nullable=False),
    Column("home", Text),
    Column("part", Text),
    Column("width", BigInteger),
    Column("time_limit", BigInteger),
    Column("start", BigInteger),
    Column("run", BigInteger),
    Column("left_at", BigInteger),
    Column("end_at", BigInteger),
    Column("ended", BigInteger),
    Column("month", Text),
)
Index(BY_FRESH, alone.c.arrived, alone.c.number, alone.c.task, sqlite_where=FRESH, postgresql_where=FRESH)
Index(BY_OPEN, alone.c.start, sqlite_where=OPEN, postgresql_where=OPEN)
Index(BY_END, alone.c.end_at, sqlite_where=SETTLED, postgresql_where=SETTLED)
