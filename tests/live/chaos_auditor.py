"""Reads the clusters' accounting again and again while everything breaks, since what it says of a run may change."""

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from slurm_bed import BedError, SlurmBed

from chaos.beside import Beside
from chaos.checker import Run
from chaos.sources import slurm_runs

_LOOK_S = 5
_SINCE = "now-5minutes"


class Auditor(Beside):
    """Notes every end that the accounting tells, for as long as the ``with`` lasts.

    A controller that was killed has forgotten the last seconds: a job that had ended runs on for it, without a process,
    until the node says that it knows nothing of it. Then the true record is written over with a run of minutes.
    """

    def __init__(self, slurm: SlurmBed, works: Mapping[str, Path]) -> None:
        super().__init__(_LOOK_S)
        self.readings: set[Run] = set()
        self._slurm, self._works = slurm, works

    def read(self, cluster: str) -> None:
        """Look once."""
        found = slurm_runs(self._slurm, cluster, self._works[cluster], _SINCE)
        self.readings |= {run for run in found if run.over}

    def look(self) -> None:
        """Look at every cluster."""
        for cluster in self._works:
            with contextlib.suppress(BedError, subprocess.TimeoutExpired):  # the accounting is down or frozen
                self.read(cluster)
