"""How a figure is printed, ``NAME VALUE UNIT goal GOAL ok|short`` (a yardstick has no goal), and how big a run is."""

import os

SHORT = {"ahead": "true"}
"""The hub's setting for an alliance whose jobs are all short, as they are in these programs."""


def size() -> float:
    """Return the share of a full run that is asked for: ``FOEDUS_BENCH_SIZE``, 1 where it is not set."""
    return float(os.environ.get("FOEDUS_BENCH_SIZE", "1"))


def figure(name: str, value: float, unit: str, *, most: float | None = None, least: float | None = None) -> bool:
    """Print one figure, held to at most or at least a goal; say whether it is reached."""
    reached = (most is None or value <= most) and (least is None or value >= least)
    goal = most if least is None else least
    verdict = "" if goal is None else f" goal {goal:g} {'ok' if reached else 'short'}"
    print(f"{name} {value:.3f} {unit}{verdict}", flush=True)
    return reached
