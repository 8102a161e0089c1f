"""The two-cluster bed, once per test process; every test that asks for it is marked ``live``."""

from collections.abc import Iterator

import pytest
from slurm_bed import BedError, SlurmBed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the clusters."""
    for item in items:
        if "slurm_bed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def slurm_bed() -> Iterator[SlurmBed]:
    """Two real Slurm clusters; a machine without Slurm fails here, with the names of the packages."""
    try:
        bed = SlurmBed.up()
    except BedError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield bed
    finally:
        bed.down()
