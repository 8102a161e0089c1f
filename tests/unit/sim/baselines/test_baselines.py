"""Each baseline does, job by job, what it does written as plainly as can be."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "core" / "placement"))

import plain
from alliances import drained

from foedus.sim.alliance import Terms
from foedus.sim.schedules import SCHEDULES

MANY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
FEW = settings(MANY, max_examples=20)
TERMS = st.builds(
    Terms, bound=st.sampled_from([0.0, 0.5, 1.0]), staging=st.sampled_from([0, 7, 300]), seed=st.integers(1, 3)
)


def ends(name, alliance, terms):
    return SCHEDULES[name].run(alliance, terms).end.tolist()


@MANY
@given(drained(), TERMS)
def test_siblings(alliance, terms):
    assert ends("siblings", alliance, terms) == plain.siblings(alliance, terms)


@MANY
@given(drained(), TERMS)
def test_naive(alliance, terms):
    assert ends("naive", alliance, terms) == plain.naive(alliance, terms)


@MANY
@given(drained(), TERMS)
def test_drf(alliance, terms):
    assert ends("drf", alliance, terms) == plain.drf(alliance, terms)


@MANY
@given(drained(), st.builds(Terms, bound=st.sampled_from([0.0, 0.5, 1.0]), preemptible=st.sampled_from([0.0, 1.0])))
def test_late_binding(alliance, terms):
    assert ends("late-binding", alliance, terms) == plain.late_binding(alliance, terms)


@MANY
@given(drained())
def test_conservative(alliance):
    assert ends("conservative", alliance, Terms()) == plain.conservative(alliance, Terms())


@pytest.mark.parametrize("name", ["siblings", "naive", "drf"])
@FEW
@given(alliance=drained(), one=drained(most=1))
def test_who_has_no_partner_or_may_not_leave_is_as_alone(name, alliance, one):
    assert ends(name, one, Terms()) == one.alone().end.tolist()
    if name != "drf":
        assert ends(name, alliance, Terms(bound=1.0)) == alliance.alone().end.tolist()


@pytest.mark.parametrize("name", SCHEDULES)
@FEW
@given(alliance=drained(), terms=TERMS)
def test_every_job_runs_once_and_not_before_it_comes(name, alliance, terms):
    wait = np.array(ends(name, alliance, terms)) - alliance.column("submit") - alliance.column("run")
    assert (len(wait), wait[wait < 0].tolist()) == (sum(alliance.counts), [])
