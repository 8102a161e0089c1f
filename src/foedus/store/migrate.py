"""Bringing a database to the tables that this version of Foedus wants."""

import time
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from foedus.core.base.errors import Busy, Conflict
from foedus.store.dialects.base import Database
from foedus.store.unit import open_database

_SCRIPTS: Final = Path(__file__).with_name("migrations")
_TRIES: Final = 60
_PAUSE_S: Final = 1.0


def migrate(store_url: str, *, to: str = "head") -> tuple[str, ...]:
    """Apply what is pending, all or nothing; return the revisions that were applied.

    Processes that migrate at the same time wait for each other, and hubs of the release before work on meanwhile: a
    lock that is not to be had at once is given up and asked for again, so that nobody queues up behind it for long.
    Raises `Conflict` if the database is of a newer Foedus, `Busy` if the locks could not be had for minutes.
    """
    database = open_database(store_url)
    try:
        for left in reversed(range(_TRIES)):
            try:
                return _migrate(database, to)
            except Busy:
                if not left:
                    raise
                time.sleep(_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")
    finally:
        database.close()


def _migrate(database: Database, to: str) -> tuple[str, ...]:
    with database.gate(write=True), database.writes.begin() as connection:
        database.only_migration(connection)
        waiting = _waiting(connection)
        if to in waiting:
            waiting = waiting[: waiting.index(to) + 1]
        if waiting:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
        return waiting


def pending(store_url: str) -> tuple[str, ...]:
    """Return the revisions that `migrate` would apply, in order; raises as it does."""
    database = open_database(store_url)
    try:
        return _pending(database)
    finally:
        database.close()


def _pending(database: Database) -> tuple[str, ...]:
    with database.gate(write=False), database.reads.begin() as connection:
        return _waiting(connection)


def _waiting(connection: Connection) -> tuple[str, ...]:
    current = MigrationContext.configure(connection).get_current_revision()
    oldest_first = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]
    if current is None:
        return tuple(oldest_first)
    if current not in oldest_first:
        raise Conflict(
            f"the database is at revision {current}, which this version does not know",
            remedy="install the version of Foedus that last migrated it, or a newer one",
        )
    return tuple(oldest_first[oldest_first.index(current) + 1 :])


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
