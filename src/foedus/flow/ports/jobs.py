"""Jobs, arrays, specs, dependencies and stories."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from foedus.core.base.ids import Digest, JobId, ProjectId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Array, Job, Story
from foedus.core.jobs.spec import Dependencies, JobSpec
from foedus.core.jobs.state import JobState, Move, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list. Empty fields do not filter; `visible` always does."""

    states: tuple[JobState, ...] = ()
    project: ProjectId | None = None
    user: UserId | None = None
    site: SiteId | None = None
    name: str | None = None
    array: JobId | None = None
    visible: "Visible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """Which jobs a person may see: everything, or their own, those of their projects and those at their sites."""

    everything: bool = False
    user: UserId | None = None
    projects: tuple[ProjectId, ...] = ()
    sites: tuple[SiteId, ...] = ()
    only_project: ProjectId | None = None
    """A token that is narrowed to one project sees nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """One move of one job, with what else becomes true by it. `None` leaves a column as it is."""

    job: JobId
    move: Move
    at: Instant
    reason: str
    outcome: Outcome | None = None
    fence: int | None = None
    """Only if this is still the job's newest attempt."""
    attempt: int | None = None
    site: SiteId | None = None
    guest: bool | None = None
    started: Instant | None = None
    ended: Instant | None = None
    exit_code: int | None = None
    signal: int | None = None
    sites: tuple[SiteId, ...] | None = None
    clear_run: bool = False
    """Forget site, start, end, exit code and signal first: the job goes back to waiting, or runs anew."""


class Jobs(Protocol):
    """Jobs, arrays, specs, dependencies and stories."""

    def numbers(self, count: int) -> int:
        """Take `count` consecutive job numbers, never given before; return the first."""
        ...

    def put_specs(self, specs: Sequence[JobSpec]) -> Sequence[Digest]:
        """Store specs once each, by content; return their digests in order."""
        ...

    def specs(self, digests: Sequence[Digest]) -> Mapping[Digest, JobSpec]:
        """Load specs."""
        ...

    def add(self, jobs: Sequence[Job], arrays: Sequence[Array]) -> None:
        """Store new jobs and arrays, in bulk."""
        ...

    def get(self, ids: Sequence[JobId]) -> Mapping[JobId, Job]:
        """Load jobs and tasks by id; absent ones are left out (an array as a whole is absent here)."""
        ...

    def arrays(self, ids: Sequence[JobId]) -> Mapping[JobId, Array]:
        """Load arrays as wholes."""
        ...

    def tally(self, arrays: Sequence[JobId]) -> Mapping[JobId, Mapping[JobState, int]]:
        """Count the tasks of each array by state, in one query."""
        ...

    def tasks(self, array: JobId) -> Sequence[Job]:
        """Load all tasks of an array, by index."""
        ...

    def page(self, which: JobFilter, before: tuple[int, int] | None, limit: int) -> Sequence[Job]:
        """Newest first by (number, task); `before` is the (number, task or -1) of the last one on the page before."""
        ...

    def pending(
        self, limit: int, after: tuple[int, int] | None = None, *, without: Collection[ProjectId] = ()
    ) -> Sequence[Job]:
        """Return jobs to be placed (pending, not held), oldest first by (number, task).

        `after` is the (number, task or -1) that they follow; projects in `without` are passed over.
        """
        ...

    def waiting(self, project: ProjectId) -> int:
        """Count a project's jobs that have not been given to a site, held ones too."""
        ...

    def live(self, site: SiteId) -> Sequence[Job]:
        """Return jobs bound to, waiting or running at a site."""
        ...

    def has_live(self, site: SiteId, project: ProjectId) -> bool:
        """Say whether a project has a job bound to, waiting or running at a site."""
        ...

    def counts(self) -> Mapping[tuple[SiteId | None, JobState], int]:
        """Count the jobs that have not ended, by site and state."""
        ...

    def change(self, change: JobChange) -> bool:
        """Make one move, if the job's state (and fence) allows it."""
        ...

    def hold(self, jobs: Sequence[JobId], *, held: bool, reason: str, at: Instant) -> None:
        """Hold pending jobs back, or let them go."""
        ...

    def held_tasks(self, array: JobId, limit: int) -> Sequence[JobId]:
        """Return the first held tasks of an array, by index."""
        ...

    def loose_tasks(self, array: JobId) -> int:
        """Count the tasks of an array that have neither ended nor are held back."""
        ...

    def ask_cancel(self, job: JobId, at: Instant) -> bool:
        """Note on a job at a site that it is to be cancelled; false if it is not at a site or was noted before."""
        ...

    def depend(self, job: JobId, dependencies: Dependencies) -> None:
        """Store what a job (or a whole array, by its id) waits for."""
        ...

    def dependencies(self, job: JobId) -> Dependencies:
        """Load what a job (or array) waits for."""
        ...

    def dependents(self, jobs: Sequence[JobId]) -> Sequence[JobId]:
        """Return ids (jobs, arrays) that wait for any of these jobs or arrays, whether or not they have ended."""
        ...

    def held(self, limit: int, after: JobId | None = None) -> Sequence[JobId]:
        """Return the ids of held jobs, and of arrays with held tasks, oldest first and each once.

        `after` is the one that they follow.
        """
        ...

    def tell(self, lines: Sequence[Story]) -> None:
        """Append to the jobs' stories."""
        ...

    def story(self, job: JobId) -> Sequence[Story]:
        """Return a job's story in order; that of a task includes that of its array."""
        ...
