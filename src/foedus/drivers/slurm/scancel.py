"""scancel: end a job, waiting or running, or ask a running one to end."""

from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.jobs.signals import EndSignal, Whom
from foedus.drivers.slurm.run import Done
from foedus.drivers.slurm.sbatch import trouble

_TO = {Whom.BATCH: ["--batch"], Whom.STEPS: [], Whom.ALL: ["--full"]}
_OVER = ("invalid job id specified", "already completing or completed", "job/step already")


def command(native_id: str) -> list[str]:
    """Return the argument list."""
    return ["scancel", native_id]


def signal_command(native_id: str, end: EndSignal) -> list[str]:
    """Return the argument list that sends a running job a signal.

    One that waits is passed over: without the state scancel would try for minutes.
    """
    return ["scancel", "--state=RUNNING", f"--signal={end.name}", *_TO[end.whom], native_id]


def parse(done: Done) -> None:
    """Check the answer: a job that is over or forgotten is as good as cancelled.

    Raises `SiteTrouble` if the controller did not answer, `SchedulerRefused` if it forbids this (the agent's account
    needs to be a Slurm operator to cancel other accounts' jobs).
    """
    words = done.words.lower()
    if done.code == 0 or any(part in words for part in _OVER):
        return
    if "access/permission denied" in words:
        raise SchedulerRefused(done.words, remedy="make the agent's account a Slurm operator (sacctmgr AdminLevel)")
    kind = "did not reach the controller" if trouble(done.err) else f"failed with {done.code}"
    raise SiteTrouble(f"scancel {kind}: {done.words}")
