"""The process that starts supervisors: small, single-threaded, so that a fork costs little and copies no locks.

It gets a message for each run (``<restart> <folder of the attempt>``) on the socket that is its standard input, until
the agent is gone. A supervisor whose run is over waits here for the next one, since a fork would cost more than all
that it does for a short job. The supervisors live on without the spawner, and the spawner as long as one of them has a
run: what is left of a job whose supervisor is killed becomes the spawner's, which ends it.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from foedus.drivers.local import processes
from foedus.drivers.local.supervisor import adopt_orphans, detach, supervise

_LONGEST = 65_536
"""Bytes of a message, more than any path has."""
_SPARE = 8
"""Most supervisors that wait for a run."""
_PATIENCE_S = 10.0
"""How long they wait while nothing else happens."""
_BURIAL_S = 5.0
"""How long killed processes may take to vanish; one that hangs in the kernel is left behind."""
_FREE = b"free"


@dataclass(frozen=True, slots=True)
class _Supervisor:
    pid: int
    line: socket.socket
    """Passes runs on, and says when one is over; its end is the supervisor's."""


class _Spawner:
    """The supervisors, and what they are told."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._ordering = True
        self._all: dict[int, _Supervisor] = {}
        """By the descriptor of its line."""
        self._idle: list[_Supervisor] = []
        self._poll = select.poll()
        self._poll.register(orders, select.POLLIN)

    def serve(self) -> None:
        """Pass runs on until there are no more orders and every run is over."""
        while self._ordering or self._all:
            ready = self._poll.poll(_PATIENCE_S * 1000 if self._idle else None)
            for descriptor, _ in ready:
                if descriptor == self._orders.fileno():
                    self._order()
                elif descriptor in self._all:  # what came before it may have dropped it
                    self._hear(self._all[descriptor])
            if not ready:
                self._dismiss_idle()

    def _order(self) -> None:
        message = self._orders.recv(_LONGEST)
        if not message:
            self._ordering = False
            self._poll.unregister(self._orders)
            self._dismiss_idle()
            return
        while True:
            supervisor = self._idle.pop() if self._idle else self._fork()
            try:
                supervisor.line.send(message)
            except OSError:  # it was killed while it waited; its end is seen at the next turn
                continue
            return

    def _hear(self, supervisor: _Supervisor) -> None:
        if not _received(supervisor.line):
            self._drop(supervisor)
            self._clear(supervisor.pid)
        elif self._ordering and len(self._idle) < _SPARE:
            self._idle.append(supervisor)
        else:
            self._dismiss(supervisor)

    def _dismiss_idle(self) -> None:
        while self._idle:
            self._dismiss(self._idle.pop())

    def _dismiss(self, supervisor: _Supervisor) -> None:
        """Let a supervisor without a run end."""
        self._drop(supervisor)
        os.waitpid(supervisor.pid, 0)

    def _drop(self, supervisor: _Supervisor) -> None:
        self._poll.unregister(supervisor.line)
        del self._all[supervisor.line.fileno()]
        supervisor.line.close()
        if supervisor in self._idle:
            self._idle.remove(supervisor)

    def _clear(self, pid: int) -> None:
        """End what a supervisor has left that is gone; once it is waited for, all of that is this process's."""
        os.waitpid(pid, 0)
        known = {one.pid for one in self._all.values()}
        give_up = time.monotonic() + _BURIAL_S
        while time.monotonic() < give_up:
            left = [child for child in processes.children(os.getpid()) if child not in known]
            if not left:
                return
            for child in left:
                processes.signal_all([child, *processes.descendants(child)], signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)

    def _fork(self) -> _Supervisor:
        line, its_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            line.close()
            for other in self._all.values():
                other.line.close()  # else nobody would notice the end of this spawner
            _work(its_line)
        its_line.close()
        supervisor = _Supervisor(pid, line)
        self._all[line.fileno()] = supervisor
        self._poll.register(line, select.POLLIN)
        return supervisor


def _work(line: socket.socket) -> NoReturn:
    """Be a supervisor: carry out one run after another, as long as nothing is left of any."""
    try:
        detach()
        gone = False
        while not gone and (message := _run_for(line)):
            restart, _, folder = message.partition(b" ")
            gone = not supervise(Path(os.fsdecode(folder)), int(restart))
            if not gone:
                line.send(_FREE)
    finally:
        os._exit(0)


def _run_for(line: socket.socket) -> bytes:
    """Wait for a run. Only now may a SIGTERM end a supervisor: it would be taken for one to its next run."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        return _received(line)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _received(line: socket.socket) -> bytes:
    """Wait for a message; empty if the other end is gone."""
    try:
        return line.recv(_LONGEST)
    except OSError:
        return b""


def main() -> None:
    """Serve whoever holds the other end of standard input."""
    os.chdir("/")
    adopt_orphans()
    processes.boot()  # loads once what every supervisor would load for itself
    gc.freeze()  # a collection in a fork would copy every page
    _Spawner(socket.socket(fileno=0)).serve()


if __name__ == "__main__":
    main()
