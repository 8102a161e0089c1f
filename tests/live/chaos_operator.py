"""What a site's operator does meanwhile: nodes that Slurm has taken out of service by itself are put back."""

import contextlib
import subprocess
import threading
from typing import Self

from slurm_bed import SlurmBed

from chaos.history import History

_LOOK_S = 3


class Operator:
    """Looks after the nodes of all clusters, for as long as the ``with`` lasts.

    A controller that was killed has forgotten its last jobs and gives their numbers to others. A node that still has
    such a job is drained, as ``Duplicate jobid``, until somebody resumes it: after some hours of crashes no node would
    be left.
    """

    def __init__(self, slurm: SlurmBed, history: History) -> None:
        self._slurm, self._history = slurm, history
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="operator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            for cluster in self._slurm.clusters:
                with contextlib.suppress(subprocess.TimeoutExpired):  # the controller is frozen
                    self._resume(cluster)

    def _resume(self, cluster: str) -> None:
        asked = ("sinfo", "-h", "-N", "-p", "owner", "-t", "drain", "-o", "%N %E")
        for line in self._slurm.run(cluster, *asked, ok=False).splitlines():
            node, _, reason = line.partition(" ")
            self._slurm.run(cluster, "scontrol", "update", f"nodename={node}", "state=resume", ok=False)
            self._history.note("resumed", who=f"{node} of {cluster}", why=reason)
