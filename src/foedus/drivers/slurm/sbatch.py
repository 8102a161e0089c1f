"""sbatch: hand a script to the cluster."""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.jobs.sbatch import options_of
from foedus.core.jobs.spec import ArrayTask, JobSpec
from foedus.drivers.base import Launch
from foedus.drivers.slurm import directives
from foedus.drivers.slurm.patterns import for_task
from foedus.drivers.slurm.run import Done
from foedus.drivers.slurm.settings import LaneSettings

ARRAY_OUTPUT = "slurm-%A_%a.out"
"""Where Slurm writes the output of an array's task unless the script says otherwise."""

_TAKEN_BACK = ("reservation", "array", "dependency")
_ID = re.compile(r"^([1-9][0-9]*)(?:;[^\n]*)?$", re.MULTILINE)
_FAILED = re.compile(r"Batch job submission failed: (.+?)\s*$", re.MULTILINE)
_TROUBLE = (
    "unable to contact slurm controller",
    "not responding",
    "socket timed out",
    "zero bytes were transmitted or received",
    "connection failure",
    "connect failure",
    "communication",
    "message receive failure",
    "message send failure",
    "unexpected message received",
    "unexpected missing socket",
    "insane message length",
    "header lengths are longer",
    "incompatible versions of client and server",
    "authentication",
    "invalid authentication credential",
    "standby mode",
    "backup mode",
    "temporarily unable",
    "resource temporarily unavailable",
    "slurm database",
    "unable to establish configuration source",
)
"""Parts of messages after which nobody knows whether the job exists, or which say nothing about the job."""
_SYSTEM = frozenset(os.strerror(number).lower() for number in errno.errorcode)


def command(launch: Launch, lane: LaneSettings, script: Path) -> list[str]:
    """Return the argument list for one attempt.

    What the user gave beside the script comes first and what Foedus decides comes last, since the last one counts. An
    empty ``--array``, ``--dependency`` or ``--reservation`` takes back the script's own: the first two are resolved
    before a job is bound, the last is a thing of one site. It is given only against one of the script's, since the
    job sees it in its environment.
    """
    spec = launch.spec
    given = options_of(spec)
    decided = {
        "comment": launch.marker.text,
        "chdir": str(directory(launch)),
        "job-name": spec.name,
        "partition": lane.partition,
        **({"account": lane.account} if lane.account else {}),
        **({"qos": lane.qos} if lane.qos else {}),
        **{name: "" for name in _TAKEN_BACK if name in given},
        **outputs(spec, launch.task),
    }
    options = [f"--{name}={value}" for name, value in decided.items()]
    return ["sbatch", *spec.overrides, "--parsable", *options, str(script), *spec.arguments]


def unwanted(lane: LaneSettings) -> list[str]:
    """Return the options of a script that mean nothing at this site and that no option of ours takes back.

    An empty ``--account`` or ``--qos`` would be refused wherever accounting enforces them.
    """
    return [name for name, ours in (("account", lane.account), ("qos", lane.qos)) if not ours]


def directory(launch: Launch) -> Path:
    """Return the job's working directory: the attempt's own, one below it, or the absolute one of the script."""
    return launch.work / (launch.spec.chdir or "")


def outputs(spec: JobSpec, task: ArrayTask | None) -> dict[str, str]:
    """Return the options for the output files that sbatch has to be told.

    Slurm sees a task of an array as a plain job, so ``%A`` and ``%a`` are filled in here; a plain job's patterns are
    left to Slurm.
    """
    if task is None:
        return {}
    found = {"output": for_task(spec.output or ARRAY_OUTPUT, task)}
    return found | ({"error": for_task(spec.error, task)} if spec.error else {})


def array_variables(task: ArrayTask | None) -> dict[str, str]:
    """Return what the script of an array's task finds in its environment: the whole array's figures."""
    if task is None:
        return {}
    return {
        "SLURM_ARRAY_JOB_ID": task.array,
        "SLURM_ARRAY_TASK_ID": str(task.index),
        "SLURM_ARRAY_TASK_COUNT": str(task.count),
        "SLURM_ARRAY_TASK_MIN": str(task.lowest),
        "SLURM_ARRAY_TASK_MAX": str(task.highest),
        "SLURM_ARRAY_TASK_STEP": str(task.step),
    }


def environment(launch: Launch, login: Mapping[str, str], site: Mapping[str, str]) -> dict[str, str]:
    """Return sbatch's whole environment, which is the job's own under ``--export=ALL``.

    A user's ``SLURM_*`` and ``SBATCH_*`` are left out: they would be read as options of this sbatch. Slurm hands the
    array's variables and the count of restarts on whatever ``--export`` says.
    """
    own = {name: value for name, value in launch.spec.environment if not name.startswith(("SLURM_", "SBATCH_"))}
    restarts = {"SLURM_RESTART_COUNT": str(launch.restarts)} if launch.restarts else {}
    return {**login, **own, **array_variables(launch.task), **restarts, **site}


def copy(script: str, lane: LaneSettings) -> str:
    """Return what sbatch reads: the script, byte for byte, but for the options that are `unwanted` here."""
    return directives.blank(script, unwanted(lane))


def parse(done: Done) -> str:
    """Return the job id.

    An id counts even if sbatch failed afterwards: the job is there. Raises `SchedulerRefused` if Slurm said no, and
    `SiteTrouble` if the answer may have been lost.
    """
    match = _ID.search(done.out)
    if match:
        return match[1]
    if done.code == 0:
        raise SiteTrouble(f"sbatch printed no job id: {done.words}")
    if done.code < 0 or trouble(done.err):
        raise SiteTrouble(f"sbatch failed with {done.code}: {done.words}")
    raise SchedulerRefused(_plain(done.words), remedy="change the options that Slurm names")


def is_slurms(done: Done) -> bool:
    """Say whether sbatch itself said something: what else failed in its place may have failed after it."""
    return any(line.startswith("sbatch: ") for line in done.err.splitlines())


def trouble(words: str) -> bool:
    """Tell a cluster that did not answer from one that said no."""
    text = words.lower()
    if any(part in text for part in _TROUBLE):
        return True
    match = _FAILED.search(words)
    return match is not None and match[1].lower() in _SYSTEM


def _plain(words: str) -> str:
    return "\n".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in words.splitlines())
