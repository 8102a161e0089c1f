"""What the jobs of several partners would do: alone, in one pooled machine, and together under an agreement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.alone import Job, Shadow, shadow
from foedus.core.placement.ends import End
from foedus.core.placement.kernels import NEVER
from foedus.core.placement.reality import Reality, reality
from foedus.core.placement.shadow import advance
from foedus.core.placement.tables import column, numbers, put_column, table, zeros
from foedus.sim.compiled import keep
from foedus.sim.replay import replay
from foedus.sim.watch import BINS, Watch, busy, hosted, seen_of, watch
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

    def draw(self, jobs: int) -> "Drawn":
        """Draw what the jobs of an alliance are."""
        chance = np.random.default_rng(self.seed)
        preemptible, bound = chance.random(jobs), chance.random(jobs)
        return Drawn(preemptible=preemptible < self.preemptible, bound=bound < self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """By job: whether it can be recalled, and whether it may only run at home."""

    preemptible: NDArray[np.bool_]
    bound: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """When jobs ended, by job: all jobs of the first site in their order, then of the second, ..."""

    end: Numbers
    recalls: Numbers
    """How often each was recalled."""
    lost: Numbers
    """Seconds of progress that this cost each."""
    hosted: Numbers | None = None
    """Unit-seconds by host and home; `None` where no job is at a site, as in one pooled machine."""
    busy: Numbers | None = None
    """Unit-seconds by site (or for the one machine) and stretch of `Alliance.step` seconds."""


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

    @property
    def step(self) -> int:
        """Seconds of each of the `BINS` stretches, up to the last submission, for which utilisation is told."""
        return 1 + max(int(site.submit[-1]) for site in self.sites) // BINS

    def once(self, end: Numbers, host: Numbers) -> Outcome:
        """Return the outcome of a schedule that lets each job run once, without a break, until `end` at `host`."""
        run = self.column("run")
        seen = seen_of(_jobs(self.sites), len(self.sites), self.step, host=host, begin=end - run, end=end)
        return _plain(end, hosted(seen), busy(seen))

    def alone(self) -> Outcome:
        """Every site by itself."""
        return self.once(column(run_alone(begin_alone(self.sites)).alone, "end").copy(), self.home)

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
        changes = sorted(change for site in self.sites for change in site.changes)
        end[order] = column(run_alone(begin_alone((whole,), [changes])).alone, "end")
        one = self.once(end, np.zeros_like(end))
        return replace(one, hosted=None, busy=None if one.busy is None else one.busy[:1])

    def together(self, terms: Terms) -> Outcome:
        """All under the stand-alone guarantee."""
        state, seen = self.begin(terms), self.begin_watch()
        return outcome_of(self.replay(state, seen), seen)

    def run(self, terms: Terms) -> Reality:
        """Replay all under the guarantee and return the state at the end."""
        return self.replay(self.begin(terms))

    def begin_watch(self) -> Watch:
        """Return what is to take notice of a replay."""
        return watch(sum(self.counts), len(self.sites), self.step)

    def replay(self, state: Reality, seen: Watch | None = None, *, shadows: bool = True) -> Reality:
        """Let everything happen, from the state before the first submission on; without shadows nothing is ever due."""
        replay(
            state,
            numbers(self.column("run")),
            numbers(np.argsort(self.column("submit"), kind="stable")),
            table(End, 2 * len(state.running)),
            zeros(len(self.sites)),
            seen or self.begin_watch(),
            shadows,
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
            changes=[site.changes for site in self.sites],
            allowed=np.vstack([np.ones(sites, dtype=np.bool_), np.zeros(sites, dtype=np.bool_)]),
        )
        drawn = terms.draw(len(state.jobs))
        put_column(state.live, "preemptible", drawn.preemptible)
        put_column(state.live, "kind", drawn.bound.astype(np.int64))
        put_column(state.live, "restart", terms.restart)
        put_column(state.live, "staging", terms.staging)
        rules = state.rules[0]
        rules.guarded = True
        rules.unseen = terms.unseen
        rules.caution = terms.caution
        rules.seed = terms.lend
        return state


def outcome_of(state: Reality, seen: Watch | None = None) -> Outcome:
    """Read from a state at the end what became of all jobs."""
    return Outcome(
        end=column(state.live, "end").copy(),
        recalls=column(state.live, "recalls").copy(),
        lost=column(state.live, "lost").copy(),
        hosted=None if seen is None else hosted(seen),
        busy=None if seen is None else busy(seen),
    )


def begin_alone(sites: Sequence[Workload], changes: Sequence[Sequence[tuple[int, int]]] | None = None) -> Shadow:
    """Return the shadows of all sites before the first submission, with everything that is to come.

    The changes of their sizes are their own, if no others are given.
    """
    keep()
    changed = [site.changes for site in sites] if changes is None else changes
    state = shadow(_jobs(sites), [site.jobs for site in sites], _capacity(sites), changed)
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


def _plain(end: Numbers, hosted: Numbers, busy: Numbers) -> Outcome:
    nothing = np.zeros_like(end)
    return Outcome(end=end, recalls=nothing, lost=nothing, hosted=hosted, busy=busy)
