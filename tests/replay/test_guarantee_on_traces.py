"""The guarantee on three real sites: nobody later, and at least what one pooled machine would save."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from traces import trace

from foedus.core.placement.tables import column
from foedus.sim import measure
from foedus.sim.alliance import Alliance, Terms


@pytest.fixture(scope="module")
def sp2():
    return Alliance(
        (
            trace("kth", "kth-sp2.easy-oracle.swf.gz", 100),
            trace("ctc", "ctc-sp2.easy-oracle.swf.gz", 338),
            trace("sdsc", "sdsc-sp2.easy-oracle.swf.gz", 128),
        )
    )


@pytest.fixture(scope="module")
def alone(sp2):
    return sp2.alone()


@pytest.mark.parametrize(("restart", "least"), [(0, 0.98), (300, 0.98), (3600, 0.9)])
def test_nobody_is_later_and_the_gain_is_that_of_pooling(sp2, alone, restart, least):
    outcome = sp2.together(Terms(restart=restart))
    everyone = np.ones(len(sp2.home), dtype=np.bool_)
    share = measure.share(*(measure.waits(sp2, one, everyone) for one in (alone, sp2.pooled(), outcome)))
    assert (measure.late(outcome, alone, everyone).worst, measure.worse(sp2, outcome, alone)) == (0, [])
    assert share >= least


@pytest.mark.parametrize("preemptible", [0.0, 0.5])
def test_no_partner_is_worse_where_not_all_can_be_recalled_and_the_shadow_ran_true(sp2, alone, preemptible):
    state = sp2.run(Terms(preemptible=preemptible))
    assert column(state.alone.alone, "end").tolist() == alone.end.tolist()
    outcome = sp2.together(Terms(preemptible=preemptible))
    assert measure.worse(sp2, outcome, alone) == []
