"""How the tests are dealt out to several processes (``pytest -n 4``): what shares something dear stays together.

A pair of Slurm clusters or a running alliance is brought up once for all the tests that use it; of the others, the
tests of one file stay together. What takes longest is begun first.
"""

import re

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST_FIRST = ("live", "e2e", "docs", "contract")
"""Folders of tests in the order in which they are begun; the others follow."""

CLUSTERS = {
    "test_exact_books": "books",
    "test_same_script": "scripts",
    "test_stories": "scripts",
    "test_crash": "faults",
    "test_two_hubs": "faults",
    "test_slurm_restarts": "faults",
    "test_slurm_orphans": "faults",
    "test_slurm_amnesia": "faults",
}
"""Which live modules share a pair of clusters; all others share one more."""

_ALLIANCE = re.compile(r"[\[-](sqlite|postgres|two-hubs)[\]-]")
"""The kind of alliance that an end-to-end test runs on (`e2e.trial_bed.on`)."""


def folder_of(nodeid: str) -> str:
    """Return the folder of a test below ``tests``."""
    return nodeid.removeprefix("tests/").partition("/")[0]


def share_of(nodeid: str) -> str:
    """Name what a test shares with others: all tests with the same name run in one process, one after the other."""
    path = nodeid.partition("::")[0]
    if folder_of(nodeid) == "live":
        return f"clusters {CLUSTERS.get(path.rpartition('/')[2].removesuffix('.py'), 'drivers')}"
    if folder_of(nodeid) == "e2e" and (kind := _ALLIANCE.search(nodeid)):
        return f"alliance {kind[1]}"
    return path


class Shares(LoadScopeScheduling):
    """Deals out shares, whole, in the order in which the tests were collected."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)
