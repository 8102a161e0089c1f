"""Processes of this machine as ``/proc`` shows them: who lives, who descends from whom, who holds how much."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def boot() -> str:
    """Return the name of this boot of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; `None` if there is none, or only its remains."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in {b"Z", b"X"} else int(fields[19])


def tell(pid: int, born: int, number: signal.Signals) -> bool:
    """Send a signal to the process that has this pid and this start; False if it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle was opened before the start is compared, so it can mean no later process of the same pid.
        if ticks(pid) != born:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def children(pid: int) -> Iterator[int]:
    """Return the processes that a process has to wait for."""
    tasks = _PROC / str(pid) / "task"
    with contextlib.suppress(OSError):
        for task in tasks.iterdir():
            with contextlib.suppress(OSError):
                yield from (int(child) for child in (task / "children").read_bytes().split())


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on."""
    found: list[int] = []
    ahead = [pid]
    while ahead:
        next_ones = list(children(ahead.pop()))
        found.extend(next_ones)
        ahead.extend(next_ones)
    return found


def resident(pids: list[int]) -> int:
    """Return the bytes that processes hold in memory together; shared pages count for each (as in Slurm's default)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    return total


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to processes that are known to be one's own descendants."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_marked(variable: str) -> int:
    """Kill every process whose environment has ``NAME=value``; returns how many there were.

    For processes whose supervisor is gone: they no longer descend from anyone who knows them.
    """
    wanted = variable.encode()
    count = 0
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        born = ticks(pid)
        with contextlib.suppress(OSError):
            if born is not None and wanted in (entry / "environ").read_bytes().split(b"\0"):
                count += tell(pid, born, signal.SIGKILL)
    return count


def _stat(pid: int) -> list[bytes] | None:
    """Return the fields of ``/proc/<pid>/stat`` that follow the name, which may itself hold blanks and brackets."""
    try:
        return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
