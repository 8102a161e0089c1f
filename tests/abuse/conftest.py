"""Abuse: what somebody with bad intentions tries, against the real hub, the real agent and real processes."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

_TESTS = Path(__file__).parents[1]
for _folder in ("contract/hub", "contract/ledger", "flow"):
    sys.path.append(str(_TESTS / _folder))  # where `served`, `books` and `alliance` are

from alliance import Alliance, Signed, signed  # noqa: E402
from served import Served, a_hub  # noqa: E402
from whole import Whole, a_whole  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def quiet() -> Iterator[None]:
    """Keep the logs out of the tests: what they say is for operators."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A real hub on SQLite, with people and projects and no agent."""
    with a_hub(tmp_path_factory.mktemp("hub")) as one:
        yield one


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A real hub with the real agent of one site, which runs jobs as processes of this machine."""
    with a_whole(tmp_path_factory.mktemp("whole")) as one:
        yield one


@pytest.fixture(scope="session")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed(tmp_path_factory.mktemp("caspian"))


@pytest.fixture
def alliance(agreed: Signed) -> Iterator[Alliance]:
    """The use cases on a database in memory; time stands still until it is moved."""
    made = Alliance(agreed)
    yield made
    made.store.close()
