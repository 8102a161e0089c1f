"""What the driver says of an attempt, in the words of the contract. Pure."""

from pathlib import Path

from foedus.core.base.instant import Instant, from_seconds
from foedus.core.base.units import CpuSeconds, GpuSeconds, Mebibytes, Seconds
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase, Record, Sighting
from foedus.drivers.local.board import Attempt, pieces_of
from foedus.drivers.local.environment import node_list
from foedus.drivers.local.records import Done, Orders


def sighting(attempt: Attempt | None) -> Sighting:
    """Describe an attempt as it stands."""
    if attempt is None:
        return Sighting(phase=Phase.UNKNOWN)
    if attempt.over:
        return _ended(attempt)
    orders, begun = attempt.orders, attempt.begun
    running = orders is not None and begun is not None
    return Sighting(
        phase=Phase.RUNNING if running else Phase.PENDING,
        native_id=str(attempt.ticket.native_id),
        restarts=attempt.restart,
        native_state=("COMPLETING" if attempt.stopping else "RUNNING") if running else "PENDING",
        reason="" if orders is not None else attempt.wait,
        started=from_seconds(begun.started) if begun is not None else None,
        stdout=Path(orders.stdout) if orders is not None else None,
        stderr=Path(orders.stderr) if orders is not None else None,
    )


def records(attempt: Attempt | None) -> tuple[Record, ...]:
    """Account for every run of an attempt that is over."""
    if attempt is None:
        return ()
    found: list[Record] = []
    submitted = from_seconds(attempt.ticket.submitted)
    for restart, (orders, done) in enumerate(attempt.runs):
        found.append(_record(attempt, restart, orders, done, submitted))
        submitted = found[-1].ended
    return tuple(found)


def _ended(attempt: Attempt) -> Sighting:
    orders, done = attempt.runs[-1]
    return Sighting(
        phase=Phase.ENDED,
        native_id=str(attempt.ticket.native_id),
        restarts=len(attempt.runs) - 1,
        native_state=done.outcome.upper().replace("-", "_"),
        reason=done.reason,
        started=None if done.started is None else from_seconds(done.started),
        stdout=Path(orders.stdout) if orders is not None else None,
        stderr=Path(orders.stderr) if orders is not None else None,
    )


def _record(attempt: Attempt, restart: int, orders: Orders | None, done: Done, submitted: Instant) -> Record:
    """Account for one run; one that never began held nothing."""
    pieces = pieces_of(orders) if done.started is not None else ()
    elapsed = done.ended - done.started if done.started is not None else 0
    cpus = sum(len(piece.cpus) for piece in pieces)
    gpus: dict[str, int] = {}
    for piece in pieces:
        if piece.gpus:
            gpus[piece.gpu_model or ""] = gpus.get(piece.gpu_model or "", 0) + len(piece.gpus)
    return Record(
        restart=restart,
        native_id=str(attempt.ticket.native_id),
        outcome=Outcome(done.outcome),
        exit_code=done.exit_code,
        signal=done.signal,
        submitted=submitted,
        started=None if done.started is None else from_seconds(done.started),
        ended=from_seconds(done.ended),
        elapsed=Seconds(elapsed),
        nodes=len(pieces),
        cpus=cpus,
        cpu_seconds=CpuSeconds(cpus * elapsed),
        gpus=gpus,
        gpu_seconds={model: GpuSeconds(count * elapsed) for model, count in gpus.items()},
        memory=Mebibytes(sum(piece.memory for piece in pieces)),
        node_names=node_list([piece.node for piece in pieces]),
    )
