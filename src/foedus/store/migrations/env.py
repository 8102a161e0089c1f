# ruff: noqa: INP001 - Alembic loads it by path
"""Run by Alembic for each command; the connection, in its transaction, comes from `foedus.store.migrate`."""

from alembic import context

from foedus.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
