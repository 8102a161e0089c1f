"""Records as tables: one row each, one column for each figure, for CSV and Parquet alike."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from foedus.core.base.instant import Instant
from foedus.core.ledger.booked import Booked
from foedus.wire.ledger import BalanceView

Cell: TypeAlias = str | int | float | Mapping[str, int] | None


class Type(Enum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "whole number"
    FRACTION = "number with a fraction"
    TIME = "instant: milliseconds since 1970 in UTC"
    BY_MODEL = "whole numbers by GPU model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, its type and unit."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns, and rows that are read once."""

    columns: tuple[Column, ...]
    rows: Iterator[tuple[Cell, ...]]


def usage_table(records: Iterable[Booked]) -> Table:
    """Return one row for each usage record and correction, as booked.

    Figures of a record that was corrected later are still there: sum over `foedus.core.ledger.booked.settled` records
    to count each attempt once.
    """
    return Table(columns=_USAGE, rows=(_usage_row(record) for record in records))


def balance_table(view: BalanceView) -> Table:
    """Return one row for each partner and period; all figures in GPU-seconds."""
    return Table(columns=_BALANCE, rows=_balance_rows(view))


def _columns(**types: Type) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=kind) for name, kind in types.items())


_USAGE = _columns(
    entry=Type.NUMBER,
    booked=Type.TIME,
    corrects=Type.NUMBER,
    alliance=Type.TEXT,
    agreement_version=Type.NUMBER,
    job=Type.TEXT,
    attempt=Type.NUMBER,
    site=Type.TEXT,
    site_partner=Type.TEXT,
    user=Type.TEXT,
    user_partner=Type.TEXT,
    project=Type.TEXT,
    sector=Type.TEXT,
    purpose=Type.TEXT,
    native_id=Type.TEXT,
    source=Type.TEXT,
    outcome=Type.TEXT,
    exit_code=Type.NUMBER,
    signal=Type.NUMBER,
    submitted=Type.TIME,
    started=Type.TIME,
    ended=Type.TIME,
    elapsed_s=Type.NUMBER,
    nodes=Type.NUMBER,
    cpus=Type.NUMBER,
    cpu_seconds=Type.NUMBER,
    gpus=Type.BY_MODEL,
    gpu_seconds=Type.BY_MODEL,
    gpu_seconds_total=Type.NUMBER,
    memory_mib=Type.NUMBER,
    energy_j=Type.NUMBER,
    energy_method=Type.TEXT,
    requested_gpus=Type.NUMBER,
    requested_time_limit_s=Type.NUMBER,
    reason=Type.TEXT,
    hash=Type.TEXT,
)
_BALANCE = _columns(
    alliance=Type.TEXT,
    period=Type.TEXT,
    partner=Type.TEXT,
    pledged=Type.NUMBER,
    own=Type.NUMBER,
    gave=Type.NUMBER,
    took=Type.NUMBER,
    net=Type.NUMBER,
    gave_by_model=Type.BY_MODEL,
)


def _usage_row(record: Booked) -> tuple[Cell, ...]:
    usage = record.usage
    return (
        record.seq,
        record.at,
        record.corrects,
        usage.alliance,
        usage.agreement_version,
        usage.job,
        usage.attempt,
        usage.site,
        usage.site_partner,
        usage.user,
        usage.user_partner,
        usage.project,
        usage.sector,
        _word(usage.purpose),
        usage.native_id,
        usage.source,
        str(usage.outcome),
        usage.exit_code,
        usage.signal,
        usage.submitted,
        usage.started,
        usage.ended,
        usage.elapsed,
        usage.nodes,
        usage.cpus,
        usage.cpu_seconds,
        usage.gpus,
        usage.gpu_seconds,
        sum(usage.gpu_seconds.values()),
        usage.memory,
        usage.energy,
        _word(usage.energy_method),
        usage.requested_gpus,
        usage.requested_time_limit,
        record.reason,
        record.hash,
    )


def _balance_rows(view: BalanceView) -> Iterator[tuple[Cell, ...]]:
    for one in view.lines:
        net = one.gave - one.took
        yield view.alliance, one.period, one.partner, one.pledged, one.own, one.gave, one.took, net, one.by_model


def _word(value: str | None) -> str | None:
    return None if value is None else str(value)


def instant(cell: Cell) -> Instant | None:
    """Return the cell of a TIME column as what it is."""
    return Instant(cell) if isinstance(cell, int) else None
