"""The same store on three databases: SQLite in memory, a SQLite file, and a real PostgreSQL."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import postgres
from foedus.store.migrate import migrate
from foedus.store.tables import metadata
from foedus.store.unit import SqlStore, open_store


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "foedus.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: postgres.Server) -> str:
    url = postgres_server.create("foedus_store")
    migrate(url)
    return url


@pytest.fixture
def file_url(migrated_file: Path, tmp_path: Path) -> str:
    """A SQLite file with the tables and nothing in them."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'foedus.db')}"


@pytest.fixture
def postgres_url(migrated_postgres: str) -> Iterator[str]:
    """A PostgreSQL database with the tables and nothing in them."""
    yield migrated_postgres
    with psycopg.connect(migrated_postgres) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(f"DELETE FROM {table.name}")
        connection.execute("ALTER SEQUENCE job_numbers RESTART")


@pytest.fixture(params=["memory", "file", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite://" if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["file", "postgres"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """A database that several threads use at the same time."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def opened() -> Iterator[Callable[[str], SqlStore]]:
    """Open stores that are closed after the test."""
    stores: list[SqlStore] = []

    def open_one(url: str) -> SqlStore:
        stores.append(open_store(url))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(url: str, opened: Callable[[str], SqlStore]) -> SqlStore:
    return opened(url)


@pytest.fixture
def shared(shared_url: str, opened: Callable[[str], SqlStore]) -> SqlStore:
    return opened(shared_url)
