"""Attempts of jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from foedus.core.base.ids import Digest, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Attempt, StopReason
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.state import AttemptState, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptChange:
    """What a report says of one attempt. `None` leaves a column as it is."""

    job: JobId
    number: int
    state: AttemptState
    allowed: frozenset[AttemptState]
    """States that the change may start from."""
    epoch: int | None = None
    native_id: str | None = None
    handed: Instant | None = None
    started: Instant | None = None
    ended: Instant | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    outputs: Digest | None = None
    checkpoint: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A live attempt that may not be missing yet from what its site says is free."""

    site: SiteId
    state: AttemptState
    since: Instant
    """When it was bound, handed over, or began to run, as its state is."""
    resources: Resources
    guest: bool


class Attempts(Protocol):
    """Attempts of jobs."""

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Store new attempts; one that exists already (job, number) is a `Conflict`."""
        ...

    def get(self, job: JobId, number: int) -> Attempt | None:
        """Load one."""
        ...

    def some(self, keys: Sequence[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], Attempt]:
        """Load several; absent ones are left out."""
        ...

    def of(self, job: JobId) -> Sequence[Attempt]:
        """Return all attempts of a job, in order."""
        ...

    def at(self, site: SiteId, states: frozenset[AttemptState]) -> Sequence[Attempt]:
        """Return the attempts of a site in these states, oldest first."""
        ...

    def recent(self, handed: Instant, started: Instant) -> Sequence[Recent]:
        """Return all that is bound, what waits at its site since `handed` or later, what runs since `started` or later.

        Their number does not grow with that of the jobs that run or wait.
        """
        ...

    def unfetched(self, before: Instant) -> Sequence[Attempt]:
        """Return what was bound before then and never given to its agent."""
        ...

    def overdue(self, before: Instant, limit: int) -> Sequence[Attempt]:
        """Return what waits at its site since before then and is not to be cancelled, the longest first."""
        ...

    def to_stop(self, site: SiteId) -> Sequence[Attempt]:
        """Return live attempts that the hub wants ended."""
        ...

    def change(self, change: AttemptChange) -> bool:
        """Change one, if its state allows it."""
        ...

    def offer(self, attempts: Sequence[tuple[JobId, int]], at: Instant) -> frozenset[tuple[JobId, int]]:
        """Note that these are given to the agent, where that was not noted before.

        Return those that are still bound: only they may be given to it.
        """
        ...

    def returned(self, jobs: Sequence[JobId], since: Instant) -> Mapping[JobId, frozenset[SiteId]]:
        """Return the sites that gave a job back later than `since`; jobs without such a site are left out."""
        ...

    def withdraw(self, job: JobId, number: int, reason: str) -> bool:
        """Return a bound attempt that was never given to its agent; false if it was."""
        ...

    def ask_stop(self, job: JobId, number: int, why: StopReason) -> bool:
        """Ask for the end of a live attempt, unless something stronger is asked: a cancel, then home, then a recall.

        A recall is for what waits, home for what runs.
        """
        ...

    def booked(self, entries: Mapping[tuple[JobId, int], int]) -> None:
        """Note the ledger entries of attempts, each once."""
        ...

    def unbooked(self, before: Instant, limit: int, site: SiteId | None = None) -> Sequence[Attempt]:
        """Return attempts (of one site, or of all) that ended before an instant and that no entry books.

        At most `limit`, those that ended first before the others.
        """
        ...

    def count_unbooked(self) -> Mapping[SiteId, int]:
        """Count the attempts that ended and have no ledger entry, by site; sites without any are left out."""
        ...

    def ended(self) -> Mapping[SiteId, int]:
        """Count the attempts that ended, by site."""
        ...

    def outputs(self, job: JobId, number: int) -> Digest | None:
        """Return the manifest of its outputs."""
        ...
