"""The tables of the agreement: its versions, and the partners' keys that were taken back since."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from foedus.store.tables import metadata

agreements: Final = Table(
    "agreements",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("envelopes", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
)

revoked_keys: Final = Table(
    "revoked_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("partner", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)
