"""What every test may use."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import postgres

hypothesis.settings.register_profile("foedus", deadline=None)  # a busy machine is no fault of an example's
hypothesis.settings.load_profile("foedus")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL server, for the session."""
    with postgres.server() as running:
        yield running


@pytest.fixture(scope="session")
def postgres_dsn(postgres_server: postgres.Server) -> str:
    """URL of that server's own database; make others on it with `postgres_server.create`."""
    return postgres_server.dsn


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every local account may pass through; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="foedus-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
