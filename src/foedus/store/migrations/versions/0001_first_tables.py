# ruff: noqa: E501 - the database keeps the text of a constraint as it is written here
"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("job_numbers")))
    _jobs()
    _arrays_and_stories()
    _attempts_and_logs()
    _books()
    _people()
    _sites()
    _rest()


def _jobs() -> None:
    op.create_table(
        "specs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_specs"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text()),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sites", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text()),
        sa.Column("guest", sa.Boolean(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("agreement_version", sa.Integer(), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger()),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.CheckConstraint("NOT held OR state = 'pending'", name=op.f("ck_jobs_held")),
        sa.CheckConstraint(
            "purpose IN ('distill-parent', 'evaluate', 'explore', 'finetune', 'generate', 'infer', 'other', 'pretrain', 'reward-model', 'rl', 'synthetic-data')",
            name=op.f("ck_jobs_purpose"),
        ),
        sa.CheckConstraint(
            "state IN ('bound', 'cancelled', 'completed', 'failed', 'node-fail', 'out-of-memory', 'pending', 'refused', 'running', 'starting', 'timeout')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "number >= 1 AND task >= -1 AND attempt >= 0 AND reserved >= 0", name=op.f("ck_jobs_counts")
        ),
        sa.ForeignKeyConstraint(["spec"], ["specs.digest"], name="fk_jobs_spec"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("number", "task", name="uq_jobs_number_task"),
    )
    _job_indices()


def _job_indices() -> None:
    op.create_index(
        "ix_jobs_held",
        "jobs",
        ["number", "task"],
        sqlite_where=sa.text("state = 'pending' AND held"),
        postgresql_where=sa.text("state = 'pending' AND held"),
    )
    op.create_index("ix_jobs_name_number_task", "jobs", ["name", "number", "task"])
    op.create_index(
        "ix_jobs_placeable",
        "jobs",
        ["number", "task"],
        sqlite_where=sa.text("state = 'pending' AND NOT held"),
        postgresql_where=sa.text("state = 'pending' AND NOT held"),
    )
    op.create_index("ix_jobs_project_number_task", "jobs", ["project", "number", "task"])
    op.create_index("ix_jobs_site_number_task", "jobs", ["site", "number", "task"])
    op.create_index("ix_jobs_state_number_task", "jobs", ["state", "number", "task"])
    op.create_index(
        "ix_jobs_tally",
        "jobs",
        ["number", "state"],
        sqlite_where=sa.text("task >= 0"),
        postgresql_where=sa.text("task >= 0"),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["site", "state", "project"],
        sqlite_where=sa.text("state IN ('bound', 'pending', 'running', 'starting')"),
        postgresql_where=sa.text("state IN ('bound', 'pending', 'running', 'starting')"),
    )
    op.create_index("ix_jobs_user_id_number_task", "jobs", ["user_id", "number", "task"])


def _arrays_and_stories() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "arrays",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("lowest", sa.Integer(), nullable=False),
        sa.Column("highest", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Integer()),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["spec"], ["specs.digest"], name="fk_arrays_spec"),
        sa.PrimaryKeyConstraint("id", name="pk_arrays"),
    )
    op.create_table(
        "dependencies",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("any_of", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "condition IN ('afterany', 'afternotok', 'afterok')", name=op.f("ck_dependencies_condition")
        ),
        sa.PrimaryKeyConstraint("job", "position", name="pk_dependencies"),
    )
    op.create_index("ix_dependencies_other", "dependencies", ["other"])
    op.create_table(
        "stories",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('admitted', 'booked', 'bound', 'cancel-asked', 'cancelled', 'ended', 'handed-over', 'recalled', 'refused', 'requeued', 'returned', 'revived', 'running', 'submitted')",
            name=op.f("ck_stories_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_stories"),
    )
    op.create_index("ix_stories_job_id", "stories", ["job", "id"])


