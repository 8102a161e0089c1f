"""What the parts of one transaction share: its connection, and the few shapes that all statements have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from sqlalchemy import Connection, Executable, Row, Select, Table
from sqlalchemy.sql.dml import Delete, Update

from foedus.store.dialects.base import Database, Insert

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Values: TypeAlias = dict[str, Any]
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_IN_ONE_STATEMENT = 1000
"""Most values in one ``IN (...)``: below every database's limit on parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One open transaction on one connection."""

    connection: Connection
    database: Database

    def rows(self, statement: Executable, values: Values | None = None) -> Sequence[AnyRow]:
        """Run a query; return all its rows."""
        return self.connection.execute(statement, values).all()

    def first(self, statement: Executable, values: Values | None = None) -> AnyRow | None:
        """Run a query; return its first row."""
        return self.connection.execute(statement, values).first()

    def scalar(self, statement: Executable) -> Any:  # noqa: ANN401 - a value out of the database has no type until it is read
        """Run a query; return the first value of its first row, or `None`."""
        return self.connection.execute(statement).scalar()

    def changes(self, statement: Update | Delete, values: Values | Sequence[Values] | None = None) -> int:
        """Run a guarded change, once or for each of several values; return how many rows it touched."""
        return self.connection.execute(statement, values).rowcount

    def insert(self, table: Table) -> Insert:
        """Begin an insert that may say what to do about a row that is there already."""
        return self.database.insert(table)

    def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows in bulk."""
        if rows:
            self.connection.execute(table.insert(), rows)

    def add_new(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless one with its key is there; say whether it was inserted.

        Unlike a failed insert this leaves the transaction usable, on every database.
        """
        statement = self.insert(table).values(row).on_conflict_do_nothing().returning(*table.primary_key.columns)
        return self.first(statement) is not None


def along(query: Select[*Ts], table: Table, index: str) -> Select[*Ts]:
    """Have SQLite answer a query along an index: it keeps no statistics, and so prefers any other to a partial one."""
    return query.with_hint(table, f"INDEXED BY {index}", "sqlite")


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut values into parts that fit into one ``IN (...)``."""
    for start in range(0, len(values), _IN_ONE_STATEMENT):
        yield values[start : start + _IN_ONE_STATEMENT]
