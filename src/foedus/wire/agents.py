"""Between an agent and the hub.

Every request is signed by the agent's key (RFC 9421, see `foedus.keys.http`) and carries its epoch and a sequence
number that only grows, one series per path (``/orders``, ``/reports`` ...).

The exchange is about the board, not about events: the hub says which attempts it wants started and stopped, until the
agent says that they are; the agent says where every attempt is, until the hub has it. Either side may repeat anything.
"""

from typing import Annotated

from pydantic import Field

from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.spec import ArrayTask, JobSpec
from foedus.core.jobs.state import AttemptState, Outcome
from foedus.core.placement.capacity import Capacity
from foedus.wire.ledger import SealView, SignedHead
from foedus.wire.message import AttemptNumber, Code, Message, Position, WireObject
from foedus.wire.times import Time


class CodeRequest(Message):
    """Ask for a single-use enrolment code for a site (office or the site's operator)."""

    site: SiteId


class CodeReply(Message):
    """The code, shown once."""

    code: str
    site: SiteId
    expires: Time


class EnrolRequest(Message):
    """An agent introduces its key. ``vouch`` is the partner's signed statement that the key speaks for the site."""

    code: str
    site: SiteId
    vouch: WireObject
    """A DSSE envelope of type ``application/vnd.foedus.site-key+json``."""


class EnrolReply(Message):
    """The agent is known now."""

    site: SiteId
    hub_key: str
    entry: int
    """The ledger entry that records the key."""


class RevocationRequest(Message):
    """Take a site's key back. Without a statement the hub alone refuses the key that the site has now."""

    statement: WireObject | None = None
    """A DSSE envelope of type ``application/vnd.foedus.site-key-revoked+json``, made by the site's partner: it is
    booked, and the key that it names never returns."""
    requeue: bool = False
    """Give the site's open jobs to other sites at once. What still runs of them there is to end; until the site has
    joined again nobody can tell it, so that such a job may run at two sites for a while. Only the newer one counts."""


class RevocationReply(Message):
    """The key is refused from now on."""

    site: SiteId
    key: str
    entry: int | None
    """The ledger entry that records it; `None` without a statement."""
    requeued: int = 0
    """How many jobs were taken back from the site."""


class RotationRequest(Message):
    """Take another key for the site. The request itself is signed with the key that the hub knows."""

    vouch: WireObject
    """The partner's statement about the new key, as at enrolment."""
    retirement: WireObject | None = None
    """The partner's statement that the old one counts no longer, as at a revocation: both are booked together."""


class RotationReply(Message):
    """The new key speaks for the site from now on; the old one is refused."""

    site: SiteId
    key: str
    entry: int
    """The ledger entry that records it."""


class HelloRequest(Message):
    """An agent has started (or been restored) and asks for its epoch."""

    version: str
    driver: str
    epoch: int = 0
    """The newest epoch that the agent knows of: the one that begins is higher, whatever the hub remembers."""


class BoardItem(Message):
    """One attempt that the hub believes to be at the site."""

    job: JobId
    attempt: int
    state: AttemptState
    native_id: str
    order: "StartOrder"
    """All that an agent whose journal lost it needs to look for it and to report it.

    Its attempt is the one that the site was given: that is what the cluster knows it by. It is lower than `attempt`
    where the cluster has queued it again."""
    stop: StopReason | None = None
    """Why the hub wants it ended: an agent before this one may have begun with that."""


class HelloReply(Message):
    """The agent's new epoch (older ones are refused from now on), the hub's time, and the hub's board of the site."""

    epoch: int
    now: Time
    board: list[BoardItem]
    recovery: "RecoveryAsk | None" = None
    """The hub was restored from a backup, and asks for what it has lost."""


class StartOrder(Message):
    """Start this attempt, if the site's own policy allows it."""

    job: JobId
    attempt: int
    user: UserId
    user_partner: PartnerId
    project: ProjectId
    sector: SectorId
    guest: bool
    agreement_version: int
    spec: JobSpec
    task: ArrayTask | None = None
    bundle: Digest | None = None
    restarts: Annotated[int, Field(ge=0)] = 0
    """How many earlier attempts of the job have run."""
    checkpoint: Digest | None = None
    """Manifest of what the last of them left that was asked back: it is unpacked before the job starts."""


class StopOrder(Message):
    """End this attempt. A recall ends it only if it has not begun to run; one that is called home may save first."""

    job: JobId
    attempt: int
    why: StopReason


