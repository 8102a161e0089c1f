"""Nemeses that strike what is under a supervisor: kill, stop, turn its clock, fill its disk, double it, age it."""

import errno
import os
import random
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.clocks import HOUR_S, FalseClock
from chaos.disks import SmallDisk
from chaos.nemeses import Span
from chaos.victims import Victim, signal_all
from foedus.cli.trial.processes import Process

_AGAIN = 0.25
_BEGINNING_S = 3.0
_LONG = 0.2
_COPY = "yesterday"
Wait = Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """``kill -9``, a pause, and a fresh start; one time in four it is killed once more while it begins."""

    victim: Victim
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"kill {self.victim.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        with self.victim.down():
            wait(self.down.draw(chance))
        if chance.random() < _AGAIN:
            wait(chance.uniform(0, _BEGINNING_S))
            self.victim.kill_again()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A restart by the book: it saves what it knows, ends, and is started again."""

    victim: Victim
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"restart {self.victim.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        with self.victim.down(hard=False):
            wait(self.down.draw(chance))


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """``SIGSTOP``, a pause, ``SIGCONT``: it does not know that time has passed. One time in five past every timeout."""

    victim: Victim
    every: Span
    down: Span
    long: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"freeze {self.victim.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        span = self.long if chance.random() < _LONG else self.down
        stopped = self.victim.freeze()
        try:
            wait(span.draw(chance))
        finally:
            signal_all(stopped, signal.SIGCONT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """The clock of a process jumps by an hour, either way, and is set right after a while."""

    clock: FalseClock
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"clock of {self.clock.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        right = self.clock.ahead
        self.clock.set(right + chance.choice((HOUR_S, -HOUR_S)))
        try:
            wait(self.down.draw(chance))
        finally:
            self.clock.set(right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """No byte more fits on the disks of one machine."""

    of: str
    disks: Sequence[SmallDisk]
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"disk full at {self.of}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        try:
            for disk in self.disks:
                disk.fill()
            wait(self.down.draw(chance))
        finally:
            for disk in self.disks:
                disk.empty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A second agent of the same site: on the same folder, or on a copy of it as on a second machine."""

    victim: Victim
    process: Process
    state: Path
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"second {self.victim.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        if chance.random() < 0.5:
            with self.victim.held():
                self._run(self.state, self.down.draw(chance), wait)
            return
        copy = self.state.with_name("twin")
        try:
            with self.victim.down():
                copied = _copied(self.state, copy)
            if copied:
                (copy / "lock").unlink(missing_ok=True)
                self._run(copy, self.down.draw(chance), wait)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _run(self, state: Path, seconds: float, wait: Wait) -> None:
        words = tuple(str(state) if word == str(self.state) else word for word in self.process.arguments)
        twin = Process("twin", words, self.process.log.with_suffix(".twin.log"), self.process.environment)
        twin.start()
        try:
            wait(seconds)
        finally:
            twin.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """The agent is restored from a copy of its state that was made at the strike before."""

    victim: Victim
    state: Path
    every: Span
    down: Span
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"old journal for {self.victim.name}"

    def strike(self, chance: random.Random, wait: Wait) -> None:
        old, now = self.state.with_name(_COPY), self.state.with_name("today")
        with self.victim.down():
            if _copied(self.state, now):
                if old.exists():
                    shutil.rmtree(self.state)
                    old.rename(self.state)
                now.rename(old)
            wait(self.down.draw(chance))


def _copied(folder: Path, copy: Path) -> bool:
    """Copy a folder; no, and no trace of a copy, if the disk is full in this very moment."""
    try:
        shutil.copytree(folder, copy)
    except OSError as error:
        shutil.rmtree(copy, ignore_errors=True)
        if os.strerror(errno.ENOSPC) in str(error):
            return False
        raise
    return True
