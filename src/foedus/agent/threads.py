"""The agent's threads: each repeats one step, waits, is woken early, and outlives every failure but a fatal one."""

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from foedus.agent.context import Context
from foedus.core.base.errors import FoedusError, Forgotten, NotAuthenticated, Stale, Unreachable

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_REFUSED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One thread's work."""

    name: str
    step: Callable[[], float]
    """Does what is due; returns the seconds until it is to be called again."""
    wake: threading.Event


def pause(failures: int, draw: float, longest: float = _LONGEST_PAUSE_S) -> float:
    """Return how long to wait after so many failures in a row: doubling, shortened by chance (`draw`, 0 to 1)."""
    return min(longest, _FIRST_PAUSE_S * 2 ** min(failures - 1, 16)) * (0.5 + draw / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How long a part waits between two steps."""

    seconds: float
    light: bool
    """It may be woken early. After a failure nothing but the end of the agent cuts the wait short."""


@dataclass(slots=True, kw_only=True)
class Turns:
    """One part's work, a turn at a time. A thread does nothing but take turns and rest."""

    loop: Loop
    context: Context
    draw: Callable[[], float] = random.random
    """Chance, from 0 up to 1: spreads the load of those who try again."""
    failures: int = 0
    """How many in a row."""

    def take(self) -> Rest:
        """Do what is due, and outlive whatever comes of it."""
        wait = _LONGEST_PAUSE_S
        try:
            wait = self.loop.step()
            if self.failures:
                self.context.log.info("works again", part=self.loop.name)
            self.failures = 0
            self.context.trouble.pop(self.loop.name, None)
        except Exception as error:  # noqa: BLE001  # a bug in one part must not end the others
            self.failures += 1
            wait = pause(self.failures, 1)
            with contextlib.suppress(Exception):  # a log that cannot be written must not end it either
                wait = _failed(self.loop, self.context, error, self.failures, self.draw())
        return Rest(seconds=wait, light=not self.failures)


def run(loop: Loop, context: Context) -> None:
    """Take turns until the agent stops."""
    turns = Turns(loop=loop, context=context)
    while not context.stopping.is_set():
        rest = turns.take()
        if rest.light:
            loop.wake.wait(rest.seconds)
            loop.wake.clear()
        else:
            context.stopping.wait(rest.seconds)


def _failed(loop: Loop, context: Context, error: Exception, failures: int, draw: float) -> float:
    context.trouble[loop.name] = f"{type(error).__name__}: {error}"
    if isinstance(error, Forgotten):
        context.greeted.clear()
        context.log.warning("the hub was restored from a backup: it is greeted anew", part=loop.name)
    match error:
        case _ if context.stopping.is_set():
            return 0
        case Stale():
            context.fatal.append(error)
            context.stopping.set()
            context.log.error("the hub no longer takes this agent: another one runs for the site", error=str(error))
            return 0
        case Unreachable() | Forgotten():
            if not context.flags.severed and failures == 1:
                context.log.warning("the hub does not answer; jobs go on", part=loop.name, error=str(error))
            return pause(failures, draw)
        case NotAuthenticated():
            context.log.error("the hub refuses this agent", part=loop.name, error=str(error), remedy=error.remedy)
            return pause(failures, draw, _LONGEST_REFUSED_S)
        case FoedusError():
            context.log.warning("failed, and is tried again", part=loop.name, code=error.code, error=str(error))
            return pause(failures, draw)
        case _:
            context.log.error("a bug; it is tried again", part=loop.name, exc_info=error)
            return pause(failures, draw)
