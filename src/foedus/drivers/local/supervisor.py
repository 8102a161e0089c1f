"""One process for each running job: starts the script, holds it to its limits, writes down how it ended.

It is the only process that can say so, and it outlives the agent. It adopts every descendant of the script (also those
that leave its session), so nothing of a job is left when the job is over. Only then may it be given another run.
"""

import contextlib
import ctypes
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from foedus.drivers.local import processes
from foedus.drivers.local.records import Begun, Done, Orders, path_of, read, write

STOP = "stop"
"""Suffix of the file that says why a run is to end: the outcome that it gets."""
MARK = "FOEDUS_ATTEMPT"
"""Variable by which a job's processes are found when their supervisor was killed: the attempt's folder, which no other
alliance or site on this machine has."""
SIGNAL = "signal"
"""Suffix of the file that says which signal a run is to be sent, and who of it: ``15 all``."""
ORDERED = signal.SIGUSR1
"""Has a supervisor read what its run is to be sent, or why it is to end. It may come when that run is over: to the next
one it means nothing."""
_SET_CHILD_SUBREAPER = 36
_ENDS = {signal.SIGTERM, ORDERED}
_WATCHED = {signal.SIGCHLD, *_ENDS}
_NOT_FOR_JOBS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM)
"""What Python ignores or handles: a script begins with the defaults."""
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
    signalled: bool = False
    kill_at: float | None = None
    most_memory: int = 0
    processor_seconds: float = 0.0


def supervise(folder: Path, restart: int) -> bool:
    """Run the job of one run, unless somebody has claimed that run already; say whether nothing of it is left."""
    orders = read(folder, restart, Orders)
    pid = os.getpid()
    born = processes.ticks(pid)
    if orders is None or born is None or orders.boot != processes.boot():
        return True
    offset = time.clock_gettime(time.CLOCK_REALTIME) - _clock()
    started = int(offset + _clock())
    if not write(folder, restart, Begun(pid=pid, ticks=born, boot=orders.boot, started=started), claim=True):
        return True
    run = _Run(folder=folder, restart=restart, orders=orders, started=started, clock_offset=offset)
    try:
        buried = _run(run)
    except Exception:  # noqa: BLE001  whatever happens, the end is written down and nothing is left running
        run.outcome, run.reason = "node-fail", traceback.format_exc().strip().rpartition("\n")[2]
        buried = _bury(run)
    _write_end(run)
    tell_end(orders.wake, folder.name)
    return buried


def detach() -> None:
    """Leave the session of whoever forked this process, and adopt what its jobs leave behind."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    adopt_orphans()


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    if _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _clock() -> float:
    """Seconds by a clock that nobody sets and that a suspended machine does not stop."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _NotExecuted(OSError):
    """The script was about to be executed: the job ends with the number of the error, as in a shell."""


def _run(run: _Run) -> bool:
    try:
        run.script = _start(run.orders)
    except OSError as error:
        code = error.errno if isinstance(error, _NotExecuted) else None
        run.status = (code or _CANNOT_START) << 8
        run.reason = f"cannot start the script: {error}"
    else:
        _watch(run)
    return _bury(run)


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
        if caught is not None and caught.si_signo in _ENDS:
            _signal_as_ordered(run)
            _end_as_ordered(run, by_machine=caught.si_signo == signal.SIGTERM)
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


def _signal_as_ordered(run: _Run) -> None:
    """Send the signal that the driver wants, once."""
    try:
        text = path_of(run.folder, run.restart, Orders).with_suffix(f".{SIGNAL}").read_text(encoding="ascii")
    except FileNotFoundError:
        return
    if not run.signalled:
        run.signalled = True
        number, _, whom = text.partition(" ")
        steps = [pid for pid in processes.descendants(os.getpid()) if pid != run.script]
        hearers = {"batch": [run.script], "steps": steps, "all": [*steps, run.script]}[whom]
        processes.signal_all(hearers, signal.Signals(int(number)))


