"""What breaks things, each a small object with a schedule of its own that follows from the seed alone.

A nemesis strikes and mends what it struck before its `strike` returns, so that whenever all of them rest everything
runs. Several strike at once, each on a thread of its own.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from chaos.history import History
from chaos.proxy import Fault, Proxy
from foedus.cli.trial.processes import Process

_AGAIN = 0.25
_BEGINNING_S = 4.0
_GREETED = "greeted the hub"
_GREETING_S = 10.0


class Mortal(Protocol):
    """A process that is killed and started: `foedus.cli.trial.processes.Process`."""

    name: str

    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Seconds, drawn evenly."""

    least: float
    most: float

    def draw(self, chance: random.Random) -> float:
        return chance.uniform(self.least, self.most)


class Nemesis(Protocol):
    """One way to break one thing."""

    name: str
    every: Span
    """Rest between two strikes."""
    most: int
    """Strikes in all."""

    def strike(self, chance: random.Random, wait: Callable[[float], object]) -> None:
        """Break it, wait, mend it. `wait` returns early when the run is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """``kill -9``, a pause, and a fresh start; one time in four it is killed once more while it begins."""

    victim: Mortal
    every: Span
    down: Span
    ready: Callable[[], None]
    """Returns when the fresh process works."""
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"kill {self.victim.name}"

    def strike(self, chance: random.Random, wait: Callable[[float], object]) -> None:
        self.victim.kill()
        wait(self.down.draw(chance))
        self.victim.start()
        if chance.random() < _AGAIN:
            wait(chance.uniform(0, _BEGINNING_S))
            self.victim.kill()
            self.victim.start()
        self.ready()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The network between two parts fails in one of several ways."""

    proxy: Proxy
    of: str
    every: Span
    down: Span
    faults: Sequence[Fault] = (Fault.CUT, Fault.HOLE, Fault.NO_ANSWER, Fault.SLOW)
    most: int = 1_000_000

    @property
    def name(self) -> str:
        return f"cut {self.of}"

    def strike(self, chance: random.Random, wait: Callable[[float], object]) -> None:
        self.proxy.fault = chance.choice(self.faults)
        try:
            wait(self.down.draw(chance))
        finally:
            self.proxy.fault = Fault.NONE


def greeted(agent: Process) -> None:
    """Wait until an agent that was just started has greeted the hub; not for ever, since the hub may be down too."""
    before = agent.log.read_text(errors="replace").count(_GREETED)
    deadline = time.monotonic() + _GREETING_S
    while time.monotonic() < deadline and agent.log.read_text(errors="replace").count(_GREETED) <= before:
        time.sleep(0.1)


class Storm:
    """All nemeses, for as long as the ``with`` lasts; afterwards everything is mended.

    At most `at_once` strike at the same time: where everything is down all the time, nothing is tried.
    """

    def __init__(self, nemeses: Sequence[Nemesis], seed: int, history: History, *, at_once: int = 1000) -> None:
        self._over = threading.Event()
        self._turns = threading.Semaphore(at_once)
        self._history = history
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._torment, args=(one, random.Random(f"{seed}/{one.name}")), name=one.name)
            for one in nemeses
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _torment(self, nemesis: Nemesis, chance: random.Random) -> None:
        try:
            for strike in range(nemesis.most):
                rest = nemesis.every.draw(chance) if strike else chance.uniform(0, nemesis.every.most)
                if self._over.wait(rest):
                    return
                with self._turns:
                    if self._over.is_set():
                        return
                    self._history.note("strike", by=nemesis.name)
                    nemesis.strike(chance, self._over.wait)
                    self._history.note("mended", by=nemesis.name)
        except BaseException as error:  # noqa: BLE001 - a nemesis that fails is a fault of the test, told at its end
            self._history.note("failed", by=nemesis.name, error=repr(error))
            self._failures.append(error)
