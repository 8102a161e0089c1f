"""What a site's operator does meanwhile: nodes that Slurm has taken out of service by itself are put back."""

import contextlib
import subprocess

from slurm_bed import SlurmBed

from chaos.beside import Beside
from chaos.history import History

_LOOK_S = 3


class Operator(Beside):
    """Looks after the nodes of all clusters, for as long as the ``with`` lasts.

    A controller that was killed has forgotten its last jobs and gives their numbers to others. A node that still has
    such a job is drained, as ``Duplicate jobid``, until somebody resumes it: after some hours of crashes no node would
    be left.
    """

    def __init__(self, slurm: SlurmBed, history: History) -> None:
        super().__init__(_LOOK_S)
        self._slurm, self._history = slurm, history

    def look(self) -> None:
        """Resume what is drained."""
        for cluster in self._slurm.clusters:
            with contextlib.suppress(subprocess.TimeoutExpired):  # the controller is frozen
                self._resume(cluster)

    def _resume(self, cluster: str) -> None:
        asked = ("sinfo", "-h", "-N", "-p", "owner", "-t", "drain", "-o", "%N %E")
        for line in self._slurm.run(cluster, *asked, ok=False).splitlines():
            node, _, reason = line.partition(" ")
            self._slurm.run(cluster, "scontrol", "update", f"nodename={node}", "state=resume", ok=False)
            self._history.note("resumed", who=f"{node} of {cluster}", why=reason)
