"""What becomes of each job alone at its home; from now on for the jobs that have not ended yet."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alone",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("arrived", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("home", sa.Text(), nullable=True),
        sa.Column("part", sa.Text(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("time_limit", sa.BigInteger(), nullable=True),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("end_at", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("month", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_alone")),
    )
    fresh, still = sa.text("fresh"), sa.text("home IS NOT NULL AND end_at IS NULL")
    op.create_index(
        "ix_alone_fresh", "alone", ["arrived", "number", "task"], sqlite_where=fresh, postgresql_where=fresh
    )
    op.create_index("ix_alone_open", "alone", ["start"], sqlite_where=still, postgresql_where=still)
    settled = sa.text("end_at IS NOT NULL")
    op.create_index("ix_alone_end", "alone", ["end_at"], sqlite_where=settled, postgresql_where=settled)
    op.execute(
        "INSERT INTO alone (job, number, task, partner, arrived, is_over, fresh) "
        "SELECT id, number, task, partner, submitted, false, true FROM jobs "
        "WHERE state IN ('pending', 'bound', 'starting', 'running') AND NOT held"
    )
