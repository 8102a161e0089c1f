"""What follows from what the journal remembers and what the cluster shows: pure decisions on one attempt.

A look that failed never gets here, so it changes nothing. Everything returns the row as it is to be from now on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foedus.core.base.ids import AllianceId, Marker
from foedus.core.base.instant import Instant, after, iso, seconds_between
from foedus.core.base.units import CpuSeconds, Seconds
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, Outcome
from foedus.drivers.base import Phase, Record, Ref, Sighting
from foedus.store.journal_rows import AT_CLUSTER, Row, Run, Step
from foedus.wire.agents import BoardItem, StartOrder

NO_SOURCE = "none"
"""Source of a usage record that no accounting stands behind: the cluster lost the attempt."""
_CLEAN_LOOKS = 2
_LOOK_BACK_S = 30 * 86_400
"""How far back to search for an attempt whose beginning the journal does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long to wait before believing that something is gone."""

    settle_s: float = 15
    """After a hand-over in doubt: how long the cluster may take to show it."""
    lost_after_s: float = 600
    """For an attempt that the cluster had, or a record that it owes."""
    stop_again_s: float = 10
    """Between two commands to end the same attempt."""
    grace_s: float = 60
    """How long a running attempt that is called home may save, if its script does not say."""
    revive_s: float = 600
    """How long an ended attempt is still looked at, since an operator may queue it again."""


def marker(alliance: AllianceId, row: Row) -> Marker:
    """Return what names the attempt at the cluster."""
    return Marker(alliance=alliance, job=row.order.job, attempt=row.order.attempt)


def ref(alliance: AllianceId, row: Row) -> Ref:
    """Return what the driver needs to find it."""
    since = after(row.since, -_LOOK_BACK_S) if row.adopted else row.since
    return Ref(marker=marker(alliance, row), native_id=row.native_id or None, folder=Path(row.folder), since=since)


def ordered(order: StartOrder, now: Instant) -> Row:
    """Take an order: the intent, before anything is done."""
    return Row(order=order, step=Step.INTENDED, since=now)


def adopted(item: BoardItem, now: Instant) -> Row:
    """Take over an attempt from the hub's board that the journal does not know.

    The agent that had it before may have handed it over just before it lost its journal: it is looked for, and never
    handed over again unless the hub never heard that the cluster has it and the cluster certainly has not.
    """
    steps = {AttemptState.STARTING: Step.HANDED, AttemptState.RUNNING: Step.RUNNING}
    return Row(
        order=item.order,
        step=steps.get(item.state, Step.HANDING),
        since=now,
        adopted=True,
        native_id=item.native_id,
        restarts=max(0, item.attempt - item.order.attempt),
        started=now if item.state is AttemptState.RUNNING else None,
        **_told_before(item, now),
    )


def _told_before(item: BoardItem, now: Instant) -> dict[str, Any]:
    """Take it that an agent before this one has called home what the hub has called home: its end is due to that."""
    return {"stop": item.stop, "stopped": now} if item.stop is StopReason.HOME else {}


def doubted(row: Row, folder: str) -> Row:
    """Look for it before anything else: the journal may be older than what was done."""
    if row.step is not Step.INTENDED:
        return row
    return row.model_copy(update={"step": Step.HANDING, "adopted": True, "folder": folder, **_KNOWN})


def told_of(row: Row, item: BoardItem, now: Instant) -> Row:
    """Take the hub's word that the cluster had it, or that it was called home, where the journal has forgotten that."""
    if row.stop is None and row.step not in {Step.CLOSED, Step.RETURNED}:
        row = row.model_copy(update=_told_before(item, now))
    if item.state is AttemptState.BOUND or row.step not in {Step.INTENDED, Step.HANDING}:
        return row
    return row.model_copy(update={"step": Step.HANDED, "adopted": True, "native_id": item.native_id, **_KNOWN})


def returned(row: Row, reason: str, *, final: bool = False, policy: Sequence[str] = ()) -> Row:
    """Give it back; it never reached the cluster."""
    update = {"step": Step.RETURNED, "reason": reason, "final": final, "policy": tuple(policy)}
    return row.model_copy(update=update)


