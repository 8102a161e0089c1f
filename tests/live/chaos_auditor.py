"""Reads the clusters' accounting again and again while everything breaks, since what it says of a run may change."""

import contextlib
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from slurm_bed import BedError, SlurmBed

from chaos.checker import Run
from chaos.sources import slurm_runs

_LOOK_S = 5
_SINCE = "now-5minutes"


class Auditor:
    """Notes every end that the accounting tells, for as long as the ``with`` lasts.

    A controller that was killed has forgotten the last seconds: a job that had ended runs on for it, without a process,
    until the node says that it knows nothing of it. Then the true record is written over with a run of minutes.
    """

    def __init__(self, slurm: SlurmBed, works: Mapping[str, Path]) -> None:
        self.readings: set[Run] = set()
        self._slurm, self._works = slurm, works
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="auditor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def read(self, cluster: str) -> None:
        """Look once."""
        found = slurm_runs(self._slurm, cluster, self._works[cluster], _SINCE)
        self.readings |= {run for run in found if run.over}

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            for cluster in self._works:
                with contextlib.suppress(BedError, subprocess.TimeoutExpired):  # the accounting is down or frozen
                    self.read(cluster)
