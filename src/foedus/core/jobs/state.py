"""The states of a job and of its attempts, and the moves between them, as tables.

The database refuses every other move too: each update is guarded by the states that it may start from.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. Slurm's own words where Slurm has one."""

    PENDING = "pending"
    """Admitted; waits for a dependency, for room at a site, or for its array's throttle."""
    BOUND = "bound"
    """Given to one site, which has not yet said that its cluster has it."""
    STARTING = "starting"
    """In the site's own queue."""
    RUNNING = "running"
    """Runs at the site."""
    COMPLETED = "completed"
    """Ended with exit code 0."""
    FAILED = "failed"
    """Ended with another exit code, or by a signal."""
    TIMEOUT = "timeout"
    """Ended by the site because its time limit was over."""
    OUT_OF_MEMORY = "out-of-memory"
    """Ended by the site because it used more memory than it asked for."""
    NODE_FAIL = "node-fail"
    """Ended because a node died under it."""
    CANCELLED = "cancelled"
    """Ended by its user, an operator or an unmet dependency."""
    REFUSED = "refused"
    """Never ran: the agreement, the budget, the sites' limits or every site's local policy said no."""


class AttemptState(StrEnum):
    """Where one attempt is."""

    BOUND = "bound"
    """Waits for the agent to take it."""
    STARTING = "starting"
    """The site's cluster has it and has not started it."""
    RUNNING = "running"
    """It runs."""
    ENDED = "ended"
    """It is over; its usage record says how."""
    RETURNED = "returned"
    """The site gave it back unstarted: local policy, a drain, or no room after all."""


class Outcome(StrEnum):
    """How an attempt ended, as the site's accounting says."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    NODE_FAIL = "node-fail"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    """An owner job took its place, or it was called home; the job goes on as a new attempt."""
    REQUEUED = "requeued"
    """The site queued it again for another reason, as a new attempt."""


class Move(StrEnum):
    """What can happen to a job."""

    BIND = "bind"
    HAND_OVER = "hand-over"
    RUN = "run"
    RETURN = "return"
    REQUEUE = "requeue"
    END = "end"
    CANCEL = "cancel"
    REFUSE = "refuse"
    REVIVE = "revive"
    """The site runs a job again that had ended: an operator's ``scontrol requeue``."""


ENDED = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
        JobState.CANCELLED,
        JobState.REFUSED,
    }
)
AT_SITE = frozenset({JobState.BOUND, JobState.STARTING, JobState.RUNNING})
LIVE_ATTEMPT = frozenset({AttemptState.BOUND, AttemptState.STARTING, AttemptState.RUNNING})

MOVES: dict[Move, frozenset[JobState]] = {
    Move.BIND: frozenset({JobState.PENDING}),
    Move.HAND_OVER: frozenset({JobState.BOUND}),
    Move.RUN: frozenset({JobState.BOUND, JobState.STARTING}),
    Move.RETURN: AT_SITE,
    Move.REQUEUE: AT_SITE,
    Move.END: AT_SITE,
    Move.CANCEL: frozenset({JobState.PENDING}),
    Move.REFUSE: frozenset({JobState.PENDING}),
    Move.REVIVE: ENDED - {JobState.REFUSED},
}
"""From which states each move may start."""

_TARGET: dict[Move, JobState] = {
    Move.BIND: JobState.BOUND,
    Move.HAND_OVER: JobState.STARTING,
    Move.RUN: JobState.RUNNING,
    Move.RETURN: JobState.PENDING,
    Move.REQUEUE: JobState.STARTING,
    Move.CANCEL: JobState.CANCELLED,
    Move.REFUSE: JobState.REFUSED,
    Move.REVIVE: JobState.STARTING,
}

FINAL: dict[Outcome, JobState] = {
    Outcome.COMPLETED: JobState.COMPLETED,
    Outcome.FAILED: JobState.FAILED,
    Outcome.TIMEOUT: JobState.TIMEOUT,
    Outcome.OUT_OF_MEMORY: JobState.OUT_OF_MEMORY,
    Outcome.NODE_FAIL: JobState.NODE_FAIL,
    Outcome.CANCELLED: JobState.CANCELLED,
    Outcome.PREEMPTED: JobState.CANCELLED,
    Outcome.REQUEUED: JobState.CANCELLED,
}
"""The job's state when its newest attempt ended so and the site does not queue it again."""


def target(move: Move, outcome: Outcome | None = None) -> JobState:
    """Return the state that a move leads to; `Move.END` needs the outcome."""
    if move is Move.END:
        if outcome is None:
            raise ValueError("an ended attempt has an outcome")
        return FINAL[outcome]
    return _TARGET[move]
