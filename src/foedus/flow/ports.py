"""What the use cases need from outside.

One `Transaction` is one unit of work: everything in it happens or nothing does. Updates are guarded: a method that
answers `bool` says whether the row was in a state that allows the change, and changes nothing where it was not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from foedus.core.agreement.request import RunRequest, Verdict
from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signature
from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Array, Attempt, Job, StopReason, Story
from foedus.core.jobs.spec import Dependencies, JobSpec
from foedus.core.jobs.state import AttemptState, JobState, Move, Outcome
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import Entry, Kind
from foedus.core.placement.capacity import Capacity
from foedus.wire.alliance import ProjectRole, Role, Scope


class Policy(Protocol):
    """Evaluates the clauses in force (at the hub) or a site's own policy (at its agent)."""

    def judge(self, requests: Sequence[RunRequest]) -> Sequence[Verdict]:
        """Answer each request, in order; an evaluation error is a refusal."""
        ...


# --- jobs -------------------------------------------------------------------------------------------------------------


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

    def pending(self, limit: int) -> Sequence[Job]:
        """Return jobs to be placed (pending, not held), oldest first by (number, task)."""
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

    def ask_cancel(self, job: JobId, at: Instant) -> bool:
        """Note on a job at a site that it is to be cancelled; false if it is not at a site or was noted before."""
        ...

    def depend(self, job: JobId, dependencies: Dependencies) -> None:
        """Store what a job (or a whole array, by its id) waits for."""
        ...

    def dependencies(self, job: JobId) -> Dependencies:
        """Load what a job (or array) waits for."""
        ...

    def dependents(self, job: JobId) -> Sequence[JobId]:
        """Return ids (jobs, arrays) that wait for this job or array, whether or not it has ended."""
        ...

    def held(self, limit: int) -> Sequence[Job]:
        """Return held jobs, oldest first: for the sweep that finds a release that was lost."""
        ...

    def tell(self, lines: Sequence[Story]) -> None:
        """Append to the jobs' stories."""
        ...

    def story(self, job: JobId) -> Sequence[Story]:
        """Return a job's story in order; that of a task includes that of its array."""
        ...


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


class Attempts(Protocol):
    """Attempts of jobs."""

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Store new attempts; one that exists already (job, number) is a `Conflict`."""
        ...

    def get(self, job: JobId, number: int) -> Attempt | None:
        """Load one."""
        ...

    def of(self, job: JobId) -> Sequence[Attempt]:
        """Return all attempts of a job, in order."""
        ...

    def at(self, site: SiteId, states: frozenset[AttemptState]) -> Sequence[Attempt]:
        """Return the attempts of a site in these states, oldest first."""
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

    def withdraw(self, job: JobId, number: int, reason: str) -> bool:
        """Return a bound attempt that was never given to its agent; false if it was."""
        ...

    def ask_stop(self, job: JobId, number: int, why: StopReason) -> bool:
        """Ask for the end of a live attempt; a cancel overrides a recall, never the reverse."""
        ...

    def booked(self, job: JobId, number: int, entry: int) -> bool:
        """Note the ledger entry of an attempt, once."""
        ...

    def outputs(self, job: JobId, number: int) -> Digest | None:
        """Return the manifest of its outputs."""
        ...


# --- books ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRecord:
    """A site's countersignature under a head."""

    site: SiteId
    head: Head
    signature: Signature


class Ledger(Protocol):
    """The chain, append-only. `append` locks the head until the transaction ends."""

    def head(self) -> Head | None:
        """Return the newest head; `None` before the first entry."""
        ...

    def append(
        self,
        kind: Kind,
        body: JsonObject,
        signatures: Sequence[Signature],
        at: Instant,
        *,
        attempt: tuple[JobId, int] | None = None,
    ) -> Entry:
        """Chain a new entry. `attempt` makes a usage record unique: a second one is a `Conflict`."""
        ...

    def usage_entry(self, job: JobId, number: int) -> int | None:
        """Return the entry that books an attempt."""
        ...

    def entries(self, start: int, limit: int) -> Sequence[Entry]:
        """Return entries from number `start` on."""
        ...

    def stream(self, start: int = 1) -> Iterator[Entry]:
        """Iterate over all entries from `start`, in pages, without holding them all."""
        ...

    def seal(self, record: SealRecord) -> None:
        """Keep a countersignature; one per site and head."""
        ...

    def seals(self) -> Sequence[SealRecord]:
        """Return the newest countersignature of each site."""
        ...


