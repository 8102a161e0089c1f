"""The driver's side of the spawner: starts it when it is needed, and tells it what to run."""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import foedus

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from foedus.drivers.local.spawner import main; main()"
_AGAIN = 10.0
"""Seconds after which a run that nobody has claimed is told again: its supervisor may have found the disk full."""


class Foreman:
    """Hands runs to a spawner. To say it twice does no harm: a run is claimed by one supervisor only."""

    def __init__(self) -> None:
        self._spawner: int | None = None
        """Its process."""
        self._line: socket.socket | None = None
        self._told: dict[str, tuple[int, float]] = {}
        """Newest restart that this spawner was told of, and when, by the attempt's name."""

    def send(self, folder: Path, restart: int) -> None:
        """Have a run started, unless this spawner was told a moment ago."""
        line = self._line if self._line is not None and self._lives() else self._start()
        now = time.monotonic()
        told, when = self._told.get(folder.name, (None, now))
        if told == restart and now < when + _AGAIN:
            return
        try:
            line.send(f"{restart} {folder}".encode())
        except ConnectionError:
            return  # it is gone: the next pass finds the run without a supervisor and starts another spawner
        self._told[folder.name] = (restart, now)

    def forget(self, folder: Path) -> None:
        """Drop the runs of an attempt that is over."""
        self._told.pop(folder.name, None)

    def close(self) -> None:
        """Let the spawner end once its supervisors have; they go on."""
        if self._line is not None:
            self._line.close()
        self._line = None

    def _lives(self) -> bool:
        if self._spawner is None:
            return False
        with contextlib.suppress(ChildProcessError):
            ended, _ = os.waitpid(self._spawner, os.WNOHANG)
            return ended == 0
        return False

    def _start(self) -> socket.socket:
        self.close()
        self._told.clear()
        root = str(Path(foedus.__file__).parents[1])
        self._line, its_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_line:
            # An environment of its own: what the agent was started with is no business of jobs or of /proc readers.
            self._spawner = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _BOOT, root],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, its_line.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        return self._line
