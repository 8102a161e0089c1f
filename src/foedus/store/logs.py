"""Output of jobs, in parts, as it came in."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Table, func, select, update

from foedus.core.base.ids import JobId
from foedus.store.session import Session
from foedus.store.tables import log_parts, logs

_PART: Final = 256 * 1024
"""Most bytes in one row, so that reading a little never loads much."""


@dataclass(frozen=True, slots=True)
class SqlLogs:
    """The port `Logs`."""

    _session: Session

    def append(self, job: JobId, attempt: int, stream: str, offset: int, data: bytes, *, truncated: bool) -> int:
        """Append what is new of a stretch; return the offset that the stream has reached.

        The stream's row is locked until the transaction ends, so that stretches never overlap.
        """
        length = self._lock(job, attempt, stream, truncated=truncated)
        new = data[length - offset :] if offset <= length else b""
        if not new:
            return length
        parts = [
            {
                "job": job,
                "attempt": attempt,
                "stream": stream,
                "start": length + begin,
                "data": new[begin : begin + _PART],
            }
            for begin in range(0, len(new), _PART)
        ]
        self._session.add(log_parts, parts)
        reached = length + len(new)
        self._session.changes(update(logs).where(*_which(logs, job, attempt, stream)).values(length=reached))
        return reached

    def read(self, job: JobId, attempt: int, stream: str, offset: int, limit: int) -> tuple[bytes, int, bool]:
        """Return a stretch, the whole length, and whether the stream was truncated."""
        known = self._session.first(select(logs).where(*_which(logs, job, attempt, stream)))
        if known is None:
            return b"", 0, False
        which = _which(log_parts, job, attempt, stream)
        first = select(func.max(log_parts.c.start)).where(*which, log_parts.c.start <= offset).scalar_subquery()
        stretch = select(log_parts.c.start, log_parts.c.data).where(
            *which, log_parts.c.start >= first, log_parts.c.start < offset + limit
        )
        rows = self._session.rows(stretch.order_by(log_parts.c.start))
        begin = offset - rows[0].start if rows else 0
        data = b"".join(row.data for row in rows)[begin : begin + limit]
        return data, known.length, known.truncated

    def _lock(self, job: JobId, attempt: int, stream: str, *, truncated: bool) -> int:
        new = self._session.insert(logs).values(job=job, attempt=attempt, stream=stream, length=0, truncated=truncated)
        known = new.on_conflict_do_update(
            index_elements=["job", "attempt", "stream"],
            set_={"truncated": logs.c.truncated | new.excluded.truncated},
        )
        return int(self._session.scalar(known.returning(logs.c.length)))


def _which(table: Table, job: JobId, attempt: int, stream: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.job == job, table.c.attempt == attempt, table.c.stream == stream
