"""What other rules of sharing do to the partners of the eight alliances, beside the guarantee."""

import time

import numpy as np
from parts import alliances
from parts.figures import figure

from foedus.sim import measure
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.schedules import SCHEDULES

LATER_S = 60
FEW = 50


def baselines() -> None:
    """Print for each alliance and rule what it gains and whom it harms, and at the end whom each harms in all."""
    losers: dict[str, list[str]] = {name: [] for name in SCHEDULES if name != "alone"}
    partners = jobs = 0
    later = dict.fromkeys(losers, 0)
    for label, (make, bound) in alliances.ALLIANCES.items():
        alliance, terms = make(), Terms(bound=bound)
        few = Alliance(tuple(alliances.part(site, np.arange(site.jobs) < FEW) for site in alliance.sites))
        alone, pooled = alliance.alone(), alliance.pooled()
        partners += len(alliance.sites)
        jobs += len(alliance.home)
        for name in losers:
            SCHEDULES[name].run(few, terms)  # so that nothing is compiled in what is timed
            begun = time.perf_counter()
            outcome = SCHEDULES[name].run(alliance, terms)
            seconds = time.perf_counter() - begun
            losers[name] += [f"{label}:{site}" for site in _harmed(alliance, outcome, alone)]
            later[name] += int((outcome.end - alone.end > LATER_S).sum())
            _print(f"{label}-{name}", alliance, (alone, pooled, outcome), seconds)
    for name, found in losers.items():
        figure(f"{name}-later-than-60s", later[name] / jobs, "of-all-jobs")
        figure(f"{name}-waits-longer-than-alone", len(found), f"of-{partners}-partners")
        print(*(f"  {each}" for each in found), sep="\n")


def _harmed(alliance: Alliance, outcome: Outcome, alone: Outcome) -> list[str]:
    """Name the partners whose mean wait is longer than alone."""
    return [each.removesuffix("-mean") for each in measure.worse(alliance, outcome, alone) if each.endswith("-mean")]


def _print(label: str, alliance: Alliance, outcomes: tuple[Outcome, Outcome, Outcome], seconds: float) -> None:
    alone, _, outcome = outcomes
    everyone = np.ones(len(alliance.home), dtype=np.bool_)
    share = measure.share(*(measure.waits(alliance, each, everyone) for each in outcomes))
    by = outcome.end - alone.end
    figure(f"{label}-share", share or 0.0, "of-pooled-gain")
    figure(f"{label}-later-than-60s", float((by > LATER_S).mean()), "of-jobs")
    figure(f"{label}-worst", max(0, int(by.max())) / 3600, "h")
    figure(f"{label}-speed", len(everyone) / seconds, "jobs/s")
    for place, site in enumerate(alliance.sites):
        waits = measure.waits(alliance, outcome, alliance.home == place)
        figure(f"{label}-{site.name}-wait", waits.mean, "s")
