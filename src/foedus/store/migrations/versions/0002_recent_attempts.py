"""Indices of live attempts by when they came into their state: the broker looks only at what is recent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for state, column in (("bound", "bound"), ("starting", "handed"), ("running", "started")):
        alone = sa.text(f"state = '{state}'")
        op.create_index(f"ix_attempts_{column}", "attempts", [column], sqlite_where=alone, postgresql_where=alone)