# --- alliance ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person."""

    id: UserId
    partner: PartnerId
    name: str
    role: Role
    created: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret; ``secret`` is its SHA-256."""

    id: str
    user: UserId
    secret: Digest
    scope: Scope
    project: ProjectId | None
    label: str
    created: Instant
    expires: Instant
    used: Instant | None = None
    revoked: Instant | None = None


class People(Protocol):
    """Users and tokens."""

    def add(self, user: User) -> None:
        """Store a new user; an id that is taken is a `Conflict`."""
        ...

    def get(self, user: UserId) -> User | None:
        """Load one."""
        ...

    def all(self) -> Sequence[User]:
        """Return all users, by id."""
        ...

    def add_token(self, token: Token) -> None:
        """Store a new token."""
        ...

    def token(self, token: str) -> Token | None:
        """Load one by its id."""
        ...

    def tokens(self, user: UserId | None) -> Sequence[Token]:
        """Return a user's tokens (or everybody's), newest first."""
        ...

    def touch(self, token: str, at: Instant) -> None:
        """Note that a token was used."""
        ...

    def revoke(self, token: str, at: Instant) -> bool:
        """End a token; false if it had ended before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and its budget."""

    id: ProjectId
    title: str
    sector: SectorId
    opened: Instant
    granted: GpuSeconds
    used: GpuSeconds
    reserved: GpuSeconds
    members: Mapping[UserId, ProjectRole] = field(default_factory=dict[UserId, ProjectRole])


class Projects(Protocol):
    """Projects, members, budgets."""

    def add(self, project: Project) -> None:
        """Store a new project with its members; an id that is taken is a `Conflict`."""
        ...

    def get(self, project: ProjectId) -> Project | None:
        """Load one, with its members."""
        ...

    def of(self, user: UserId | None) -> Sequence[Project]:
        """Return the projects of a user (or all), by id."""
        ...

    def set_member(self, project: ProjectId, user: UserId, role: ProjectRole) -> None:
        """Add a member or change their role."""
        ...

    def grant(self, project: ProjectId, amount: GpuSeconds) -> None:
        """Add to what is granted (negative: take back)."""
        ...

    def reserve(self, project: ProjectId, amount: GpuSeconds) -> bool:
        """Set aside the worst case of new jobs, if granted minus used minus reserved has room for it.

        An amount of zero always succeeds.
        """
        ...

    def settle(self, project: ProjectId, *, released: GpuSeconds, used: GpuSeconds) -> None:
        """Give back what a job had set aside, and count what an attempt used."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """What the hub knows of a site beside the agreement."""

    site: SiteId
    key: str | None
    """The agent's public key; `None` before enrolment and after revocation."""
    epoch: int = 0
    seen: Instant | None = None
    draining: bool = False
    capacity: Capacity | None = None
    capacity_at: Instant | None = None


class Sites(Protocol):
    """Agents: keys, epochs, sequences, what they last said."""

    def get(self, site: SiteId) -> SiteRecord:
        """Load one; a site that never spoke has an empty record."""
        ...

    def all(self) -> Sequence[SiteRecord]:
        """Return the records of all sites that ever spoke."""
        ...

    def enrol(self, site: SiteId, key: str) -> None:
        """Set the site's key; sequences start anew, the epoch stays."""
        ...

    def revoke(self, site: SiteId) -> bool:
        """Forget the site's key; false if it had none."""
        ...

    def next_epoch(self, site: SiteId) -> int:
        """Start a new epoch and return it."""
        ...

    def accept(self, site: SiteId, series: str, sequence: int) -> bool:
        """Take a message's number if it is larger than the last one of its series."""
        ...

    def saw(self, site: SiteId, at: Instant, capacity: Capacity | None = None, *, draining: bool | None = None) -> None:
        """Note that the agent spoke, and what it said of itself."""
        ...

    def add_code(self, code: Digest, site: SiteId, expires: Instant) -> None:
        """Store the hash of an enrolment code."""
        ...

    def use_code(self, code: Digest, site: SiteId, at: Instant) -> bool:
        """Use a code up; false if it is unknown, another site's, over or used before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRecord:
    """A version that is or was in force: the file, the partners' envelopes (their JSON), and its ledger entry."""

    version: int
    digest: Digest
    text: bytes
    envelopes: Mapping[PartnerId, JsonObject]
    entry: int


