"""One process for each running job: starts the script, holds it to its limits, writes down how it ended.

It is the only process that can say so, and it outlives the agent. It adopts every descendant of the script (also those
that leave its session), so nothing of a job is left when the job is over.
"""

import contextlib
import ctypes
import errno
import math
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from foedus.drivers.local import processes
from foedus.drivers.local.records import Begun, Done, Orders, path_of, read, write

STOP = "stop"
"""Suffix of the file that says why a run is to end: the outcome that it gets."""
MARK = "FOEDUS_ATTEMPT"
"""Variable by which a job's processes are found when their supervisor was killed: the attempt's folder, which no other
alliance or site on this machine has."""
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_WATCHED = {signal.SIGCHLD, signal.SIGTERM}
_BURIAL = 5.0
"""Seconds for killed processes to vanish; one that hangs in the kernel is left behind."""
_CANNOT_START = 1
_RETRY = 1.0
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True, kw_only=True)
class _Run:
    """What a supervisor knows of its job while it runs."""

    folder: Path
    restart: int
    orders: Orders
    started: int
    clock_offset: float
    script: int = 0
    status: int | None = None
    outcome: str | None = None
    reason: str = ""
    warned: bool = False
    kill_at: float | None = None
    most_memory: int = 0
    processor_seconds: float = 0.0


def supervise(folder: Path, restart: int) -> None:
    """Run the job of one run, unless somebody has claimed that run already."""
    _detach()
    orders = read(folder, restart, Orders)
    pid = os.getpid()
    born = processes.ticks(pid)
    if orders is None or born is None or orders.boot != processes.boot():
        return
    offset = time.clock_gettime(time.CLOCK_REALTIME) - _clock()
    started = int(offset + _clock())
    if not write(folder, restart, Begun(pid=pid, ticks=born, boot=orders.boot, started=started), claim=True):
        return
    run = _Run(folder=folder, restart=restart, orders=orders, started=started, clock_offset=offset)
    try:
        _run(run)
    except Exception:  # noqa: BLE001  whatever happens, the end is written down and nothing is left running
        run.outcome, run.reason = "node-fail", traceback.format_exc().strip().rpartition("\n")[2]
        _bury(run)
    _write_end(run)
    tell_end(orders.wake, folder.name)


