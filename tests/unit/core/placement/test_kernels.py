"""Compiled or plain, the same comes out."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
from foedus.sim.alliance import Alliance, Terms
from foedus.sim.schedules import SCHEDULES
from foedus.sim.workload import Remarks, Workload
from foedus.core.placement.kernels import COMPILED

def site(name, capacity, seed):
    chance = np.random.default_rng(seed)
    run = chance.integers(1, 5000, 300)
    return Workload(
        name=name, capacity=capacity, unit="processors", submit=np.sort(chance.integers(0, 200_000, 300)), run=run,
        width=chance.integers(1, capacity // 2, 300), limit=run * chance.integers(1, 5, 300), remarks=Remarks(),
    )

alliance = Alliance((site("a", 16, 1), site("b", 40, 2), site("c", 24, 3)))
print(COMPILED)
for schedule in SCHEDULES.values():
    print(schedule.run(alliance, Terms(bound=0.1, staging=60)).end.tolist())
for preemptible in (0.0, 0.5, 1.0):
    outcome = alliance.together(Terms(preemptible=preemptible, bound=0.1))
    print(outcome.end.tolist(), outcome.recalls.tolist(), outcome.lost.tolist())
"""


def told(**environment):
    command = [sys.executable, "-c", PROGRAM]
    answer = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    return answer.stdout.splitlines()


def test_plain_python_decides_as_the_compiled_kernels_do():
    compiled, plain = told(NUMBA_DISABLE_JIT="0"), told(NUMBA_DISABLE_JIT="1")
    assert (compiled[0], plain[0]) == ("True", "False")
    assert compiled[1:] == plain[1:]
