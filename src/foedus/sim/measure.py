"""The figures by which schedules are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foedus.sim.alliance import Alliance, Outcome
from foedus.sim.workload import Numbers

SHORT_S = 10
"""Jobs are taken as at least this long in the slowdown, so that the shortest do not outweigh all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What some jobs waited: end less submission less run time, so that what recalls cost counts."""

    jobs: int
    mean: float
    """Seconds, as `median` and `p95`."""
    median: float
    p95: float
    slowdown: float
    """Mean bounded slowdown: (wait + run) / run, for runs of at least 10 s (Feitelson, JSSPP 2001)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """How some jobs ended against alone."""

    earlier: int
    equal: int
    later: int
    worst: int
    """Seconds by which the latest is later; 0 if none is."""


def waits(alliance: Alliance, outcome: Outcome, of: NDArray[np.bool_]) -> Waits:
    """Measure some jobs."""
    run = alliance.column("run")[of]
    wait = (outcome.end - alliance.column("submit") - alliance.column("run"))[of]
    return Waits(
        jobs=len(wait),
        mean=float(wait.mean()),
        median=float(np.median(wait)),
        p95=float(np.percentile(wait, 95)),
        slowdown=float(np.maximum(1.0, (wait + run) / np.maximum(run, SHORT_S)).mean()),
    )


def late(outcome: Outcome, alone: Outcome, of: NDArray[np.bool_]) -> Late:
    """Compare some jobs with themselves alone."""
    by: Numbers = (outcome.end - alone.end)[of]
    return Late(
        earlier=int((by < 0).sum()),
        equal=int((by == 0).sum()),
        later=int((by > 0).sum()),
        worst=max(0, int(by.max())),
    )


def worse(alliance: Alliance, outcome: Outcome, alone: Outcome) -> list[str]:
    """Name every site's mean wait, p95 of the wait and slowdown that is worse than alone: ``kth-mean``."""
    found: list[str] = []
    for place, site in enumerate(alliance.sites):
        here: NDArray[np.bool_] = alliance.home == place
        now, then = waits(alliance, outcome, here), waits(alliance, alone, here)
        found += [
            f"{site.name}-{name}" for name in ("mean", "p95", "slowdown") if getattr(now, name) > getattr(then, name)
        ]
    return found


def share(alone: Waits, pooled: Waits, other: Waits) -> float | None:
    """Return how much of the mean wait that pooling would save another schedule saves; `None` if that is nothing."""
    gain = alone.mean - pooled.mean
    return (alone.mean - other.mean) / gain if gain > 0 else None


def waste(alliance: Alliance, outcome: Outcome, of: NDArray[np.bool_]) -> float:
    """Return the work that recalls lost some jobs as a share of all their work."""
    width = alliance.column("width")[of]
    return float((outcome.lost[of] * width).sum() / (alliance.column("run")[of] * width).sum())
