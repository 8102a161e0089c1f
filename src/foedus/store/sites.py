"""Sites: their agents' keys, epochs, sequences, and what they last said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, case, delete, select, update

from foedus.core.base.ids import Digest, SiteId
from foedus.core.base.instant import Instant
from foedus.core.placement.capacity import Capacity
from foedus.flow.ports import SiteRecord
from foedus.store.codec import capacity_from, capacity_text
from foedus.store.session import AnyRow, Session, Values
from foedus.store.tables import codes, site_series, sites

_GET: Final = select(sites).where(sites.c.site == bindparam("which"))


@dataclass(frozen=True, slots=True)
class SqlSites:
    """The port `Sites`."""

    _session: Session

    def get(self, site: SiteId) -> SiteRecord:
        """Load one; empty for a site that never spoke."""
        row = self._session.first(_GET, {"which": site})
        return SiteRecord(site=site, key=None) if row is None else _record(row)

    def all(self) -> Sequence[SiteRecord]:
        """Load all, by id."""
        return [_record(row) for row in self._session.rows(select(sites).order_by(sites.c.site))]

    def enrol(self, site: SiteId, key: str) -> None:
        """Set the site's key; sequences start anew."""
        self._put(site, {"key": key})
        self._session.changes(delete(site_series).where(site_series.c.site == site))

    def revoke(self, site: SiteId) -> bool:
        """Forget the site's key."""
        enrolled = update(sites).where(sites.c.site == site, sites.c.key.is_not(None))
        return self._session.changes(enrolled.values(key=None)) == 1

    def next_epoch(self, site: SiteId, known: int = 0) -> int:
        """Start a new epoch."""
        new = self._session.insert(sites).values(site=site, epoch=known + 1, draining=False)
        higher = case((sites.c.epoch >= known, sites.c.epoch + 1), else_=known + 1)
        counted = new.on_conflict_do_update(index_elements=["site"], set_={"epoch": higher})
        return int(self._session.scalar(counted.returning(sites.c.epoch)))

    def accept(self, site: SiteId, series: str, sequence: int) -> bool:
        """Take a message's number if it is larger than the last one."""
        new = self._session.insert(site_series).values(site=site, series=series, last=sequence)
        larger = new.on_conflict_do_update(
            index_elements=["site", "series"],
            set_={"last": new.excluded.last},
            where=site_series.c.last < new.excluded.last,
        )
        return self._session.first(larger.returning(site_series.c.last)) is not None

    def saw(self, site: SiteId, at: Instant, capacity: Capacity | None = None, *, draining: bool | None = None) -> None:
        """Note that the agent spoke."""
        values: Values = {"seen": at}
        if capacity is not None:
            values |= {"capacity": capacity_text(capacity), "capacity_at": at}
        if draining is not None:
            values["draining"] = draining
        self._put(site, values)

    def add_code(self, code: Digest, site: SiteId, expires: Instant) -> None:
        """Store the hash of an enrolment code."""
        self._session.add(codes, [{"code": code, "site": site, "expires": expires}])

    def use_code(self, code: Digest, site: SiteId, at: Instant) -> bool:
        """Use a code up."""
        valid = (codes.c.code == code, codes.c.site == site, codes.c.used.is_(None), codes.c.expires > at)
        return self._session.changes(update(codes).where(*valid).values(used=at)) == 1

    def _put(self, site: SiteId, values: Values) -> None:
        new = self._session.insert(sites).values({"site": site, "epoch": 0, "draining": False, **values})
        self._session.connection.execute(new.on_conflict_do_update(index_elements=["site"], set_=values))


def _record(row: AnyRow) -> SiteRecord:
    return SiteRecord(
        site=SiteId(row.site),
        key=row.key,
        epoch=row.epoch,
        seen=row.seen,
        draining=row.draining,
        capacity=capacity_from(row.capacity),
        capacity_at=row.capacity_at,
    )
