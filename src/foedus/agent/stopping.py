"""How an attempt is ended that the hub wants back: at once, or with time to save; and what that makes of its end. Pure.

What only waits is cancelled. What runs goes on under a recall, is cancelled for its user, and has time to save when it
is called home: it gets the signal that its script names, and is cancelled only after its grace.
"""

from enum import StrEnum

from foedus.agent.reconcile import NEVER, Rules, returned
from foedus.core.base.instant import Instant, passed
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.signals import end_signal
from foedus.core.jobs.state import Outcome
from foedus.store.journal_rows import Row, Step

_STRENGTH = {StopReason.RECALL: 1, StopReason.HOME: 2, StopReason.CANCEL: 3}


class Command(StrEnum):
    """What the cluster is to be told."""

    SIGNAL = "signal"
    CANCEL = "cancel"


def asked_to_stop(row: Row, why: StopReason) -> Row:
    """Take an order to end it. What was not handed over yet goes back at once; a weaker reason gives way.

    A recall that the cluster has been told stands: what it ends has not been given time to save.
    """
    if row.step is Step.INTENDED:
        return returned(row.model_copy(update={"stop": why}), NEVER[why])
    weaker = row.stop is not None and _STRENGTH[why] <= _STRENGTH[row.stop]
    told = row.stop is StopReason.RECALL and row.stopped is not None and why is StopReason.HOME
    if row.step in {Step.CLOSED, Step.RETURNED} or weaker or told:
        return row
    return row.model_copy(update={"stop": why})


def next_command(row: Row, now: Instant, rules: Rules) -> Command | None:
    """Say what the cluster is to be told now, if anything."""
    if row.stop is None or row.step not in {Step.HANDED, Step.RUNNING}:
        return None
    again = row.stopped is None or passed(row.stopped, rules.stop_again_s, now)
    if row.step is Step.RUNNING and row.stop is StopReason.RECALL:
        return None
    if row.step is Step.RUNNING and row.stop is StopReason.HOME:
        return _called_home(row, now, rules, again=again)
    return Command.CANCEL if again else None


def _called_home(row: Row, now: Instant, rules: Rules, *, again: bool) -> Command | None:
    if row.asked is None:
        return Command.SIGNAL
    grace = end_signal(row.order.spec).grace
    if passed(row.asked, rules.grace_s if grace is None else grace, now):
        return Command.CANCEL if again else None
    return None if row.heard or not again else Command.SIGNAL


def told(row: Row, command: Command, now: Instant) -> Row:
    """Note that the cluster is told."""
    asked = (row.asked or now) if command is Command.SIGNAL else row.asked
    return row.model_copy(update={"stopped": now, "asked": asked})


def heard(row: Row) -> Row:
    """Note that the cluster has passed the signal on, to the restart that it was meant for."""
    return row if row.asked is None else row.model_copy(update={"heard": True})


def recalled(row: Row) -> bool:
    """Say whether it ended without having been let run since the hub wanted it back: then the job goes elsewhere."""
    last = row.runs.get(row.restarts)
    return (
        row.stop in {StopReason.RECALL, StopReason.HOME}
        and row.stopped is not None
        and last is not None
        and last.outcome is Outcome.CANCELLED
    )


def called_home(row: Row) -> bool:
    """Say whether its run was ended since the hub called it home: then the job goes on elsewhere."""
    last = row.runs.get(row.restarts)
    return (
        row.stop is StopReason.HOME
        and row.stopped is not None
        and last is not None
        and last.outcome is Outcome.PREEMPTED
    )


def to_send(row: Row) -> tuple[str, ...]:
    """Return patterns of the files that are to be sent once it is over: its outputs, or its progress if it goes on."""
    spec = row.order.spec
    if not (recalled(row) or called_home(row)):
        return spec.outputs
    ran = any(run.started is not None for run in row.runs.values())
    return (spec.checkpoint,) if spec.checkpoint and ran else ()
