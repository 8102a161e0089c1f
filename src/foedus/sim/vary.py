"""What a case does to the logs of the sites."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foedus.core.base.errors import BadInput, Fault
from foedus.sim.alliance import Alliance, Terms
from foedus.sim.scenario import Case, Scenario
from foedus.sim.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """What is simulated."""

    alliance: Alliance
    terms: Terms
    left_out: tuple[int, ...]
    """By site: jobs that are wider than it is in this case."""


def vary(scenario: Scenario, logs: Sequence[Workload], case: Case) -> Varied:
    """Apply a case; raises `BadInput` where a site has no jobs left."""
    before = [_of_one(site, case, place) for place, site in enumerate(logs)]
    sites = [_kept(site, site.width <= site.capacity) for site in before]
    faults = [
        Fault(path=f"{case.variant.name}: {site.name}", fault="no job is left", remedy="keep more, or pledge more")
        for site in sites
        if not site.jobs
    ]
    if faults:
        raise BadInput(*faults)
    return Varied(
        alliance=Alliance(tuple(sites)),
        terms=replace(scenario.terms_of(case.variant), seed=case.seed),
        left_out=tuple(one.jobs - site.jobs for one, site in zip(before, sites, strict=True)),
    )


def _of_one(site: Workload, case: Case, place: int) -> Workload:
    variant = case.variant
    chance = np.random.default_rng([case.seed, place])
    keep, shaken = chance.random(site.jobs), chance.integers(-variant.shake, variant.shake, site.jobs, endpoint=True)
    submit = (site.submit / variant.faster.get(site.name, 1.0)).astype(np.int64)
    moved = replace(
        site,
        capacity=max(1, round(site.capacity * variant.pledge.get(site.name, 1.0))),
        submit=np.maximum(0, submit + shaken),
        drains=tuple(
            (one.begin, one.end) for one in sorted(variant.drains, key=lambda one: one.begin) if one.site == site.name
        ),
    )
    return _kept(moved, keep < variant.keep.get(site.name, 1.0))


def _kept(site: Workload, which: NDArray[np.bool_]) -> Workload:
    """Keep some jobs, in the order of their submission."""
    order = np.flatnonzero(which)
    order = order[np.argsort(site.submit[order], kind="stable")]
    return replace(
        site, submit=site.submit[order], run=site.run[order], width=site.width[order], limit=site.limit[order]
    )
