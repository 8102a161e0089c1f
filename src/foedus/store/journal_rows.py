"""What an agent's journal remembers of each attempt that it was given."""

from enum import StrEnum

from pydantic import Field

from foedus.core.base.ids import Digest, JobId
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import Outcome
from foedus.wire.agents import StartOrder, StatusItem, UsageItem
from foedus.wire.message import Message
from foedus.wire.times import Time


class Step(StrEnum):
    """How far the agent is with an attempt."""

    INTENDED = "intended"
    """The order is in the journal. Nothing was done at the cluster: it may still be returned without a trace."""
    HANDING = "handing"
    """Being handed to the cluster. After a crash here it is in doubt, and looked for by its marker."""
    HANDED = "handed"
    """The cluster has it and has not started it."""
    RUNNING = "running"
    """It runs."""
    ENDED = "ended"
    """The cluster says that it is over; its records, last output and files are being collected."""
    CLOSED = "closed"
    """Everything about it is in the outbox."""
    RETURNED = "returned"
    """Given back without having been handed over."""


OVER = frozenset({Step.CLOSED, Step.RETURNED})
AT_CLUSTER = frozenset({Step.HANDED, Step.RUNNING, Step.ENDED})


class Run(Message):
    """How one restart ended, as booked."""

    outcome: Outcome
    exit_code: int
    signal: int
    started: Time | None
    ended: Time
    elapsed: int


class Row(Message):
    """One attempt. ``order`` never changes; everything else follows the cluster.

    The cluster's own restarts are attempts of their own: restart k of the attempt n is attempt n + k.
    """

    order: StartOrder
    step: Step
    since: Time
    """When the intent was written, or the attempt was handed to the cluster the last time."""
    adopted: bool = False
    """Taken from the hub's board: the journal had lost it, and does not know when it began."""
    account: str = ""
    folder: str = ""
    native_id: str = ""
    native_state: str = ""
    reason: str = ""
    """In the cluster's words, or why it was returned."""
    policy: tuple[str, ...] = ()
    final: bool = False
    """For a returned attempt: the site will not take the job later either."""
    restarts: int = 0
    """How often the cluster has queued it again."""
    started: Time | None = None
    """Start of the newest restart, once it runs."""
    runs: dict[int, Run] = Field(default_factory=dict[int, Run])
    """The finished restarts."""
    stop: StopReason | None = None
    stopped: Time | None = None
    """When the cluster was last told to end it, or to let it end itself."""
    asked: Time | None = None
    """When the newest restart, called home, was first sent its signal: from then on it has its grace."""
    heard: bool = False
    """The cluster has passed that signal on."""
    unknown_since: Time | None = None
    unknowns: int = 0
    """How many looks in a row found it nowhere, or in the accounting alone, each with every source answering."""
    forgotten: bool = False
    """The newest look found it in the accounting alone."""
    ended: Time | None = None
    """When the agent learnt that it is over."""
    logged: bool = False
    """Its last output is at the hub."""
    sent: bool = False
    """Its declared outputs are at the hub, or will not come."""
    outputs: Digest | None = None
    checkpoint: Digest | None = None
    """Of an attempt whose job goes on elsewhere, in the place of outputs."""
    note: str = ""
    """What the user has to know of its end: outputs that did not come, records that are missing."""
    closed: Time | None = None

    @property
    def key(self) -> tuple[JobId, int]:
        """Its name in the journal."""
        return (self.order.job, self.order.attempt)

    @property
    def newest(self) -> int:
        """The number of the newest attempt that came out of this one."""
        return self.order.attempt + self.restarts


class Tail(Message):
    """How far a stream of output has been sent."""

    job: JobId
    attempt: int
    stream: str
    path: str
    position: int = 0
    """Where to read on in the file."""
    offset: int = 0
    """How much the hub has."""
    done: bool = False


class Due(Message):
    """A status that the hub has not acknowledged yet."""

    item: StatusItem
    version: int
    """Counts its changes, so that an acknowledgement of an older one does not silence a newer one."""


class Outbox(Message):
    """What is to be reported."""

    statuses: list[Due]
    usages: list[UsageItem]


class Flags(Message):
    """What the operator has asked of the agent."""

    draining: bool = False
    severed: bool = False
