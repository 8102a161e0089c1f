"""How light the command line and an idle agent are, beside a bare Python.

The yardstick is the start of a Python that does nothing.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from parts.figures import figure

from foedus.cli.trial import demo

RUNS = 15
HELP_GOAL_S = 0.3
AGENT_GOAL_MB = 100.0


def seconds(*command: str) -> float:
    """Return the median wall time of a command."""
    times: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def agent_memory() -> float:
    """Return the resident memory of an agent that has had nothing to do for 20 seconds, in MB."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as folder:
        trial = demo.alliance(Path(folder))
        try:
            demo.start(trial, lambda _: None)
            time.sleep(20)
            return max(psutil.Process(agent.pid).memory_info().rss for agent in trial.agents.values()) / 1e6
        finally:
            trial.stop()


if __name__ == "__main__":
    figure("python-start", seconds(sys.executable, "-c", "pass"), "s")
    figure("foedus-help", seconds(str(Path(sys.executable).with_name("foedus")), "--help"), "s", most=HELP_GOAL_S)
    figure("idle-agent", agent_memory(), "MB", most=AGENT_GOAL_MB)
