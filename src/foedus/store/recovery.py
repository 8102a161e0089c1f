"""The restoration of a hub: one row, and one for each site that was heard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant
from foedus.flow.ports import Recovery, RecoverySite
from foedus.store.recovery_tables import recovery as table
from foedus.store.recovery_tables import recovery_sites
from foedus.store.session import AnyRow, Session
from foedus.store.tables import jobs, pieces, site_series, sites


@dataclass(frozen=True, slots=True)
class SqlRecoveries:
    """The port `Recoveries`."""

    _session: Session

    def get(self) -> Recovery | None:
        """Load it."""
        row = self._session.first(select(table))
        return None if row is None else _recovery(row)

    def begin(self, recovery: Recovery) -> None:
        """Begin one."""
        session = self._session
        session.changes(delete(table))
        session.changes(delete(recovery_sites))
        session.changes(delete(site_series))
        session.changes(update(sites).values(epoch=0, capacity=None, capacity_at=None))
        row = {
            "id": 1,
            "begun": recovery.begun,
            "since": recovery.since,
            "head": recovery.head,
            "reason": recovery.reason,
        }
        session.add(table, [row])

    def end(self, at: Instant) -> bool:
        """End it."""
        going_on = update(table).where(table.c.ended.is_(None))
        return self._session.changes(going_on.values(ended=at)) == 1

    def sites(self) -> Sequence[RecoverySite]:
        """Load what the sites have told."""
        return [_site(row) for row in self._session.rows(select(recovery_sites).order_by(recovery_sites.c.site))]

    def heard(self, site: RecoverySite) -> None:
        """Keep what a site has told."""
        values = {
            "at": site.at,
            "sealed": site.sealed,
            "jobs": site.jobs,
            "done": site.done,
            "faults": json.dumps(site.faults),
        }
        new = self._session.insert(recovery_sites).values(site=site.site, **values)
        self._session.connection.execute(new.on_conflict_do_update(index_elements=["site"], set_=values))

    def skip_numbers(self, beyond: int) -> None:
        """Give no number up to `beyond`."""
        self._session.database.skip_numbers(self._session.connection, beyond)

    def drop_pieces(self, absent: Sequence[tuple[str, str]]) -> None:
        """Forget pieces."""
        for project, piece in absent:
            self._session.changes(delete(pieces).where(pieces.c.project == project, pieces.c.piece == piece))

    def pieces(self) -> Sequence[tuple[str, str]]:
        """Load the names of all pieces."""
        return [(str(row.project), str(row.piece)) for row in self._session.rows(select(pieces))]

    def last_number(self) -> int:
        """Return the highest job number."""
        return int(self._session.scalar(select(func.max(jobs.c.number))) or 0)


def _recovery(row: AnyRow) -> Recovery:
    return Recovery(
        begun=Instant(row.begun),
        since=Instant(row.since),
        head=row.head,
        reason=row.reason,
        ended=None if row.ended is None else Instant(row.ended),
    )


def _site(row: AnyRow) -> RecoverySite:
    return RecoverySite(
        site=SiteId(row.site),
        at=Instant(row.at),
        sealed=row.sealed,
        jobs=row.jobs,
        done=row.done,
        faults=tuple(json.loads(row.faults)),
    )
