"""What the hub is told of an attempt: derived from the row alone, so that telling it again says the same."""

from foedus.agent.reconcile import vanished
from foedus.agent.stopping import called_home, recalled
from foedus.core.base.instant import iso
from foedus.core.jobs.state import AttemptState
from foedus.store.journal_rows import Row, Run, Step
from foedus.wire.agents import StatusItem

_LONGEST_REASON = 2000


def statuses(row: Row) -> tuple[StatusItem, ...]:
    """Return one status for each attempt that came out of the order, oldest first.

    Those whose record is not there yet, and what follows them, are left out: their last status still stands. So is an
    attempt that the cluster has not taken: the hub has it as bound, and it is.
    """
    items: list[StatusItem] = []
    for restart in range(row.restarts):
        run = row.runs.get(restart)
        if run is None:
            return tuple(items)
        items.append(_ended(row, restart, run).model_copy(update={"requeued_as": row.order.attempt + restart + 1}))
    newest = _newest(row)
    return (*items, newest) if newest is not None else tuple(items)


def board(row: Row) -> tuple[StatusItem, ...]:
    """Return the same for a full report, in which no attempt is left out."""
    items = statuses(row)
    if row.step in {Step.INTENDED, Step.HANDING}:
        return (*items, _item(row, AttemptState.BOUND, "the site prepares it"))
    return items


def _newest(row: Row) -> StatusItem | None:
    match row.step:
        case Step.INTENDED | Step.HANDING:
            return None
        case Step.RETURNED:
            returned = _item(row, AttemptState.RETURNED, row.reason)
            return returned.model_copy(update={"policy": list(row.policy), "final": row.final})
        case Step.CLOSED:
            return _over(row)
        case Step.HANDED | Step.RUNNING | Step.ENDED:
            state = AttemptState.STARTING if row.started is None else AttemptState.RUNNING
            return _item(row, state, _reason(row)).model_copy(update={"started": row.started})


def _over(row: Row) -> StatusItem:
    run = row.runs[row.restarts]
    if vanished(row):
        return _item(row, AttemptState.RETURNED, _join(row.note, "it was never seen to run"))
    if not recalled(row):
        ended = _ended(row, row.restarts, run)
        if called_home(row):  # how it obeyed is nothing that its user needs the cluster's words for
            return ended.model_copy(update={"back": True, "checkpoint": row.checkpoint, "reason": _join(row.note)})
        return ended.model_copy(update={"outputs": row.outputs, "reason": _join(row.note, row.reason)})
    words = "recalled before it ran" if run.started is None else f"recalled as it began; {run.elapsed} s are booked"
    return _item(row, AttemptState.RETURNED, _join(row.note, words)).model_copy(update={"checkpoint": row.checkpoint})


def _ended(row: Row, restart: int, run: Run) -> StatusItem:
    return StatusItem(
        job=row.order.job,
        attempt=row.order.attempt + restart,
        state=AttemptState.ENDED,
        native_id=row.native_id,
        native_state=row.native_state if restart == row.restarts else "",
        started=run.started,
        ended=run.ended,
        outcome=run.outcome,
        exit_code=run.exit_code,
        signal=run.signal,
    )


def _item(row: Row, state: AttemptState, reason: str) -> StatusItem:
    return StatusItem(
        job=row.order.job,
        attempt=row.newest,
        state=state,
        native_id=row.native_id,
        native_state=row.native_state,
        reason=reason[:_LONGEST_REASON],
    )


def _reason(row: Row) -> str:
    if row.forgotten and row.unknown_since is not None and row.step is not Step.ENDED:
        return f"only the cluster's accounting knows it since {iso(row.unknown_since)}"
    if row.unknown_since is not None and row.step is not Step.ENDED:
        return f"neither the cluster's queue nor its accounting knows it since {iso(row.unknown_since)}"
    if row.step is Step.ENDED:
        return "over at the cluster; its last output and files are on their way"
    return row.reason


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)[:_LONGEST_REASON]