def handing(row: Row, account: str, folder: str, now: Instant) -> Row:
    """Note that it is about to be handed over, unless it was stopped meanwhile."""
    if row.step is not Step.INTENDED:
        return row
    update = {"step": Step.HANDING, "account": account, "folder": folder, "since": now, **_KNOWN}
    return row.model_copy(update=update)


_KNOWN: Mapping[str, object] = {"unknown_since": None, "unknowns": 0, "forgotten": False}


def handed(row: Row, native_id: str) -> Row:
    """Note that the cluster took it."""
    if row.step is not Step.HANDING:
        return row
    return row.model_copy(update={"step": Step.HANDED, "native_id": native_id, **_KNOWN})


def seen(row: Row, sighting: Sighting, now: Instant, rules: Rules) -> Row:
    """Follow what the cluster shows."""
    if row.step in {Step.INTENDED, Step.RETURNED}:
        return row
    if sighting.phase is Phase.UNKNOWN:
        return row if row.step in {Step.ENDED, Step.CLOSED} else _not_seen(row, now, rules)
    if row.step is Step.CLOSED and sighting.restarts <= row.restarts:
        return row
    if sighting.forgotten and row.step is Step.ENDED and sighting.restarts <= row.restarts:
        return row
    shown = _shown(row, sighting, now)
    return _forgotten(row, shown, now, rules) if sighting.forgotten else shown


def _shown(row: Row, sighting: Sighting, now: Instant) -> Row:
    restarts = max(row.restarts, sighting.restarts)
    update: dict[str, object] = {
        "native_id": sighting.native_id or row.native_id,
        "native_state": sighting.native_state,
        "reason": sighting.reason,
        "restarts": restarts,
        "note": "",
        **_KNOWN,
    }
    if restarts > row.restarts or row.step is Step.CLOSED:
        update |= {"started": None, "ended": None, "closed": None, "logged": False, "sent": False}
        update |= {"asked": None, "heard": False}
    # an attempt that was recalled while it waited is seen through, even if it began in between
    recalled = row.stop is StopReason.RECALL and row.stopped is not None
    match sighting.phase:
        case Phase.PENDING:
            update |= {"step": Step.HANDED, "started": None}
        case Phase.RUNNING if recalled:
            update |= {"step": Step.HANDED}
        case Phase.RUNNING:
            update |= {"step": Step.RUNNING, "started": sighting.started or row.started or now}
        case _:
            update |= {"step": Step.ENDED, "ended": row.ended or now}
    return row.model_copy(update=update)


def _forgotten(row: Row, shown: Row, now: Instant, rules: Rules) -> Row:
    """Follow what only the accounting has: a scheduler that lost a job never tells its end."""
    since = min(row.unknown_since or now, now)
    shown = shown.model_copy(update={"unknown_since": since, "unknowns": row.unknowns + 1, "forgotten": True})
    if shown.unknowns < _CLEAN_LOOKS or seconds_between(since, now) < rules.lost_after_s:
        return shown
    note = f"the cluster lost it: its queue does not know it since {iso(since)}, and its accounting has no end of it"
    return shown.model_copy(update={"step": Step.ENDED, "ended": now, "note": note})


def _not_seen(row: Row, now: Instant, rules: Rules) -> Row:
    since = min(row.unknown_since or now, now)  # the clock may have been set back
    row = row.model_copy(update={"unknown_since": since, "unknowns": row.unknowns + 1, "forgotten": False})
    if row.unknowns < _CLEAN_LOOKS:
        return row
    if row.step is Step.HANDING:
        return _absent(row) if seconds_between(since, now) >= rules.settle_s else row
    if seconds_between(since, now) < rules.lost_after_s:
        return row
    note = f"the cluster lost it: neither its queue nor its accounting knows it since {iso(since)}"
    return row.model_copy(update={"step": Step.ENDED, "ended": now, "note": note})


NEVER = {
    StopReason.CANCEL: "cancelled before it was handed to the cluster",
    StopReason.RECALL: "recalled before it was handed to the cluster",
    StopReason.HOME: "called home before it was handed to the cluster",
}
"""What is said of an attempt that was to end before anything was done."""


def _absent(row: Row) -> Row:
    """Let it be handed over, since it certainly never was; unless somebody wants it ended."""
    if row.stop is not None:
        return returned(row, NEVER[row.stop])
    return row.model_copy(update={"step": Step.INTENDED, **_KNOWN})