def _end_as_ordered(run: _Run, *, by_machine: bool) -> None:
    """End this run as the driver wants; a SIGTERM that nobody ordered comes from a machine that shuts down."""
    try:
        outcome = path_of(run.folder, run.restart, Orders).with_suffix(f".{STOP}").read_text(encoding="ascii")
    except FileNotFoundError:
        if by_machine:
            _end(run, "node-fail", "the supervisor was told to end by the machine")
    else:
        _end(run, outcome, "")


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


def _bury(run: _Run) -> bool:
    """End what the script left behind; say whether nothing is left."""
    give_up = _clock() + _BURIAL
    while _reap(run):
        if _clock() >= give_up:
            return False
        processes.signal_all(processes.descendants(os.getpid()), signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return True


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


def _start(orders: Orders) -> int:
    """Start the script with the account, the place and the output files of the job; return its process.

    All this is set up here, where the script inherits it, and undone afterwards: a fork would copy this process.
    """
    with _affinity(orders), _account(orders), contextlib.ExitStack() as files:
        Path(orders.work).mkdir(parents=True, exist_ok=True)
        script = Path(orders.folder) / "slurm_script"
        _store(script, orders.script.encode())
        streams = _open_files(orders, files)
        files.callback(os.chdir, "/")
        _enter(orders, streams[2])
        return _spawn(orders, str(script), streams)


def _spawn(orders: Orders, script: str, streams: tuple[int, int, int]) -> int:
    if orders.uid != os.getuid():
        # root's rights are kept as the saved ones alone, and those end with the call that executes the script
        os.setresgid(orders.gid, orders.gid, -1)
        os.setresuid(orders.uid, orders.uid, -1)
    try:
        return os.posix_spawn(
            script,
            [script, *orders.arguments],
            orders.environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)],
            setsid=True,
            setsigmask=(),
            setsigdef=_NOT_FOR_JOBS,
        )
    except OSError as error:
        os.write(streams[2], f"foedus: cannot start the script: {error}\n".encode())
        raise _NotExecuted(error.errno, error.strerror, script) from error


@contextlib.contextmanager
def _affinity(orders: Orders) -> Generator[None]:
    """Hold this process to the CPUs of the job, for the script to inherit."""
    if orders.affinity is None:
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, orders.affinity)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


@contextlib.contextmanager
def _account(orders: Orders) -> Generator[None]:
    """Act with the rights of the job's account, and no others."""
    umask, user, group, groups = os.umask(0o022), os.getresuid(), os.getresgid(), os.getgroups()
    other = orders.uid != os.geteuid()
    try:
        if other:
            os.initgroups(orders.user, orders.gid)
            os.setegid(orders.gid)
            os.seteuid(orders.uid)
        yield
    finally:
        if other:
            os.setresuid(*user)
            os.setresgid(*group)
            os.setgroups(groups)
        os.umask(umask)


def _enter(orders: Orders, complaints: int) -> None:
    try:
        os.chdir(orders.chdir)
    except OSError as error:
        words = f"foedus: cannot enter {orders.chdir}: {error.strerror}: going to {orders.work}\n"
        os.write(complaints, words.encode())
        os.chdir(orders.work)


def _store(script: Path, content: bytes) -> None:
    script.unlink(missing_ok=True)
    descriptor = os.open(script, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _open_files(orders: Orders, files: contextlib.ExitStack) -> tuple[int, int, int]:
    def opened(path: str, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        files.callback(os.close, descriptor)
        return descriptor

    stdin = opened(orders.stdin, os.O_RDONLY)
    writing = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if orders.append else os.O_TRUNC)
    stdout = opened(orders.stdout, writing)
    return stdin, stdout, stdout if orders.stderr == orders.stdout else opened(orders.stderr, writing)


if sys.platform != "linux":
    raise ImportError("the local driver reads /proc and adopts processes as only Linux lets it")
