"""EASY against an independent simulator (PYSS) on real logs: field 3 of its result files is the wait that it gave."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from traces import FOLDER, trace

from foedus.sim.alliance import Alliance


def oracle(file):
    with gzip.open(FOLDER / file, "rt") as lines:
        rows = [[int(float(word)) for word in line.split()[:5]] for line in lines if not line.startswith(";")]
    rows = np.array([row for row in rows if row[3] > 0 and row[4] > 0], dtype=np.int64)
    return rows[np.lexsort((rows[:, 0], rows[:, 1]))]


@pytest.mark.parametrize(("file", "capacity"), [("kth-sp2", 100), ("sdsc-sp2", 128)])
def test_starts_are_those_of_the_oracle(file, capacity):
    site = trace(file, f"{file}.easy-oracle.swf.gz", capacity)
    rows = oracle(f"{file}.easy-oracle.swf.gz")
    wait = Alliance((site,)).alone().end - site.submit - site.run
    assert site.submit.tolist() == (rows[:, 1] - rows[0, 1]).tolist()
    assert (wait == rows[:, 2]).mean() >= 0.999


def test_the_mean_wait_is_that_of_the_oracle_where_the_order_of_equal_times_is_lost():
    site = trace("ctc", "ctc-sp2.easy-oracle.swf.gz", 338)
    rows = oracle("ctc-sp2.easy-oracle.swf.gz")
    wait = Alliance((site,)).alone().end - site.submit - site.run
    assert len(wait) == len(rows)
    assert abs(wait.mean() / rows[:, 2].mean() - 1) < 0.005