def _detach() -> None:
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _clock() -> float:
    """Seconds by a clock that nobody sets and that a suspended machine does not stop."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _run(run: _Run) -> None:
    complaints, complain = os.pipe()
    supervisor = os.getpid()
    run.script = os.fork()
    if run.script == 0:
        _become_script(run.orders, supervisor, complain)
    os.close(complain)
    _watch(run)
    _bury(run)
    run.reason = run.reason or os.read(complaints, 4096).decode(errors="replace")
    os.close(complaints)


def _watch(run: _Run) -> None:
    """Wait until the script ends, by itself or because it must."""
    orders = run.orders
    deadline = _clock() + orders.limit
    look_at = _clock() + min(orders.poll, 0.2)
    warn_at = deadline - orders.warning_before if orders.warning else math.inf
    while run.status is None:
        due = min(look_at, run.kill_at if run.kill_at is not None else deadline, math.inf if run.warned else warn_at)
        caught = signal.sigtimedwait(_WATCHED, max(due - _clock(), 0.0))
        _reap(run)
        if run.status is not None:
            return
        now = _clock()
        if caught is not None and caught.si_signo == signal.SIGTERM:
            _end(run, *_ordered_end(run))
        if now >= warn_at and not run.warned:
            run.warned = True
            os.kill(run.script, orders.warning)
        if now >= deadline:
            _end(run, "timeout", f"ran longer than its {orders.limit} s")
        if now >= look_at:
            look_at = now + orders.poll
            _look(run)
        if run.kill_at is not None and now >= run.kill_at:
            processes.signal_all(processes.descendants(os.getpid()), signal.SIGKILL)
            run.kill_at = now + orders.poll


def _ordered_end(run: _Run) -> tuple[str, str]:
    """Read why this run is to end; a SIGTERM that nobody ordered comes from a machine that shuts down."""
    try:
        outcome = path_of(run.folder, run.restart, Orders).with_suffix(f".{STOP}").read_text(encoding="ascii")
    except FileNotFoundError:
        return "node-fail", "the supervisor was told to end by the machine"
    return outcome, ""


def _end(run: _Run, outcome: str, reason: str) -> None:
    if run.outcome is None:
        run.outcome, run.reason = outcome, reason
        run.kill_at = _clock() + run.orders.grace
        family = processes.descendants(os.getpid())
        processes.signal_all(family, signal.SIGCONT)
        processes.signal_all(family, signal.SIGTERM)


def _look(run: _Run) -> None:
    """Give a sign of life and hold the job to its memory."""
    with contextlib.suppress(OSError):
        os.utime(path_of(run.folder, run.restart, Begun))
    family = processes.descendants(os.getpid())
    held = processes.resident(family)
    run.most_memory = max(run.most_memory, held)
    if held > run.orders.memory and run.outcome is None:
        run.outcome = "out-of-memory"
        run.reason = f"held {held >> 20} MiB of {run.orders.memory >> 20} MiB"
        run.kill_at = _clock()


def _reap(run: _Run) -> bool:
    """Bury every child that has ended; False once there is none left."""
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        run.processor_seconds += used.ru_utime + used.ru_stime
        run.most_memory = max(run.most_memory, used.ru_maxrss * 1024)
        if pid == run.script:
            run.status = status


def _bury(run: _Run) -> None:
    """End what the script left behind."""
    give_up = _clock() + _BURIAL
    while _reap(run) and _clock() < give_up:
        processes.signal_all(processes.descendants(os.getpid()), signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)


def _write_end(run: _Run) -> None:
    """Write the end down, however long the disk is full; where the folder is gone, nobody is left to tell."""
    done = _done(run)
    while True:
        try:
            write(run.folder, run.restart, done)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(_RETRY)
        else:
            return


def _done(run: _Run) -> Done:
    ended = max(int(run.clock_offset + _clock()), run.started)
    code = os.waitstatus_to_exitcode(run.status) if run.status is not None else 0
    return Done(
        outcome=run.outcome or ("completed" if code == 0 else "failed"),
        exit_code=max(code, 0),
        signal=max(-code, 0),
        started=run.started,
        ended=ended,
        reason=run.reason,
        most_memory=run.most_memory,
        processor_seconds=round(run.processor_seconds, 3),
    )


def tell_end(pipe: str, name: str = "") -> None:
    """Wake a driver, if one listens, with the name of an attempt that has ended. One that is full looks at all."""
    with contextlib.suppress(OSError):
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(descriptor, f"{name}\n".encode())
        os.close(descriptor)


def _become_script(orders: Orders, supervisor: int, complain: int) -> NoReturn:
    """Turn this forked process into the job; never returns."""
    code = _CANNOT_START
    try:
        script = _prepare(orders, supervisor)
        code = errno.ENOEXEC
        os.execve(script, [script, *orders.arguments], orders.environment)  # noqa: S606  the job is what this runs
    except OSError as error:
        message = f"cannot start the script: {error}"
        code = (error.errno or code) if code != _CANNOT_START else code
        os.write(complain, message.encode()[:4096])
        os.write(2, f"foedus: {message}\n".encode())
    finally:
        os._exit(code)


def _prepare(orders: Orders, supervisor: int) -> str:
    """Take on the account, the place and the output files of the job; returns the path of the stored script."""
    os.setsid()
    if orders.affinity is not None:
        os.sched_setaffinity(0, orders.affinity)
    if orders.uid != os.geteuid():
        os.initgroups(orders.user, orders.gid)
        os.setgid(orders.gid)
        os.setuid(orders.uid)
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        raise OSError("the supervisor is gone")
    os.umask(0o022)
    Path(orders.work).mkdir(parents=True, exist_ok=True)
    script = Path(orders.folder) / "slurm_script"
    _store(script, orders.script.encode())
    _open_files(orders)
    try:
        os.chdir(orders.chdir)
    except OSError as error:
        os.write(2, f"foedus: cannot enter {orders.chdir}: {error.strerror}: going to {orders.work}\n".encode())
        os.chdir(orders.work)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    return str(script)


def _store(script: Path, content: bytes) -> None:
    script.unlink(missing_ok=True)
    descriptor = os.open(script, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _open_files(orders: Orders) -> None:
    os.dup2(os.open(orders.stdin, os.O_RDONLY | os.O_CLOEXEC), 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if orders.append else os.O_TRUNC)
    descriptor = os.open(orders.stdout, flags, 0o644)
    os.dup2(descriptor, 1)
    if orders.stderr != orders.stdout:
        descriptor = os.open(orders.stderr, flags, 0o644)
    os.dup2(descriptor, 2)


if sys.platform != "linux":
    raise ImportError("the local driver reads /proc and adopts processes as only Linux lets it")
