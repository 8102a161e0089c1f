"""The agent's threads: each repeats one step, waits, is woken early, and outlives every failure but a fatal one."""

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from foedus.agent.context import Context
from foedus.core.base.errors import FoedusError, NotAuthenticated, Stale, Unreachable

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


def run(loop: Loop, context: Context) -> None:
    """Repeat the step until the agent stops."""
    failures = 0
    while not context.stopping.is_set():
        wait = _LONGEST_PAUSE_S
        try:
            wait = loop.step()
            if failures:
                context.log.info("works again", part=loop.name)
            failures = 0
            context.trouble.pop(loop.name, None)
        except Exception as error:  # noqa: BLE001  # a bug in one part must not end the others
            failures += 1
            wait = pause(failures, 1)
            with contextlib.suppress(Exception):  # a log that cannot be written must not end it either
                wait = _failed(loop, context, error, failures)
        if failures:
            context.stopping.wait(wait)
        else:
            loop.wake.wait(wait)
            loop.wake.clear()


def _failed(loop: Loop, context: Context, error: Exception, failures: int) -> float:
    draw = random.random()  # noqa: S311  # spreads load
    context.trouble[loop.name] = f"{type(error).__name__}: {error}"
    match error:
        case _ if context.stopping.is_set():
            return 0
        case Stale():
            context.fatal.append(error)
            context.stopping.set()
            context.log.error("the hub no longer takes this agent: another one runs for the site", error=str(error))
            return 0
        case Unreachable():
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
