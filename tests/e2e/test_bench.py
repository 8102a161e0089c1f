"""The programs of `bench/` run, small, and print their figures; what the figures are is not for tests to say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
LINE = re.compile(r"(\S+) [0-9]+\.[0-9]{3} \S+(?: goal [0-9.]+ (?:ok|short))?")
LISTS = [
    f"page-{{}}-{who}-{kind}"
    for who in ("office", "user")
    for kind in (
        "newest", "middle", "state", "rare-state", "states", "project", "site", "user", "name", "project-state-site",
    )
]  # fmt: skip
JOBS = ["plain-rows-{}", "submit-{}", "rows-by-key-{}", "status-of-1000-{}", *LISTS]
FIGURES = {
    "ledger_verify": [
        "ed25519", "ledger-verify", "ledger-verify-speed", "ledger-verify-share-of-ed25519",
    ],
    "many_agents": [
        "live-jobs", "agents", "hub-memory", "bare-question-p95", "orders", "order-delay-p50", "order-delay-p95",
    ],
    "many_jobs": [one.format(database) for database in ("sqlite", "postgres") for one in JOBS],
}  # fmt: skip


@pytest.mark.parametrize("program", FIGURES)
def test_a_program_prints_its_figures(program):
    done = subprocess.run(
        [sys.executable, str(BENCH / f"{program}.py")],
        env={**os.environ, "FOEDUS_BENCH_SIZE": "0.001"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [found and found[1] for found in lines]) == (0, FIGURES[program]), done.stderr
