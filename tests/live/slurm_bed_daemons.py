"""Daemons of the test bed: started in the foreground form, in their own sessions, remembered by pid and birth time."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

PATIENCE_S = 240.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BIRTHMARK = "FOEDUS_SLURM_BED"
"""Variable in the environment of every daemon of a bed (and of the slurmstepds that they start): its folder."""


class BedError(RuntimeError):
    """The bed could not be built or used; the message has the end of the log that says why."""


def spawn(argv: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> tuple[int, float]:
    """Start a daemon and return its pid and birth time."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**environment, BIRTHMARK: str(folder)},
            start_new_session=True,
        )
    born = psutil.Process(child.pid).create_time()
    child.returncode = 0  # it outlives this object on purpose; `end` reaps it
    return child.pid, born


def alive(pid: int, born: float) -> bool:
    """Say whether this very process still runs."""
    try:
        process = psutil.Process(pid)
        return process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(pid: int, born: float, *, hard: bool = False, patience: float = 10) -> None:
    """End one process and wait until it is gone; a pid that now belongs to somebody else is left alone."""
    if not alive(pid, born):
        _reap(pid)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL if hard else signal.SIGTERM)
    until = time.monotonic() + patience
    while alive(pid, born):
        if time.monotonic() > until:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        _reap(pid)
    _reap(pid)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def end_marked(folder: Path) -> None:
    """End whatever still carries the bed's birthmark: slurmstepds that outlived their slurmd, and their jobs."""
    mark = str(folder)
    doomed = [process for process in psutil.process_iter() if _marked(process, mark)]
    family = {child for process in doomed for child in _children(process)} | set(doomed)
    for process in family - {psutil.Process()}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(list(family), timeout=5)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(BIRTHMARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def wait_until(what: str, ready: Callable[[], bool], log: Path | None = None, *, patience: float = PATIENCE_S) -> None:
    """Wait for something; raises `BedError` with the end of the log if it does not come."""
    until = time.monotonic() + patience
    while not ready():
        if time.monotonic() > until:
            tail = log.read_text(errors="replace")[-3000:] if log and log.exists() else ""
            raise BedError(f"{what}: not within {patience:g} s\n{tail}")
        time.sleep(0.05)


def end_marked_with(folder: Path, part: str) -> None:
    """End the bed's processes whose command line names `part`, with their children."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if _marked(process, str(folder)) and any(part in word for word in process.cmdline()):
                for one in [*process.children(recursive=True), process]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