def _attempts_and_logs() -> None:
    op.create_table(
        "attempts",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("guest", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("native_id", sa.Text(), nullable=False),
        sa.Column("bound", sa.BigInteger(), nullable=False),
        sa.Column("offered", sa.BigInteger()),
        sa.Column("handed", sa.BigInteger()),
        sa.Column("started", sa.BigInteger()),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("outcome", sa.Text()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stop", sa.Text()),
        sa.Column("entry", sa.BigInteger()),
        sa.Column("outputs", sa.Text()),
        sa.CheckConstraint(
            "outcome IN ('cancelled', 'completed', 'failed', 'node-fail', 'out-of-memory', 'preempted', 'requeued', 'timeout')",
            name=op.f("ck_attempts_outcome"),
        ),
        sa.CheckConstraint(
            "state IN ('bound', 'ended', 'returned', 'running', 'starting')", name=op.f("ck_attempts_state")
        ),
        sa.CheckConstraint("stop IN ('cancel', 'recall')", name=op.f("ck_attempts_stop")),
        sa.CheckConstraint("number >= 1 AND epoch >= 0", name=op.f("ck_attempts_counts")),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_attempts_job"),
        sa.PrimaryKeyConstraint("job", "number", name="pk_attempts"),
    )
    op.create_index("ix_attempts_site_state_bound", "attempts", ["site", "state", "bound"])
    op.create_index(
        "ix_attempts_to_stop",
        "attempts",
        ["site"],
        sqlite_where=sa.text("stop IS NOT NULL AND state IN ('bound', 'running', 'starting')"),
        postgresql_where=sa.text("stop IS NOT NULL AND state IN ('bound', 'running', 'starting')"),
    )
    op.create_table(
        "logs",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job", "attempt", "stream", name="pk_logs"),
    )
    op.create_table(
        "log_parts",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job", "attempt", "stream", "start", name="pk_log_parts"),
    )


def _books() -> None:
    op.create_table(
        "ledger",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("job", sa.Text()),
        sa.Column("attempt", sa.Integer()),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('agreement', 'allocation', 'correction', 'project', 'site-key', 'site-key-revoked', 'usage')",
            name=op.f("ck_ledger_kind"),
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_ledger"),
        sa.UniqueConstraint("hash", name="uq_ledger_hash"),
    )
    op.create_index(
        "ix_ledger_usage",
        "ledger",
        ["job", "attempt"],
        unique=True,
        sqlite_where=sa.text("kind = 'usage'"),
        postgresql_where=sa.text("kind = 'usage'"),
    )
    op.create_index(
        "ix_ledger_keys",
        "ledger",
        ["seq"],
        sqlite_where=sa.text("kind IN ('site-key', 'site-key-revoked')"),
        postgresql_where=sa.text("kind IN ('site-key', 'site-key-revoked')"),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("alliance", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_head_single")),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_head"),
    )
    op.create_table(
        "seals",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("alliance", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("keyid", sa.Text(), nullable=False),
        sa.Column("sig", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "seq", name="pk_seals"),
    )


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('office', 'operator', 'user')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("project", sa.Text()),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger()),
        sa.Column("revoked", sa.BigInteger()),
        sa.CheckConstraint("scope IN ('manage', 'read', 'submit')", name=op.f("ck_tokens_scope")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_user_id_created", "tokens", ["user_id", "created"])
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0 AND reserved >= 0", name=op.f("ck_projects_budget")),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_table(
        "members",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('lead', 'member')", name=op.f("ck_members_role")),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="fk_members_project"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_members_user_id"),
        sa.PrimaryKeyConstraint("project", "user_id", name="pk_members"),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])


def _sites() -> None:
    op.create_table(
        "sites",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger()),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("capacity", sa.Text()),
        sa.Column("capacity_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("site", name="pk_sites"),
    )
    op.create_table(
        "site_series",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "series", name="pk_site_series"),
    )
    op.create_table(
        "codes",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger()),
        sa.PrimaryKeyConstraint("code", name="pk_codes"),
    )
    op.create_table(
        "agreements",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("envelopes", sa.Text(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_agreements"),
    )


def _rest() -> None:
    op.create_table(
        "requests",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_requests"),
    )
    op.create_index("ix_requests_at", "requests", ["at"])
    op.create_table(
        "pieces",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("piece", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "piece", name="pk_pieces"),
    )