class Agreements(Protocol):
    """Versions of the agreement."""

    def version(self) -> int | None:
        """Return the newest version's number."""
        ...

    def current(self) -> AgreementRecord | None:
        """Return the newest version."""
        ...

    def add(self, record: AgreementRecord) -> None:
        """Store a newer version; one that exists already is a `Conflict`."""
        ...


# --- the rest ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that was answered before under an idempotency key."""

    body: Digest
    status: int
    answer: bytes


class Requests(Protocol):
    """Idempotency keys, stored in the transaction of what they stand for."""

    def claim(self, user: UserId, key: str, body: Digest, at: Instant) -> Answered | None:
        """Claim a key for this transaction, or return what it was answered with before.

        A concurrent claim of the same key waits until this transaction has ended.
        """
        ...

    def answer(self, user: UserId, key: str, status: int, answer: bytes) -> None:
        """Store the answer to a claimed key."""
        ...


class Logs(Protocol):
    """Output of jobs, as their agents send it."""

    def append(self, job: JobId, attempt: int, stream: str, offset: int, data: bytes, *, truncated: bool) -> int:
        """Append a stretch that begins at `offset`; what is there already is skipped, a gap is not stored.

        Return the offset that the stream has reached.
        """
        ...

    def read(self, job: JobId, attempt: int, stream: str, offset: int, limit: int) -> tuple[bytes, int, bool]:
        """Return at most `limit` bytes from `offset`, the stream's whole length, and whether it was truncated."""
        ...


class Pieces(Protocol):
    """Which pieces of files a project has. The bytes are in a `PieceStore`."""

    def missing(self, project: ProjectId, pieces: Sequence[Digest]) -> Sequence[Digest]:
        """Return those that the project does not have, in order."""
        ...

    def add(self, project: ProjectId, piece: Digest, size: int, at: Instant) -> None:
        """Note that the project has a piece."""
        ...


class PieceStore(Protocol):
    """The bytes of pieces, by project and digest; shared by all hub processes."""

    def put(self, project: ProjectId, piece: Digest, data: bytes) -> None:
        """Store durably; storing the same again is no error."""
        ...

    def get(self, project: ProjectId, piece: Digest) -> bytes | None:
        """Load, or `None`."""
        ...


class Transaction(Protocol):
    """One unit of work."""

    @property
    def jobs(self) -> Jobs: ...  # noqa: D102
    @property
    def attempts(self) -> Attempts: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def people(self) -> People: ...  # noqa: D102
    @property
    def projects(self) -> Projects: ...  # noqa: D102
    @property
    def sites(self) -> Sites: ...  # noqa: D102
    @property
    def agreements(self) -> Agreements: ...  # noqa: D102
    @property
    def requests(self) -> Requests: ...  # noqa: D102
    @property
    def logs(self) -> Logs: ...  # noqa: D102
    @property
    def pieces(self) -> Pieces: ...  # noqa: D102

    def ring(self, topic: str) -> None:
        """Wake whoever waits for a topic, in every hub process, once this transaction is committed."""
        ...


class Store(Protocol):
    """The hub's database."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that may write: committed at the end of the block, rolled back if it raises.

        A transaction that lost a race (serialisation, deadlock) raises a retryable error; nothing happened.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that only reads."""
        ...


BROKER = "broker"
"""Rung when there is something to place."""


def orders_topic(site: SiteId) -> str:
    """Name what is rung when there are orders for a site."""
    return f"orders:{site}"


def job_topic(job: JobId) -> str:
    """Name what is rung when a job has ended or its output has grown."""
    return f"job:{job}"
