"""Runs a program of `bench` at a tiny size; what its figures are is for a quiet machine."""

import math
import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"


def figures(program: str, *words: str, size: str = "0.001") -> dict[str, tuple[str, ...]]:
    """Return the words that follow each figure's name and value, without the verdict."""
    done = subprocess.run(
        [sys.executable, str(BENCH / program), *words],
        env={**os.environ, "FOEDUS_BENCH_SIZE": size},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert all(math.isfinite(float(value)) for _, value, *_ in lines)
    return {name: tuple(rest[:3]) for name, _, *rest in lines}
