"""Real workload traces; they are not part of the project, so tests on them are skipped where they are not at hand."""

import os
from pathlib import Path

import pytest

from foedus.sim.logs.read import read

FOLDER = Path(os.environ.get("FOEDUS_TRACES") or Path(__file__).parents[2].parent / "shared" / "traces")


def trace(name: str, file: str, capacity: int | None = None):
    path = FOLDER / file
    if not path.exists():
        pytest.skip(f"no trace {file} in {FOLDER}; name the folder of the traces in FOEDUS_TRACES")
    return read(name, path, capacity)
