"""The migrated tables are exactly those that the code believes in, on both databases."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from store_samples import together, user

import postgres
from foedus.core.base.errors import Busy, Conflict, FoedusError
from foedus.store.dialects.base import Database
from foedus.store.migrate import migrate, pending
from foedus.store.tables import metadata
from foedus.store.unit import SqlStore, open_database

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")


@pytest.fixture
def databases() -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def open_one(url: str) -> Database:
        opened.append(open_database(url))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture(params=["file", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"sqlite:///{tmp_path / 'with space & 100%.db'}"
    else:
        server: postgres.Server = request.getfixturevalue("postgres_server")
        yield server.create("foedus_empty")
        server.drop("foedus_empty")


def test_migrated_tables_are_those_of_the_code(shared_url: str, databases: Callable[[str], Database]):
    with databases(shared_url).reads.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def definitions(connection: Connection) -> set[str]:
    """Return every table, constraint and index as the database itself writes it: alembic compares no conditions."""
    if connection.dialect.name == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    else:
        query = (
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'alembic%' UNION ALL "
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%' UNION ALL "
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || "
            "coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public' "
            "AND table_name NOT LIKE 'alembic%' UNION ALL SELECT 'sequence ' || sequencename || ' ' || data_type "
            "FROM pg_sequences WHERE schemaname = 'public'"
        )
    found = connection.execute(text(query)).scalars()
    return {part for row in found for part in _parts(str(row), connection.dialect.name)}


def _parts(definition: str, dialect: str) -> list[str]:
    """Cut SQLite's table definitions into lines: the order of constraints means nothing."""
    if dialect != "sqlite":
        return [definition]
    text = definition.replace("\t", " ")
    # a column that was added later stands on the line of the one before it
    text = re.sub(r", (\w+ (?:BIGINT|INTEGER|TEXT|BOOLEAN|BLOB)\b)", r",\n\1", text)
    head, *lines = [line.strip().rstrip(",") for line in text.split("\n")]
    return [head, *(f"{head} {line}" for line in lines)]


def test_migrated_conditions_are_those_of_the_code(
    empty: str, databases: Callable[[str], Database], request: pytest.FixtureRequest
):
    same_kind = "file_url" if empty.startswith("sqlite") else "postgres_url"
    with databases(empty).writes.begin() as connection:
        metadata.create_all(connection)
        made = definitions(connection)
    with databases(request.getfixturevalue(same_kind)).reads.begin() as connection:
        migrated = definitions(connection)
    assert sorted(made ^ migrated) == []


def test_pending_and_migrate(empty: str):
    before = pending(empty)
    applied = migrate(empty)
    assert (before, applied, pending(empty), migrate(empty)) == (REVISIONS, REVISIONS, (), ())


def test_the_release_before_works_on_while_its_successor_migrates(
    empty: str, databases: Callable[[str], Database], opened: Callable[[str], SqlStore]
):
    migrate(empty, to="0003")
    old, migrated = databases(empty), threading.Event()
    insert = text("INSERT INTO users (id, partner, name, role, created) VALUES (:id, 'israel', '', 'user', 1)")

    def write(writer: int) -> list[str]:
        """Add people as the release before did, while the tables change and for a while after."""
        added: list[str] = []
        while not migrated.is_set() or len(added) < 20:
            name = f"u{writer}-{len(added)}"
            with contextlib.suppress(Busy), old.gate(write=True), old.writes.begin() as connection:
                connection.execute(insert, {"id": name})
            with old.gate(write=False), old.reads.begin() as connection:
                there = connection.execute(text("SELECT count(*) FROM users WHERE id = :id"), {"id": name}).scalar()
            added += [name] if there else []
            time.sleep(0.005)
        return added

    def change(_: int) -> list[str]:
        with old.gate(write=False), old.reads.begin() as connection:
            connection.execute(text("SELECT count(*) FROM users")).scalar()
            time.sleep(0.5)  # a long question holds the table
        migrate(empty)
        migrated.set()
        return []

    wrote = together(3, lambda number: change(number) if number == 0 else write(number))

    with opened(empty).read() as tx:
        people = tx.people.all()
    assert sorted(one.id for one in people) == sorted(name for names in wrote for name in names)
    assert {one.revoked for one in people} == {None}


def test_processes_that_migrate_at_once_wait_for_each_other(empty: str):
    assert sorted(together(4, lambda _: migrate(empty))) == [(), (), (), REVISIONS]


def test_a_migrated_database_works(empty: str, opened: Callable[[str], SqlStore]):
    migrate(empty)
    store = opened(empty)
    with store.begin() as tx:
        tx.people.add(user())
        assert tx.jobs.numbers(2) == 1
    with store.read() as tx:
        assert tx.people.all() == [user()]


def test_the_database_of_a_newer_foedus_is_refused(empty: str, databases: Callable[[str], Database]):
    migrate(empty)
    with databases(empty).writes.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for action in (pending, migrate):
        with pytest.raises(Conflict, match="at revision 9999, which this version does not know"):
            action(empty)


def test_a_database_without_tables_says_so(empty: str, opened: Callable[[str], SqlStore]):
    with pytest.raises(FoedusError) as caught, opened(empty).read() as tx:
        tx.people.all()
    assert (caught.value.code, "users" in caught.value.message) == ("broken", True)
