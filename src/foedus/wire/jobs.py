"""Jobs, between a user and the hub."""

from typing import Annotated

from pydantic import Field

from foedus.core.base.ids import ClauseId, Digest, JobId, PartnerId, ProjectId, SiteId, UserId
from foedus.core.jobs.job import StoryKind
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.wire.message import Message
from foedus.wire.times import Time

MOST_JOBS = 1000
"""Most submissions, and most ids, in one call."""


class Submission(Message):
    """One script, as sbatch would get it."""

    script: str
    overrides: list[str] = []
    """Options given beside the script, as on sbatch's command line; they win."""
    arguments: list[str] = []
    """What follows the script's name."""
    environment: dict[str, str] = {}
    """Values of the variables that ``--export=NAME`` names, from the submitting shell."""
    bundle: Digest | None = None
    """Digest of the manifest of the files that travel with the job; its pieces are uploaded before."""


class SubmitRequest(Message):
    """One or many submissions: all are taken or none."""

    jobs: Annotated[list[Submission], Field(min_length=1, max_length=MOST_JOBS)]


class ReasonView(Message):
    """Why a job may not run, at all or at one site."""

    code: str
    text: str
    clause: ClauseId | None = None
    site: SiteId | None = None
    remedy: str = ""


class SubmittedView(Message):
    """What became of one submission."""

    id: JobId
    state: JobState
    tasks: int
    """1, or the number of tasks of the array."""
    sites: list[SiteId]
    """Where it may run, home first."""
    reasons: list[ReasonView]
    """Why not, if refused; and why not at the sites that are left out."""
    notices: list[str]
    """What in the script is set by the sites instead."""


class SubmitReply(Message):
    """One answer for each submission, in order."""

    jobs: list[SubmittedView]


class JobView(Message):
    """A job, a task of an array, or an array as a whole."""

    id: JobId
    name: str
    user: UserId
    partner: PartnerId
    project: ProjectId
    purpose: Purpose | None
    state: JobState
    reason: str
    site: SiteId | None
    guest: bool
    attempt: int
    nodes: int
    cpus: int
    gpus: int
    gpu_model: str | None
    time_limit_s: int | None
    submitted: Time
    started: Time | None
    ended: Time | None
    exit_code: int | None
    signal: int | None
    tasks: dict[JobState, int] | None = None
    """For an array as a whole: its tasks by state. Its own state is the least finished of theirs."""
    unreachable_since: Time | None = None
    """Set while the job's site does not report: what is shown is the last that is known."""


class JobPage(Message):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next: str | None
    """Cursor of the next page; `None` on the last."""


class StatusRequest(Message):
    """Ask for many jobs at once; arrays are answered as a whole."""

    ids: Annotated[list[JobId], Field(min_length=1, max_length=MOST_JOBS)]


class StatusReply(Message):
    """The jobs in the order asked for; ids that are absent, or not yours to see, are listed apart."""

    jobs: list[JobView]
    absent: list[JobId]


class CancelRequest(Message):
    """Cancel these jobs, tasks or whole arrays."""

    ids: Annotated[list[JobId], Field(min_length=1, max_length=MOST_JOBS)]


class CancelReply(Message):
    """What became of each: ended at once, being stopped at its site, or over already."""

    cancelled: list[JobId]
    stopping: list[JobId]
    over: list[JobId]


class AttemptView(Message):
    """One attempt of a job."""

    number: int
    site: SiteId
    guest: bool
    state: AttemptState
    native_id: str
    bound: Time
    handed: Time | None
    started: Time | None
    ended: Time | None
    outcome: Outcome | None
    exit_code: int | None
    signal: int | None
    reason: str
    entry: int | None
    """The ledger entry that books it."""


class StoryLine(Message):
    """One line of a job's story: machine-readable facts, and the sentence that says them."""

    at: Time
    kind: StoryKind
    text: str
    data: dict[str, object]


class AloneView(Message):
    """What the job would do on its partner's own site alone, as far as it is known by now."""

    home: SiteId
    start: Time | None
    """`None` if it would still wait."""
    end: Time | None
    """`None` until it is known how long the job runs."""


class WhyView(Message):
    """The whole story of a job."""

    job: JobView
    attempts: list[AttemptView]
    story: list[StoryLine]
    answer: str
    """One sentence: why it is where it is."""
    alone: AloneView | None = None
    """`None` for an array as a whole, before the job may start, and where it does not fit at home."""
    saved: str = ""
    """One sentence: when it would start alone, and what the alliance saves."""
