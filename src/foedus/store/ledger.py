"""The ledger: entries as the bytes of their lines, and the head that each append locks."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import func, select, tuple_

from foedus.core.agreement.read import read
from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signature
from foedus.core.base.errors import BadInput, Broken, Conflict
from foedus.core.base.ids import AllianceId, Digest, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import Head, append, head_of
from foedus.core.ledger.entry import Entry, Kind, entry_from_json
from foedus.core.ledger.usage_json import usage_from_body
from foedus.flow.ports import Booking, SealRecord
from foedus.store.session import AnyRow, Session, chunks
from foedus.store.tables import ABOUT_KEYS, BOOKS_USAGE, ledger, ledger_head, seals, sites

_PAGE: Final = 500
"""Entries that `stream` holds at a time."""
_NOWHERE: Final = 0
"""``seq`` of the head before the first entry."""

_Chained: TypeAlias = tuple[Entry, Head, tuple[JobId, int] | None]
"""A new entry, the head that it makes, and the attempt that it books."""


@dataclass(frozen=True, slots=True)
class SqlLedger:
    """The port `Ledger`."""

    _session: Session

    def head(self) -> Head | None:
        """Return the newest head."""
        row = self._session.first(select(ledger_head))
        return None if row is None or row.seq == _NOWHERE else _head(row)

    def append(
        self,
        kind: Kind,
        body: JsonObject,
        signatures: Sequence[Signature],
        at: Instant,
        *,
        attempt: tuple[JobId, int] | None = None,
    ) -> Entry:
        """Chain a new entry; the head is locked until the transaction ends.

        The alliance is learnt from the first entry; one of another alliance is a `Conflict` thereafter.
        """
        return self.append_all([Booking(kind=kind, body=body, signatures=signatures, attempt=attempt)], at)[0]

    def append_all(self, bookings: Sequence[Booking], at: Instant) -> Sequence[Entry]:
        """Chain new entries; the head is locked once for all of them, until the transaction ends."""
        if not bookings:
            return ()
        alliance, head = self._locked_head(bookings)
        self._refuse_doubles([one.attempt for one in bookings if one.kind is Kind.USAGE and one.attempt])
        chained: list[_Chained] = []
        for one in bookings:
            entry = append(head, kind=one.kind, body=one.body, signatures=tuple(one.signatures), at=at)
            head = head_of(alliance, entry)
            chained.append((entry, head, one.attempt))
        self._put(chained)
        return [entry for entry, _, _ in chained]

    def take(self, entry: Entry) -> bool:
        """Chain an entry that is known from elsewhere."""
        usage = usage_from_body(entry.body) if entry.kind is Kind.USAGE else None
        attempt = (usage.job, usage.attempt) if usage else None
        booking = Booking(kind=entry.kind, body=entry.body, signatures=entry.signatures, attempt=attempt)
        alliance, head = self._locked_head([booking])
        if head is None or (entry.seq, entry.prev) != (head.seq + 1, head.hash) or entry.at < head.at:
            return False
        self._put([(entry, head_of(alliance, entry), attempt)])
        return True

    def _put(self, chained: Sequence[_Chained]) -> None:
        """Add entries that follow from the head, and move it to the last one."""
        rows = [
            {
                "seq": entry.seq,
                "kind": entry.kind.value,
                "job": attempt and attempt[0],
                "attempt": attempt and attempt[1],
                "hash": head.hash,
                "line": entry.line(),
            }
            for entry, head, attempt in chained
        ]
        self._session.add(ledger, rows)
        _, new, _ = chained[-1]
        self._session.changes(ledger_head.update().values(seq=new.seq, hash=new.hash, at=new.at))

    def usage_entries(self, attempts: Sequence[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], int]:
        """Return the entries that book attempts."""
        found: dict[tuple[JobId, int], int] = {}
        for part in chunks(sorted(set(attempts))):
            named = tuple_(ledger.c.job, ledger.c.attempt).in_(part)
            rows = self._session.rows(select(ledger.c.job, ledger.c.attempt, ledger.c.seq).where(BOOKS_USAGE, named))
            found.update(((JobId(row.job), row.attempt), row.seq) for row in rows)
        return found

    def entries(self, start: int, limit: int) -> Sequence[Entry]:
        """Load entries from number `start` on; each one's hash is checked."""
        stretch = select(ledger.c.seq, ledger.c.line).where(ledger.c.seq >= start).order_by(ledger.c.seq).limit(limit)
        return [_entry(row) for row in self._session.rows(stretch)]

    def about_keys(self) -> Sequence[Entry]:
        """Load the entries about sites' keys."""
        found = select(ledger.c.seq, ledger.c.line).where(ABOUT_KEYS).order_by(ledger.c.seq)
        return [_entry(row) for row in self._session.rows(found)]

    def stream(self, start: int = 1) -> Iterator[Entry]:
        """Iterate over all entries, in pages."""
        while page := self.entries(start, _PAGE):
            yield from page
            start = page[-1].seq + 1

    def seal(self, record: SealRecord) -> None:
        """Keep a countersignature."""
        row = {
            "site": record.site,
            "seq": record.head.seq,
            "alliance": record.head.alliance,
            "hash": record.head.hash,
            "at": record.head.at,
            "keyid": record.signature.keyid,
            "sig": record.signature.sig,
        }
        self._session.add_new(seals, row)

    def seals(self) -> Sequence[SealRecord]:
        """Load the newest countersignature of each site, by site."""
        # site by site, each a step in the table's own order: there is a seal of each site for nearly each entry
        last = select(func.max(seals.c.seq)).where(seals.c.site == sites.c.site).scalar_subquery()
        newest = select(sites.c.site, last.label("seq")).subquery()
        found = select(seals).join(newest, (seals.c.site == newest.c.site) & (seals.c.seq == newest.c.seq))
        return [_seal(row) for row in self._session.rows(found.order_by(seals.c.site))]

    def _locked_head(self, bookings: Sequence[Booking]) -> tuple[AllianceId, Head | None]:
        row = self._session.first(select(ledger_head).with_for_update())
        if row is None:
            # Nobody has appended yet: make the row that is locked from now on. Whoever comes second waits for it here.
            first = {"id": 1, "alliance": _alliance(bookings[0]), "seq": _NOWHERE, "hash": "", "at": 0}
            self._session.add_new(ledger_head, first)
            row = self._session.first(select(ledger_head).with_for_update())
        if row is None:
            raise Broken("the ledger has no head")
        for one in bookings:
            named = one.body.get("alliance", row.alliance)
            if named != row.alliance:
                raise Conflict(f"this ledger is of alliance {row.alliance}, not of {named}")
        return AllianceId(row.alliance), None if row.seq == _NOWHERE else _head(row)

    def _refuse_doubles(self, attempts: Sequence[tuple[JobId, int]]) -> None:
        for job, number in [*self.usage_entries(attempts), *(Counter(attempts) - Counter(set(attempts)))]:
            raise Conflict(f"attempt {number} of job {job} is booked already")


def _alliance(booking: Booking) -> AllianceId:
    if booking.kind is Kind.AGREEMENT:
        return read(str(booking.body["text"]).encode("utf-8")).id
    return AllianceId(str(booking.body["alliance"]))


def _head(row: AnyRow) -> Head:
    return Head(alliance=AllianceId(row.alliance), seq=row.seq, hash=Digest(row.hash), at=Instant(row.at))


def _entry(row: AnyRow) -> Entry:
    try:
        return entry_from_json(json.loads(row.line))
    except (BadInput, ValueError) as error:
        raise Broken(
            f"entry {row.seq} of the ledger is damaged: {error}", remedy="restore the database from a backup"
        ) from error


def _seal(row: AnyRow) -> SealRecord:
    return SealRecord(site=SiteId(row.site), head=_head(row), signature=Signature(keyid=row.keyid, sig=row.sig))
