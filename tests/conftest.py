"""What every test may use."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import postgres
from side_by_side import LONGEST_FIRST, Shares, folder_of

hypothesis.settings.register_profile("foedus", deadline=None)  # a busy machine is no fault of an example's
hypothesis.settings.load_profile("foedus")
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # to compile costs more than all tests; test_kernels compares both


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin what takes longest."""
    ranks = {folder: rank for rank, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(folder_of(item.nodeid), len(ranks)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Shares:
    """Keep together what shares clusters or an alliance."""
    return Shares(config, log)


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