def resumed(row: Row, now: Instant) -> Row:
    """Let an attempt be followed by a new process: its waits begin anew, which were measured by another's clock."""
    ended = now if row.step is Step.ENDED and owes_records(row) else row.ended
    told = {"stopped": row.stopped and now, "asked": row.asked and now}
    return row.model_copy(update={"ended": ended, **told, **_KNOWN})


def owes_records(row: Row) -> bool:
    """Say whether some restart that is over has no record yet."""
    finished = row.restarts + (row.step is Step.ENDED)
    return row.step in AT_CLUSTER and any(number not in row.runs for number in range(finished))


def new_records(row: Row, records: Sequence[Record], now: Instant, rules: Rules) -> tuple[Record, ...]:
    """Pick the records to book now: those of restarts that are over and not booked, none before its predecessor.

    The hub learns of a restart by how the one before it ended, and books nothing of an attempt that it does not know.

    Each restart is booked once, from the first reading of its record. A cluster may write over that record later, as
    Slurm does when an operator queues an ended job again: what is in `runs` is neither booked nor told a second time,
    and the run that follows is a restart of its own, under the next number.

    A record that the cluster owes for too long is replaced by an empty one, whose source says that no accounting
    stands behind it: the books stay whole, and nobody pays for what nobody measured.
    """
    finished = row.restarts + (row.step is Step.ENDED)
    found = {record.restart: record for record in records}
    wanted = [number for number in range(finished) if number not in row.runs]
    overdue = row.ended is not None and (
        row.unknown_since is not None or seconds_between(row.ended, now) >= rules.lost_after_s
    )
    due: list[Record] = []
    for number in wanted:
        record = found.get(number) or (_missing(row, number, now) if overdue else None)
        if record is None:
            break
        due.append(_as_called_home(row, record))
    return tuple(due)


def _as_called_home(row: Row, record: Record) -> Record:
    """Tell an end that was asked for from the job's own: whoever ended with 0 has completed, whatever was asked."""
    asked = row.stop is StopReason.HOME and row.stopped is not None and record.started is not None
    if asked and record.outcome in {Outcome.FAILED, Outcome.CANCELLED}:
        return replace(record, outcome=Outcome.PREEMPTED)
    return record


def _missing(row: Row, number: int, now: Instant) -> Record:
    return Record(
        restart=number,
        native_id=row.native_id,
        outcome=Outcome.NODE_FAIL if number == row.restarts else Outcome.REQUEUED,
        exit_code=0,
        signal=0,
        submitted=min(row.since, now),
        started=None,
        ended=now,
        elapsed=Seconds(0),
        nodes=0,
        cpus=0,
        cpu_seconds=CpuSeconds(0),
        node_names=NO_SOURCE,
    )


def is_missing(record: Record) -> bool:
    """Say whether a record only stands for one that the cluster never gave."""
    return record.node_names == NO_SOURCE and record.nodes == 0


def booked(row: Row, records: Sequence[Record]) -> Row:
    """Note how restarts ended."""
    runs = {
        record.restart: Run(
            outcome=record.outcome,
            exit_code=record.exit_code,
            signal=record.signal,
            started=record.started,
            ended=record.ended,
            elapsed=record.elapsed,
        )
        for record in records
    }
    note = row.note
    if any(is_missing(record) for record in records) and not note:
        note = "the cluster's accounting has no record of it; it is booked with nothing used"
    return row.model_copy(update={"runs": {**row.runs, **runs}, "note": note})


def may_close(row: Row) -> bool:
    """Say whether all is collected: records, last output, files."""
    return row.step is Step.ENDED and row.restarts in row.runs and row.logged and row.sent


def closed(row: Row, now: Instant) -> Row:
    """Close it once all is collected."""
    return row.model_copy(update={"step": Step.CLOSED, "closed": now}) if may_close(row) else row


def vanished(row: Row) -> bool:
    """Say whether the cluster lost it before anybody saw it run: then the job is placed anew, as if a node had failed.

    Slurm does as much itself for what it still knows of; a job that may not be queued again is over.
    """
    last = row.runs.get(row.restarts)
    return (
        row.order.spec.requeue is not False
        and row.started is None
        and last is not None
        and last.started is None
        and last.outcome is Outcome.NODE_FAIL
    )
