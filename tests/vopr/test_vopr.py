"""A part of the simulation that fits into every run of the tests; the rest: ``make vopr SEEDS=10000``."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from vopr.__main__ import coverage, told
from vopr.bugs import BUGS
from vopr.faults import Fault
from vopr.simulation import Simulation, simulate

_SEEDS = range(1, 61)
_MOST_FOR_A_BUG = 1000
_FROM = {"drop-the-fence": 61}
"""The seed to begin with, where it would take long from the first one on."""
_RARE = len(Fault) // 4
"""How many kinds of faults may stay out in so few seeds."""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("vopr")


@pytest.mark.timeout(1200)
def test_no_invariant_breaks_while_faults_happen(work):
    counts: Counter[str] = Counter()
    broken = []
    for seed in _SEEDS:
        result = simulate(seed, work)
        counts += result.counts
        broken += [told(result)] if result.failure else []

    assert broken == [], "\n\n".join(broken)
    assert sum(not counts[fault] for fault in Fault) <= _RARE, coverage(counts)
    assert counts["usage records booked"] > len(_SEEDS)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bug", sorted(BUGS))
def test_each_planted_bug_is_found(work, bug):
    first = _FROM.get(bug, 1)
    found = next((seed for seed in range(first, first + _MOST_FOR_A_BUG) if simulate(seed, work, bug).failure), None)

    assert found is not None


def test_a_seed_has_one_history(work):
    here = Simulation(7, work).run()
    script = (
        "from pathlib import Path; from vopr.simulation import Simulation, simulate;"
        f"print(*Simulation(7, Path({str(work)!r})).run().lines, sep='\\n')"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "1"}

    elsewhere = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)

    again = Simulation(7, work).run()
    assert (again.digest, again.lines) == (here.digest, here.lines)
    assert elsewhere.stdout.decode().splitlines() == here.lines
