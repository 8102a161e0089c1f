"""Jobs alone at their homes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, case, false, func, literal, select, true, update

from foedus.core.base.ids import JobId, PartnerId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Job
from foedus.flow.ports import AS_ALONE_S, AloneRecord, Waits
from foedus.store.job_rows import job_from
from foedus.store.session import AnyRow, Session, Values, along, chunks
from foedus.store.shadow_tables import BY_END, BY_FRESH, BY_OPEN, FRESH, OPEN
from foedus.store.shadow_tables import alone as table
from foedus.store.tables import jobs as job_table

_EQUAL_MS: Final = 1000 * AS_ALONE_S
_ARRIVAL: Final = (table.c.arrived, table.c.number, table.c.task)
_AT_FIRST: Final = ("job", "number", "task", "partner", "arrived", "is_over", "fresh")
_FROM_JOB: Final = (job_table.c.id, job_table.c.number, job_table.c.task, job_table.c.partner)
_KNOWN: Final = ("home", "part", "width", "time_limit", "start", "run", "left_at", "end_at", "ended", "month")
_SEEN: Final = case((table.c.is_over == bindparam("seen_over"), False), else_=table.c.fresh)
"""What ended while it was looked at has news again."""
_NEW: Final[Values] = {name: bindparam(f"new_{name}") for name in _KNOWN}
_WRITE: Final = update(table).where(table.c.job == bindparam("which")).values({**_NEW, "fresh": _SEEN})


@dataclass(frozen=True, slots=True)
class SqlShadows:
    """The port `Shadows`."""

    _session: Session

    def arrive(self, jobs: Sequence[JobId], at: Instant) -> None:
        """Note that jobs wait to be placed."""
        for part in chunks(sorted(jobs)):
            noted = select(*_FROM_JOB, literal(at), false(), true()).where(job_table.c.id.in_(part))
            into = self._session.insert(table).from_select(_AT_FIRST, noted).on_conflict_do_nothing()
            self._session.connection.execute(into)

    def over(self, jobs: Sequence[JobId]) -> None:
        """Note that jobs have ended."""
        for part in chunks(sorted(jobs)):
            self._session.changes(update(table).where(table.c.job.in_(part)).values(is_over=True, fresh=True))

    def fresh(self, limit: int) -> Sequence[tuple[AloneRecord, Job]]:
        """Load records with news."""
        found = along(select(table).where(FRESH).order_by(*_ARRIVAL).limit(limit), table, BY_FRESH)
        records = [_record(row) for row in self._session.rows(found)]
        jobs: dict[JobId, Job] = {}
        for part in chunks([record.job for record in records]):
            loaded = self._session.rows(select(job_table).where(job_table.c.id.in_(part)))
            jobs.update((JobId(row.id), job_from(row)) for row in loaded)
        return [(record, jobs[record.job]) for record in records]

    def write(self, records: Sequence[AloneRecord]) -> None:
        """Write down what is known now."""
        if records:
            self._session.connection.execute(_WRITE, [_values(record) for record in records])

    def unsettled(self) -> Sequence[AloneRecord]:
        """Load what shadows go on from."""
        begun = select(func.min(table.c.start)).where(OPEN)
        first = self._session.scalar(along(begun, table, BY_OPEN))
        rows = list(self._session.rows(along(select(table).where(OPEN), table, BY_OPEN)))
        if first is not None:
            rows += self._session.rows(along(select(table).where(table.c.end_at > first), table, BY_END))
        return [_record(row) for row in sorted(rows, key=lambda row: (row.arrived, row.number, row.task))]

    def of(self, jobs: Sequence[JobId]) -> Mapping[JobId, AloneRecord]:
        """Load records."""
        found: dict[JobId, AloneRecord] = {}
        for part in chunks(sorted(jobs)):
            rows = self._session.rows(select(table).where(table.c.job.in_(part)))
            found.update((JobId(row.job), _record(row)) for row in rows)
        return found

    def waits(self) -> Sequence[Waits]:
        """Sum up the jobs that ended."""
        late = table.c.ended - table.c.end_at
        homeless = table.c.end_at.is_(None)
        summed = (
            select(
                table.c.partner,
                table.c.month,
                func.sum(case((late < -_EQUAL_MS, 1), else_=0)).label("earlier"),
                func.sum(case((late.between(-_EQUAL_MS, _EQUAL_MS), 1), else_=0)).label("equal"),
                func.sum(case((late > _EQUAL_MS, 1), else_=0)).label("later"),
                func.sum(case((homeless, 1), else_=0)).label("homeless"),
                func.sum(-late).label("saved"),
                func.max(late).label("worst"),
            )
            .where(table.c.month.is_not(None))
            .group_by(table.c.partner, table.c.month)
            .order_by(table.c.month, table.c.partner)
        )
        return [
            Waits(
                partner=PartnerId(row.partner),
                month=row.month,
                earlier=row.earlier,
                equal=row.equal,
                later=row.later,
                homeless=row.homeless,
                saved=int(row.saved or 0) // 1000,
                worst=max(0, int(row.worst or 0)) // 1000,
            )
            for row in self._session.rows(summed)
        ]


def _record(row: AnyRow) -> AloneRecord:
    return AloneRecord(
        job=JobId(row.job),
        partner=PartnerId(row.partner),
        arrived=Instant(row.arrived),
        over=row.is_over,
        home=None if row.home is None else SiteId(row.home),
        part=row.part or "",
        width=row.width or 0,
        limit=row.time_limit or 0,
        start=row.start,
        run=row.run,
        left=row.left_at,
        end=row.end_at,
        ended=row.ended,
        month=row.month,
    )


def _values(record: AloneRecord) -> Values:
    return {
        "which": record.job,
        "seen_over": record.over,
        "new_home": record.home,
        "new_part": record.part,
        "new_width": record.width,
        "new_time_limit": record.limit,
        "new_start": record.start,
        "new_run": record.run,
        "new_left_at": record.left,
        "new_end_at": record.end,
        "new_ended": record.ended,
        "new_month": record.month,
    }
