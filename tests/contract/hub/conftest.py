import itertools
import logging
from collections.abc import Iterator

import pytest
import structlog
from served import Served, a_hub

import postgres

_NAMES = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def quiet() -> Iterator[None]:
    """Keep the hub's log out of the tests: what it says is for operators."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hub on each kind of database, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("hub")
    if request.param == "sqlite":
        with a_hub(folder) as one:
            yield one
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    with a_hub(folder, server.create(f"foedus_hub_{next(_NAMES)}")) as one:
        yield one
