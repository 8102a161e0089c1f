"""The driver's side of the spawner: starts it when it is needed, and tells it what to run."""

import contextlib
import subprocess
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
        self._spawner: subprocess.Popen[bytes] | None = None
        self._told: dict[str, tuple[int, float]] = {}
        """Newest restart that this spawner was told of, and when, by the attempt's name."""

    def send(self, folder: Path, restart: int) -> None:
        """Have a run started, unless this spawner was told a moment ago."""
        spawner = self._running()
        now = time.monotonic()
        told, when = self._told.get(folder.name, (None, now))
        if (told == restart and now < when + _AGAIN) or spawner.stdin is None:
            return
        try:
            spawner.stdin.write(f"{restart} {folder}\n".encode())
            spawner.stdin.flush()
        except BrokenPipeError:
            return  # it is gone: the next pass finds the run without a supervisor and starts another spawner
        self._told[folder.name] = (restart, now)

    def forget(self, folder: Path) -> None:
        """Drop the runs of an attempt that is over."""
        self._told.pop(folder.name, None)

    def close(self) -> None:
        """Let the spawner end; its supervisors go on."""
        if self._spawner is not None and self._spawner.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._spawner.stdin.close()
            self._spawner.wait()
        self._spawner = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._spawner is None or self._spawner.poll() is not None:
            self.close()
            self._told.clear()
            root = str(Path(foedus.__file__).parents[1])
            # An environment of its own: what the agent was started with is no business of jobs or of /proc readers.
            self._spawner = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
            )
        return self._spawner
