"""Sites that start nothing for a while: nobody is later than with the same drain alone."""

import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from alliances import drained

from foedus.core.placement.tables import column
from foedus.core.placement.validate import validate
from foedus.sim.alliance import Alliance, Terms
from foedus.sim.workload import Remarks, Workload

MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
COSTS = st.sampled_from([0, 1, 7, 300])


@MANY
@given(drained(), COSTS, COSTS)
def test_no_job_that_can_be_recalled_is_later_than_alone(alliance, restart, staging):
    state = alliance.run(Terms(restart=restart, staging=staging))
    later = column(state.live, "end") - alliance.alone().end
    assert (later[later > 0].tolist(), validate(state)) == ([], [])
    assert column(state.alone.alone, "end").tolist() == alliance.alone().end.tolist()


@MANY
@given(drained(), COSTS, st.sampled_from([0.0, 0.5]))
def test_the_shadow_beside_reality_equals_the_one_afterwards(alliance, restart, preemptible):
    state = alliance.run(Terms(preemptible=preemptible, restart=restart))
    assert column(state.alone.alone, "end").tolist() == alliance.alone().end.tolist()
    assert column(state.live, "over").all()
    assert validate(state) == []


@MANY
@given(drained())
def test_a_drained_site_starts_nothing_alone(alliance):
    start = alliance.alone().end - alliance.column("run")
    for place, site in enumerate(alliance.sites):
        for begin, end in site.drains:
            assert not ((start >= begin) & (start < end) & (alliance.home == place)).any()


def site(name, capacity, jobs, drains=()):
    submit, run, width = (np.array(values, dtype=np.int64) for values in zip(*jobs, strict=True))
    return Workload(
        name=name,
        capacity=capacity,
        unit="nodes",
        submit=submit,
        run=run,
        width=width,
        limit=run,
        remarks=Remarks(),
        drains=drains,
    )


def test_a_due_guest_comes_home_before_its_home_is_drained():
    # The guest runs at the host since 0, and is due at 50. The host wants its units back at 150, when home is drained.
    home = site("home", 2, [(0, 50, 2), (0, 1000, 2)], drains=((100, 5000),))
    host = site("host", 2, [(150, 10, 2)])
    alliance = Alliance((home, host))
    outcome = alliance.together(Terms(restart=20))
    assert alliance.alone().end.tolist() == [50, 1050, 160]
    assert (outcome.end.tolist(), outcome.recalls.tolist(), outcome.lost.tolist()) == (
        [50, 1020, 160],
        [0, 1, 0],
        [0, 20, 0],
    )
    assert outcome.hosted.tolist() == [[2 * 50 + 2 * 920, 0], [2 * 100, 20]]
