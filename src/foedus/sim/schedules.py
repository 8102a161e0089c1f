"""Every way of sharing that can be compared, by name: what the guarantee is, and what others do.

Each is in a module of its own, which is imported when it is asked for, so that they can be listed at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foedus.core.base.errors import BadInput, Fault

if TYPE_CHECKING:
    from foedus.sim.alliance import Alliance, Outcome, Terms

ALL = "all"
"""The word for every schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One way of sharing."""

    name: str
    says: str
    """What it does, for people who do not schedule: half a sentence."""
    run: "Callable[[Alliance, Terms], Outcome]"


def _alone(alliance: "Alliance", _: "Terms") -> "Outcome":
    return alliance.alone()


def _pooled(alliance: "Alliance", _: "Terms") -> "Outcome":
    return alliance.pooled()


def _together(alliance: "Alliance", terms: "Terms") -> "Outcome":
    return alliance.together(terms)


def _conservative(alliance: "Alliance", terms: "Terms") -> "Outcome":
    from foedus.sim.baselines.conservative import conservative

    return conservative(alliance, terms)


def _late_binding(alliance: "Alliance", terms: "Terms") -> "Outcome":
    from foedus.sim.baselines.late_binding import late_binding

    return late_binding(alliance, terms)


def _naive(alliance: "Alliance", terms: "Terms") -> "Outcome":
    from foedus.sim.baselines.naive import naive

    return naive(alliance, terms)


def _siblings(alliance: "Alliance", terms: "Terms") -> "Outcome":
    from foedus.sim.baselines.siblings import siblings

    return siblings(alliance, terms)


def _drf(alliance: "Alliance", terms: "Terms") -> "Outcome":
    from foedus.sim.baselines.drf import drf

    return drf(alliance, terms)


SCHEDULES = {
    each.name: each
    for each in (
        Schedule(name="alone", says="every partner on its own site", run=_alone),
        Schedule(name="pooled", says="all sites as one machine, first come first served", run=_pooled),
        Schedule(name="conservative", says="as alone, but every job that waits has a reservation", run=_conservative),
        Schedule(name="naive", says="each goes for good to the site that promises to start it first", run=_naive),
        Schedule(
            name="siblings", says="each waits at all sites until one starts it, as in Slurm's federation", run=_siblings
        ),
        Schedule(name="drf", says="whose jobs hold least of the alliance is next, at every site", run=_drf),
        Schedule(
            name="late-binding",
            says="owners first, and guests on what is free now; nothing is guaranteed",
            run=_late_binding,
        ),
        Schedule(name="together", says="shared, and nobody waits longer than alone: the guarantee", run=_together),
    )
}
"""By name, in the order in which they are shown."""
USUAL = ("alone", "pooled", "together")


def choose(words: Iterable[str]) -> list[Schedule]:
    """Return the schedules that lists with commas name, each once, in the order of `SCHEDULES`.

    *Alone* is always among them, since the others are measured by it. Raises `BadInput` for names that are none.
    """
    named = {name.strip() for word in words for name in word.split(",")}
    faults = [
        Fault(path=name, fault="not a schedule", remedy=f"one of {', '.join(SCHEDULES)}, or {ALL}")
        for name in sorted(named - SCHEDULES.keys() - {ALL})
    ]
    if faults:
        raise BadInput(*faults)
    return [each for name, each in SCHEDULES.items() if name in named or ALL in named or name == "alone"]
