"""A job, its attempts and its story, as the hub keeps them."""

from dataclasses import dataclass
from enum import StrEnum

from foedus.core.base.canon import JsonObject
from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.spec import Purpose, Resources
from foedus.core.jobs.state import AttemptState, JobState, Outcome


class StopReason(StrEnum):
    """Why the hub wants an attempt ended."""

    CANCEL = "cancel"
    """Its user or an operator cancelled the job."""
    RECALL = "recall"
    """It did not start in time; the job is to be placed elsewhere. Only an attempt that still waits is recalled."""
    HOME = "home"
    """It is to go on at home. Ends an attempt that runs as well, after it could save its progress."""


class StoryKind(StrEnum):
    """What a stage leaves behind for ``foedus why``."""

    SUBMITTED = "submitted"
    ADMITTED = "admitted"
    REFUSED = "refused"
    BOUND = "bound"
    RETURNED = "returned"
    HANDED_OVER = "handed-over"
    RUNNING = "running"
    REQUEUED = "requeued"
    ENDED = "ended"
    BOOKED = "booked"
    CANCEL_ASKED = "cancel-asked"
    CANCELLED = "cancelled"
    RECALLED = "recalled"
    CALLED_HOME = "called-home"
    REVIVED = "revived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A job array as a whole; its tasks are jobs."""

    id: JobId
    user: UserId
    partner: PartnerId
    project: ProjectId
    spec: Digest
    name: str
    count: int
    lowest: int
    highest: int
    step: int
    at_once: int | None
    submitted: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, or one task of an array."""

    id: JobId
    number: int
    """Grows with submission; tasks of an array share it."""
    task: int | None
    user: UserId
    partner: PartnerId
    project: ProjectId
    sector: SectorId
    purpose: Purpose | None
    name: str
    spec: Digest
    bundle: Digest | None
    resources: Resources
    state: JobState
    reason: str
    """Why it is in this state, for a person."""
    sites: tuple[SiteId, ...]
    """Where it may run, home first; a site whose local policy says no is taken out."""
    attempt: int
    """Number of the newest attempt; 0 before the first."""
    site: SiteId | None
    """Where the newest attempt is or was."""
    guest: bool
    reserved: GpuSeconds
    """What its worst case takes from the allocation while it lives."""
    agreement_version: int
    submitted: Instant
    changed: Instant
    started: Instant | None = None
    ended: Instant | None = None
    exit_code: int | None = None
    signal: int | None = None
    held: bool = False
    """Pending, but for a dependency or for its array's throttle: not to be placed yet."""
    cancel: bool = False
    """Cancelled, but a site still has to say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to run a job at one site."""

    job: JobId
    number: int
    site: SiteId
    state: AttemptState
    guest: bool
    epoch: int
    """Epoch of the agent that took it; 0 before."""
    native_id: str
    bound: Instant
    offered: Instant | None = None
    """When it was first given to the agent. From then on only the agent can say that it does not have it."""
    handed: Instant | None = None
    started: Instant | None = None
    ended: Instant | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    stop: StopReason | None = None
    entry: int | None = None
    """Number of the ledger entry that books it."""
    checkpoint: Digest | None = None
    """Manifest of the progress that it left when it was asked back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One line of what happened to a job."""

    job: JobId
    at: Instant
    kind: StoryKind
    data: JsonObject
