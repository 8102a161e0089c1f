"""Slurm's words for the state of a job, in ours. A word that is missing here is no error: see each function."""

from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase

_PENDING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})

OUTCOMES: dict[str, Outcome] = {
    "COMPLETED": Outcome.COMPLETED,
    "FAILED": Outcome.FAILED,
    "TIMEOUT": Outcome.TIMEOUT,
    "DEADLINE": Outcome.TIMEOUT,
    "OUT_OF_MEMORY": Outcome.OUT_OF_MEMORY,
    "NODE_FAIL": Outcome.NODE_FAIL,
    "BOOT_FAIL": Outcome.NODE_FAIL,
    "CANCELLED": Outcome.CANCELLED,
    "REVOKED": Outcome.CANCELLED,
    "PREEMPTED": Outcome.PREEMPTED,
    "REQUEUED": Outcome.REQUEUED,
}
"""The final states of an accounting record. ``REQUEUED`` is final there, and waiting in squeue."""


def word(state: str) -> str:
    """Return the bare state of sacct's ``CANCELLED by 1000``."""
    return state.partition(" ")[0]


def outcome(state: str) -> Outcome | None:
    """Say how a record ended, by sacct's word; `None` while it has not, and for a word that nobody knows."""
    return OUTCOMES.get(word(state))


def phase(state: str) -> Phase | None:
    """Say where a job is, by squeue's word; `None` if it is over.

    A word that nobody knows counts as running: the job is there, and must be neither booked nor started again.
    """
    if state in _PENDING:
        return Phase.PENDING
    return None if state in OUTCOMES else Phase.RUNNING


def is_part(state: str) -> bool:
    """Say whether a record is only a part of a run: a job that changes its size gets a record for each size."""
    return word(state) == "RESIZING"