class OrdersRequest(Message):
    """Ask for orders; the hub answers at once if there are any, else when there are, or after ``wait_s``."""

    wait_s: Annotated[float, Field(ge=0, le=60)] = 20
    known: list[tuple[JobId, AttemptNumber]] = []
    """Attempts whose start order the agent has in its journal already but has not reported yet."""
    sealed: SignedHead | None = None
    """Sent only if the hub has shown a head behind this one, which it signed itself: it has lost entries."""


class OrdersReply(Message):
    """What to do. ``head`` is the newest head of the ledger, signed by the hub, for the site to countersign."""

    starts: list[StartOrder]
    stops: list[StopOrder]
    head: SignedHead | None
    recovering: bool = False
    """The hub was restored and is not whole yet: nothing is to be reported until it is."""


class StatusItem(Message):
    """Where one attempt is."""

    job: JobId
    attempt: AttemptNumber
    state: AttemptState
    native_id: str = ""
    native_state: str = ""
    reason: str = ""
    """The cluster's or the local policy's words."""
    policy: list[str] = []
    """For a returned attempt that local policy refused: the ids of the refusing policies (may be empty)."""
    final: bool = False
    """For a returned attempt: the site will not take this job later either."""
    started: Time | None = None
    ended: Time | None = None
    outcome: Outcome | None = None
    exit_code: Code | None = None
    signal: Code | None = None
    requeued_as: AttemptNumber | None = None
    """The site queued the job again; the number of the attempt that follows this one."""
    outputs: Digest | None = None
    """Manifest of the declared outputs, once uploaded."""
    back: bool = False
    """It ended since the hub called it home: the job is not over, and is to be placed anew."""
    checkpoint: Digest | None = None
    """Manifest of its progress, once uploaded, of an attempt whose job goes on elsewhere."""


class UsageItem(Message):
    """A usage record with the site's signature."""

    body: WireObject
    keyid: str
    sig: str


class ReportRequest(Message):
    """What changed since the last report that the hub acknowledged; with ``full`` every attempt the site still has."""

    at: Time
    full: bool = False
    capacity: Capacity | None = None
    draining: bool = False
    statuses: list[StatusItem] = []
    usages: list[UsageItem] = []
    seals: list[SealView] = []


class ReportItem(Message):
    """What became of one status or usage record."""

    job: JobId
    attempt: int
    accepted: bool
    """True also for what the hub knew already."""
    text: str = ""


class ReportReply(Message):
    """Answers in the order of the request: first the statuses, then the usage records."""

    statuses: list[ReportItem]
    usages: list[ReportItem]


class LogPiece(Message):
    """A stretch of a job's output."""

    job: JobId
    attempt: AttemptNumber
    stream: Annotated[str, Field(pattern="^(stdout|stderr)$")]
    offset: Position
    data: str
    """Base64."""
    truncated: bool = False
    """The job wrote more than the site passes on; this is the last piece."""


class LogsRequest(Message):
    """Output that appeared since the last call."""

    pieces: Annotated[list[LogPiece], Field(max_length=1000)]


class LogsReply(Message):
    """How far the hub has each stream now, in the order of the request: the agent goes on from there."""

    offsets: list[int]


class RecoveryAsk(Message):
    """What a restored hub wants to be told before anything else."""

    since: Time
    """Every attempt of which the journal has changed since then."""
    head: int
    """The ledger's entries after this number."""


class HeldAttempt(Message):
    """An attempt that a site was given, whatever the hub remembers of it."""

    order: StartOrder
    newest: int
    """The number of the newest attempt that the cluster made of it by queueing it again."""
    native_id: str
    since: Time
    """No later than it can have begun."""


class RecoveryRequest(Message):
    """What a site knows that a restored hub may have lost. May be sent in parts, and again."""

    sealed: SignedHead | None = None
    """The newest head that the site has countersigned, with the hub's own signature."""
    head: SignedHead | None = None
    """The head that `entries` lead to, with the hub's own signature: nothing else is believed."""
    entries: list[WireObject] = []
    attempts: list[HeldAttempt] = []
    last: bool = False
    """Everything is said."""


class RecoveryReply(Message):
    """How far the hub has come."""

    head: int
    """Number of its newest entry."""
    faults: list[str]
    """What it could not take, in words."""


class HeadReply(Message):
    """Entries that lead from a head that the site holds to the newest one."""

    head: SignedHead
    entries: list[WireObject]
    seals: list[SealView] = []
    """The newest seal of each site, for the others to compare with what they are shown."""
