"""The tables of a hub that was restored: what it waits for, and what it has heard. Empty at any other hub."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Integer, Table, Text

from foedus.store.tables import metadata

recovery: Final = Table(
    "recovery",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("begun", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ended", BigInteger),
    CheckConstraint("id = 1", name="single"),
)

recovery_sites: Final = Table(
    "recovery_sites",
    metadata,
    Column("site", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("sealed", BigInteger, nullable=False),
    Column("jobs", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("faults", Text, nullable=False),
)
