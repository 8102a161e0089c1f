"""Nobody is later than alone; and the shadow that ran beside reality equals the one that is run afterwards."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from alliances import alliances, plain_easy

from foedus.core.placement.tables import column
from foedus.core.placement.validate import validate
from foedus.sim.alliance import Terms

MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SHARES = st.sampled_from([0.0, 0.5, 1.0])
COSTS = st.sampled_from([0, 1, 7, 300])


@MANY
@given(alliances())
def test_alone_is_plain_easy(alliance):
    starts = [start for site in alliance.sites for start in plain_easy(site)]
    assert (alliance.alone().end - alliance.column("run")).tolist() == starts


@MANY
@given(alliances(), COSTS, COSTS, SHARES)
def test_no_job_that_can_be_recalled_is_later_than_alone_at_any_cost(alliance, restart, staging, bound):
    terms = Terms(restart=restart, staging=staging, bound=bound)
    later = alliance.together(terms).end - alliance.alone().end
    assert (later[later > 0].tolist(), len(later)) == ([], sum(alliance.counts))


@MANY
@given(alliances(), SHARES, COSTS, st.sampled_from([0, 36_000]))
def test_the_shadow_beside_reality_equals_the_one_afterwards(alliance, preemptible, restart, lend):
    state = alliance.run(Terms(preemptible=preemptible, restart=restart, lend=lend))
    assert column(state.alone.alone, "end").tolist() == alliance.alone().end.tolist()
    assert column(state.live, "over").all()
    assert validate(state) == []


@MANY
@given(alliances(), SHARES, COSTS)
def test_what_a_job_did_adds_up_to_its_run_time(alliance, preemptible, restart):
    outcome = alliance.together(Terms(preemptible=preemptible, restart=restart))
    wait = outcome.end - alliance.column("submit") - alliance.column("run")
    assert (wait >= outcome.lost).all()
    assert (outcome.lost <= outcome.recalls * restart).all()
