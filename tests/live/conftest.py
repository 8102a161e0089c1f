"""The two-cluster bed, once per test process; every test that asks for it is marked ``live``.

Tests run for as long as Slurm takes, mostly waiting: a few groups of modules go side by side, each on a bed of its own.
"""

from collections.abc import Iterator

import pytest
from slurm_bed import BedError, SlurmBed

BEDS = {
    "test_exact_books": "books",
    "test_same_script": "scripts",
    "test_stories": "scripts",
    "test_crash": "faults",
    "test_two_hubs": "faults",
    "test_slurm_restarts": "faults",
    "test_slurm_orphans": "faults",
}
"""Which modules share a bed; all others share one more."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one bed on one xdist worker (``--dist loadgroup``)."""
    for item in items:
        if "slurm_bed" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.xdist_group(f"slurm-{BEDS.get(item.path.stem, 'driver')}"))


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
