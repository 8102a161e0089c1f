"""Processes of a trial: started with their output in a file, and ended with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foedus.core.base.errors import Broken

_GRACE_S = 15.0


@dataclass(slots=True)
class Process:
    """One ``foedus`` process that can be stopped, killed and started again."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    _running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; raises `Broken` if it does not run."""
        if self._running is None:
            raise Broken(f"{self.name} does not run")
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        """Start it, apart from the terminal's own signals."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "foedus", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to stop, and wait; kill it if it does not."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end; a process that ignores it is killed."""
        if self._running is None:
            return
        if self._running.poll() is None:
            self._running.send_signal(how)
            try:
                self._running.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._running.kill()
        self._running.wait()
        self._running = None

    def tail(self, lines: int = 20) -> str:
        """Return the end of its output."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def foedus(*arguments: str) -> str:
    """Run a ``foedus`` command to its end and return what it printed; raises `Broken` with what it said if it fails."""
    done = subprocess.run([sys.executable, "-m", "foedus", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"`foedus {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
