"""A running attempt can be called home, and leaves its progress."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
_OTHERS = (
    "'cancelled', 'ended', 'handed-over', 'recalled', 'refused', 'requeued', 'returned', 'revived', 'running', "
    "'submitted'"
)
_KINDS = "'admitted', 'booked', 'bound', 'called-home', 'cancel-asked', " + _OTHERS


def upgrade() -> None:
    op.add_column("attempts", sa.Column("checkpoint", sa.Text(), nullable=True))
    _allow("attempts", "stop", "'cancel', 'recall'", "'cancel', 'home', 'recall'")
    _allow("stories", "kind", "'admitted', 'booked', 'bound', 'cancel-asked', " + _OTHERS, _KINDS)


def _allow(table: str, column: str, before: str, after: str) -> None:
    """Let a column hold more words."""
    name = f"ck_{table}_{column}"
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, f"{column} IN ({after})")
        return
    # SQLite changes no constraint: the table is made anew, in its own words
    made = "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL"
    (definition,) = connection.execute(sa.text(made), {"table": table, "type": "table"}).scalars()
    indices = connection.execute(sa.text(made), {"table": table, "type": "index"}).scalars().all()
    names = "SELECT name FROM sqlite_master WHERE tbl_name = :table AND type = 'index' AND sql IS NOT NULL"
    for index in connection.execute(sa.text(names), {"table": table}).scalars().all():
        op.drop_index(index, table)
    old, new = f"{column} IN ({before})", f"{column} IN ({after})"
    if definition.count(old) != 1:
        raise AssertionError(f"{name} is not as an earlier version made it: {definition}")
    op.rename_table(table, f"{table}_before")
    for statement in (
        definition.replace(old, new),
        f"INSERT INTO {table} SELECT * FROM {table}_before",  # noqa: S608 - names of this very file
        f"DROP TABLE {table}_before",
        *indices,
    ):
        connection.exec_driver_sql(statement)
