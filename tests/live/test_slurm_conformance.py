"""The Slurm driver passes the shared suite on two clusters that are set up differently."""

import time

import pytest

from foedus.core.base.instant import Instant
from foedus.drivers.conformance import CASES, Bench
from foedus.drivers.slurm.driver import build
from waiting import PATIENCE_S

PEOPLE = {"jerusalem": "alice", "baku": "leyla"}


@pytest.fixture(params=PEOPLE)
def bench(request, slurm_bed):
    name, person = request.param, PEOPLE[request.param]
    cluster = slurm_bed.clusters[name]
    slurm_bed.clear(name)
    stamp = f"{request.node.name}-{time.monotonic_ns()}"

    def hurry(native_id):
        slurm_bed.run(name, "scontrol", "update", f"JobId={native_id}", "EndTime=now+1")

    return Bench(
        driver=build(cluster.settings),
        account=cluster.people[person],
        folder=lambda job: slurm_bed.attempt_folder(name, person, f"{stamp}-{job}"),
        now=lambda: Instant(int(time.time() * 1000)),
        pause=lambda seconds: time.sleep(max(seconds, 0.1)),
        patience=PATIENCE_S,
        hurry=hurry,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_conforms(case, bench):
    case(bench)
