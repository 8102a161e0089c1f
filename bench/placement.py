"""Placement on eight alliances of real sites: what the guarantee gains, whom it costs anything, and how fast it is.

Beside each alliance stands the same alliance shaken: every submission moved by up to a quarter of an hour, ten times
(FOEDUS_BENCH_SIZE=0.1: once). EASY on single logs is the yardstick for the speed, and other rules of sharing are that
for what it gains and whom it harms; `baselines` as the first word prints these alone.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))

from parts import alliances
from parts.baselines import baselines
from parts.figures import figure, size

from foedus.core.placement.tables import column
from foedus.sim import measure
from foedus.sim.alliance import Alliance, Terms, begin_alone, outcome_of, run_alone

SHAKES = 10
MODES = {
    "recall-free": (Terms(restart=0), 0.98),
    "recall": (Terms(restart=300), 0.98),
    "mixed": (Terms(restart=300, preemptible=0.5), 0.95),
    "guarded": (Terms(restart=300, preemptible=0.0), 0.83),
}
"""Terms, and the least share of the pooled gain in each alliance."""
SPEEDS = {
    "kth": (alliances.kth, 1e6),
    "sdsc": (alliances.sdsc, None),
    "ctc": (alliances.ctc, 0.5e6),
    "curie": (alliances.curie, 0.5e6),
}


def speed() -> None:
    """Time EASY in the loop, on one core; once before, so that nothing is compiled in it."""
    for name, (make, least) in SPEEDS.items():
        alliance = Alliance((make(),))
        alliance.alone()
        figure(f"easy-{name}", alliance.sites[0].jobs / fastest(alliance), "jobs/s", least=least)


def fastest(alliance: Alliance) -> float:
    """Return the seconds of the fastest of five runs."""
    found: list[float] = []
    for _ in range(5):
        state = begin_alone(alliance.sites)
        begun = time.perf_counter()
        run_alone(state)
        found.append(time.perf_counter() - begun)
    return min(found)


def together(name: str, alliance: Alliance, bound: float) -> Iterator[tuple[str, list[str]]]:
    """Replay an alliance in all modes; yield who is worse than alone, by mode."""
    everyone = np.ones(len(alliance.home), dtype=np.bool_)
    alone, pooled = alliance.alone(), alliance.pooled()
    before, best = (measure.waits(alliance, one, everyone) for one in (alone, pooled))
    for mode, (terms, least) in MODES.items():
        state = alliance.begin(replace(terms, bound=bound))
        begun = time.perf_counter()
        alliance.replay(state)
        seconds = time.perf_counter() - begun
        outcome = outcome_of(state)
        same = bool((column(state.alone.alone, "end") == alone.end).all())
        share = measure.share(before, best, measure.waits(alliance, outcome, everyone))
        against = measure.late(outcome, alone, everyone)
        over = float((outcome.end - alone.end > 60).mean())
        label = f"{name}-{mode}"
        figure(f"{label}-share", share or 0.0, "of-pooled-gain", least=least)
        if mode.startswith("recall"):
            figure(f"{label}-later", against.later, "jobs", most=0)
            figure(f"{label}-worst", against.worst, "s", most=0)
        else:
            figure(f"{label}-later-than-60s", over, "of-jobs")
            figure(f"{label}-worst", against.worst, "s")
        figure(f"{label}-shadow-differs", 0 if same else 1, "alliances", most=0)
        figure(f"{label}-speed", len(everyone) / seconds, "jobs/s", least=0.3e6 if label == "sp2-recall" else None)
        yield mode, measure.worse(alliance, outcome, alone)


def main() -> None:
    """Print all figures."""
    baselines()
    if sys.argv[1:] == ["baselines"]:
        return
    speed()
    cases = 0
    losers: dict[str, list[str]] = {mode: [] for mode in MODES}
    for name, (make, bound) in alliances.ALLIANCES.items():
        alliance = make()
        runs = [(name, alliance)]
        runs += [(f"{name}~{seed}", alliances.shaken(alliance, seed)) for seed in range(round(SHAKES * size()))]
        for label, one in runs:
            cases += len(one.sites)
            for mode, found in together(label, one, bound):
                losers[mode] += [f"{label}:{each}" for each in found]
    for mode, found in losers.items():
        figure(f"{mode}-worse-than-alone", len(found), f"of-{3 * cases}-figures-of-partners", most=0)
        print(*(f"  {each}" for each in found), sep="\n")


if __name__ == "__main__":
    main()
