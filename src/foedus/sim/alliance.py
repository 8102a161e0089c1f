"""What the jobs of several partners would do: alone, in one pooled machine, and together under an agreement."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.ends import End
from foedus.core.placement.kernels import NEVER
from foedus.core.placement.reality import Reality, reality
from foedus.core.placement.shadow import Job, Shadow, advance, shadow
from foedus.core.placement.tables import column, numbers, put_column, table, zeros
from foedus.sim.compiled import keep
from foedus.sim.replay import replay
from foedus.sim.workload import Numbers, Workload

_FOR_EVER = NEVER - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an agreement says of placement, and what is assumed of the jobs."""

    preemptible: float = 1.0
    """Share of the jobs that can be recalled, drawn by `seed`; the others run under the mean guarantee."""
    restart: int = 300
    """Seconds of progress that a recall costs."""
    staging: int = 0
    """Seconds that a guest's data need."""
    bound: float = 0.0
    """Share of the jobs that may only run at home, drawn by `seed`."""
    seed: int = 1
    unseen: float = 0.5
    caution: float = 10.0
    lend: int = 36_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """When jobs ended, by job: all jobs of the first site in their order, then of the second, ..."""

    end: Numbers
    recalls: Numbers
    """How often each was recalled."""
    lost: Numbers
    """Seconds of progress that this cost each."""


@dataclass(frozen=True, slots=True)
class Alliance:
    """Workloads of sites side by side; times count from each log's own beginning."""

    sites: tuple[Workload, ...]

    @property
    def counts(self) -> list[int]:
        """Jobs by site."""
        return [site.jobs for site in self.sites]

    @property
    def home(self) -> Numbers:
        """By job: its site."""
        return np.repeat(np.arange(len(self.sites)), self.counts)

    def column(self, name: str) -> Numbers:
        """Return ``submit``, ``run``, ``width`` or ``limit`` of all jobs."""
        return np.concatenate([getattr(site, name) for site in self.sites])

    def alone(self) -> Outcome:
        """Every site by itself."""
        return _plain(column(run_alone(begin_alone(self.sites)).alone, "end").copy())

    def pooled(self) -> Outcome:
        """All in one machine of the summed size, first come first served with EASY backfilling."""
        submit = self.column("submit")
        order = np.argsort(submit, kind="stable")
        whole = Workload(
            name="pooled",
            capacity=sum(site.capacity for site in self.sites),
            unit=self.sites[0].unit,
            submit=submit[order],
            run=self.column("run")[order],
            width=self.column("width")[order],
            limit=self.column("limit")[order],
            remarks=self.sites[0].remarks,
        )
        end = np.empty_like(submit)
        end[order] = column(run_alone(begin_alone((whole,))).alone, "end")
        return _plain(end)

    def together(self, terms: Terms) -> Outcome:
        """All under the stand-alone guarantee."""
        return outcome_of(self.run(terms))

    def run(self, terms: Terms) -> Reality:
        """Replay all under the guarantee and return the state at the end."""
        return self.replay(self.begin(terms))

    def replay(self, state: Reality) -> Reality:
        """Let everything happen, from the state before the first submission on."""
        replay(
            state,
            numbers(self.column("run")),
            numbers(np.argsort(self.column("submit"), kind="stable")),
            table(End, 2 * len(state.running)),
            zeros(len(self.sites)),
        )
        return state

    def begin(self, terms: Terms) -> Reality:
        """Return the state before the first submission."""
        keep()
        sites = len(self.sites)
        state = reality(
            _jobs(self.sites),
            self.counts,
            _capacity(self.sites),
            np.vstack([np.ones(sites, dtype=np.bool_), np.zeros(sites, dtype=np.bool_)]),
        )
        chance = np.random.default_rng(terms.seed)
        drawn, bound = chance.random(len(state.jobs)), chance.random(len(state.jobs))
        put_column(state.live, "preemptible", drawn < terms.preemptible)
        put_column(state.live, "kind", (bound < terms.bound).astype(np.int64))
        put_column(state.live, "restart", terms.restart)
        put_column(state.live, "staging", terms.staging)
        rules = state.rules[0]
        rules.guarded = True
        rules.unseen = terms.unseen
        rules.caution = terms.caution
        rules.seed = terms.lend
        return state


def outcome_of(state: Reality) -> Outcome:
    """Read from a state at the end what became of all jobs."""
    return Outcome(
        end=column(state.live, "end").copy(),
        recalls=column(state.live, "recalls").copy(),
        lost=column(state.live, "lost").copy(),
    )


def begin_alone(sites: Sequence[Workload]) -> Shadow:
    """Return the shadows of all sites before the first submission, with everything that is to come."""
    keep()
    state = shadow(_jobs(sites), [site.jobs for site in sites], _capacity(sites))
    put_column(state.homes, "told", np.array([site.jobs for site in sites]))
    put_column(state.alone, "run", np.concatenate([site.run for site in sites]))
    return state


def run_alone(state: Shadow) -> Shadow:
    """Let everything happen in all shadows."""
    for site in range(len(state.homes)):
        advance(state, site, _FOR_EVER)
    return state


def _jobs(sites: Sequence[Workload]) -> Sequence[Job]:
    jobs = table(Job, sum(site.jobs for site in sites))
    put_column(jobs, "home", np.repeat(np.arange(len(sites)), [site.jobs for site in sites]))
    for name in ("submit", "width", "limit"):
        put_column(jobs, name, np.concatenate([getattr(site, name) for site in sites]))
    return jobs


def _capacity(sites: Sequence[Workload]) -> NDArray[np.int64]:
    return np.array([site.capacity for site in sites], dtype=np.int64)


def _plain(end: Numbers) -> Outcome:
    nothing = np.zeros_like(end)
    return Outcome(end=end, recalls=nothing, lost=nothing)
