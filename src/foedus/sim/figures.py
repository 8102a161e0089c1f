"""All figures of one case: by site and for all, for each schedule; and the curves that go with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foedus.sim import measure
from foedus.sim.alliance import Alliance, Outcome
from foedus.sim.measure import Late, Waits
from foedus.sim.watch import BINS

EVERYBODY = "all"
"""Stands for all sites together in the place of a name."""
ALONE, POOLED, TOGETHER = "alone", "pooled", "together"
WAITS_S = (0, *(round(10 ** (1 + place / 10)) for place in range(54)))
"""Waits for which the share of jobs is told that wait no longer: 0, then from 10 s to some 23 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What some site's jobs, or those of all, met with under one schedule."""

    site: str
    schedule: str
    capacity: int
    load: float
    """Work asked for, as a share of what the site could do up to its last submission."""
    waits: Waits
    against_alone: Late
    utilisation: float | None
    """Share of its units in use up to the last submission of any; `None` if jobs are at no site."""
    gain: float | None
    """Share of the mean wait that pooling would save; `None` if pooling was not looked at, or saves nothing."""
    gave: int | None
    """Unit-seconds that others' jobs had at this site; `None` as above."""
    took: int | None
    """Unit-seconds that its jobs had at other sites."""
    recalls: int
    waste: float
    """Work that recalls lost, as a share of all its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What plots show of one schedule."""

    waited: Mapping[str, tuple[float, ...]]
    """By site: the share of jobs that wait no longer than each of `WAITS_S`."""
    used: Mapping[str, tuple[float, ...]]
    """By site: the share of its units in use, in stretches of equal length up to the last submission."""


def figures(alliance: Alliance, outcomes: Mapping[str, Outcome]) -> list[Figures]:
    """Measure every site, then all together, under each schedule; *alone* must be among them."""
    return [
        _figures(alliance, outcomes, site, schedule) for site in (*_names(alliance), EVERYBODY) for schedule in outcomes
    ]


def curves(alliance: Alliance, outcomes: Mapping[str, Outcome]) -> dict[str, Curves]:
    """Draw the curves of each schedule."""
    return {name: _curves(alliance, outcome) for name, outcome in outcomes.items()}


def worse_sites(found: Sequence[Figures], schedule: str) -> list[str]:
    """Name the sites whose jobs wait longer on average than alone."""
    alone = {one.site: one.waits.mean for one in found if one.schedule == ALONE}
    return [
        one.site
        for one in found
        if one.schedule == schedule and one.site != EVERYBODY and one.waits.mean > alone[one.site]
    ]


def _names(alliance: Alliance) -> list[str]:
    return [site.name for site in alliance.sites]


def _figures(alliance: Alliance, outcomes: Mapping[str, Outcome], site: str, schedule: str) -> Figures:
    of = _jobs_of(alliance, site)
    outcome, alone = outcomes[schedule], outcomes[ALONE]
    waits = measure.waits(alliance, outcome, of)
    pooled = measure.waits(alliance, outcomes[POOLED], of) if POOLED in outcomes else None
    gain = (
        None
        if pooled is None or schedule == ALONE
        else measure.share(measure.waits(alliance, alone, of), pooled, waits)
    )
    gave, took = _exchanged(alliance, outcome, site)
    capacity = _capacity(alliance, site)
    used = _used(alliance, outcome, site)
    return Figures(
        site=site,
        schedule=schedule,
        capacity=capacity,
        load=_load(alliance, of, capacity),
        waits=waits,
        against_alone=measure.late(outcome, alone, of),
        utilisation=None if used is None else float(used.mean()),
        gain=gain,
        gave=gave,
        took=took,
        recalls=int(outcome.recalls[of].sum()),
        waste=measure.waste(alliance, outcome, of),
    )


def _jobs_of(alliance: Alliance, site: str) -> NDArray[np.bool_]:
    if site == EVERYBODY:
        return np.ones(sum(alliance.counts), dtype=np.bool_)
    return alliance.home == _names(alliance).index(site)


def _capacity(alliance: Alliance, site: str) -> int:
    return sum(one.capacity for one in alliance.sites if site in (one.name, EVERYBODY))


def _load(alliance: Alliance, of: NDArray[np.bool_], capacity: int) -> float:
    span = int(alliance.column("submit")[of].max())
    work = int((alliance.column("run") * alliance.column("width"))[of].sum())
    return work / (capacity * span) if span else 0.0


def _exchanged(alliance: Alliance, outcome: Outcome, site: str) -> tuple[int, int] | tuple[None, None]:
    if outcome.hosted is None:
        return None, None
    guests = outcome.hosted - np.diag(np.diag(outcome.hosted))
    if site == EVERYBODY:
        return int(guests.sum()), int(guests.sum())
    place = _names(alliance).index(site)
    return int(guests[place].sum()), int(guests[:, place].sum())


def _used(alliance: Alliance, outcome: Outcome, site: str) -> NDArray[np.float64] | None:
    if outcome.busy is None:
        return None
    whole = _capacity(alliance, site) * alliance.step
    if site == EVERYBODY:
        return outcome.busy.sum(axis=0) / whole
    return None if outcome.hosted is None else outcome.busy[_names(alliance).index(site)] / whole


def _curves(alliance: Alliance, outcome: Outcome) -> Curves:
    waited: dict[str, tuple[float, ...]] = {}
    used: dict[str, tuple[float, ...]] = {}
    wait = outcome.end - alliance.column("submit") - alliance.column("run")
    for site in (*_names(alliance), EVERYBODY):
        here = np.sort(wait[_jobs_of(alliance, site)])
        waited[site] = tuple((np.searchsorted(here, WAITS_S, side="right") / len(here)).round(4).tolist())
        share = _used(alliance, outcome, site)
        if share is not None:
            used[site] = tuple(share.round(4).tolist())
    return Curves(waited=waited, used=used)


def stretch_days(alliance: Alliance) -> float:
    """Return the days of all stretches of `Curves.used` together."""
    return alliance.step * BINS / 86_400
