"""The alliances of the end-to-end tests: one of each kind, for all tests of that kind; see `trial_bed.on`."""

from collections.abc import Iterator

import pytest
from trial_bed import Bed, bed


@pytest.fixture(scope="session")
def running(request, tmp_path_factory) -> Iterator[Bed]:
    """An alliance at work: on SQLite, on PostgreSQL, or on PostgreSQL with two hub processes."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    if kind == "sqlite":
        with bed(folder) as up:
            yield up
        return
    server = request.getfixturevalue("postgres_server")
    hubs = 2 if kind == "two-hubs" else 1
    with bed(folder, database=server.create(f"e2e_{hubs}"), hubs=hubs) as up:
        yield up
