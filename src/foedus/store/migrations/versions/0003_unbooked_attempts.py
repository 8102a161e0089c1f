"""An index of the attempts that ended and are not booked: what is missing from the ledger is looked up often."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    missing = sa.text("state = 'ended' AND entry IS NULL")
    op.create_index(
        "ix_attempts_unbooked", "attempts", ["ended", "site"], sqlite_where=missing, postgresql_where=missing
    )
