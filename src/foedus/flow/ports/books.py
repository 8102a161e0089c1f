"""The chain and the countersignatures under it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signature
from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import Entry, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What is to become an entry."""

    kind: Kind
    body: JsonObject
    signatures: Sequence[Signature]
    attempt: tuple[JobId, int] | None = None
    """Makes a usage record unique: a second one of an attempt is a `Conflict`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRecord:
    """A site's countersignature under a head."""

    site: SiteId
    head: Head
    signature: Signature


class Ledger(Protocol):
    """The chain, append-only. `append` locks the head until the transaction ends."""

    def head(self) -> Head | None:
        """Return the newest head; `None` before the first entry."""
        ...

    def append(
        self,
        kind: Kind,
        body: JsonObject,
        signatures: Sequence[Signature],
        at: Instant,
        *,
        attempt: tuple[JobId, int] | None = None,
    ) -> Entry:
        """Chain a new entry. `attempt` makes a usage record unique: a second one is a `Conflict`."""
        ...

    def append_all(self, bookings: Sequence[Booking], at: Instant) -> Sequence[Entry]:
        """Chain new entries, in order."""
        ...

    def take(self, entry: Entry) -> bool:
        """Chain an entry that is known from elsewhere, as it is; false unless it follows from the newest one here."""
        ...

    def usage_entries(self, attempts: Sequence[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], int]:
        """Return the entries that book attempts; those that are not booked are left out."""
        ...

    def entries(self, start: int, limit: int) -> Sequence[Entry]:
        """Return entries from number `start` on."""
        ...

    def about_keys(self) -> Sequence[Entry]:
        """Return the entries about sites' keys, in order: those that give one and those that revoke one."""
        ...

    def stream(self, start: int = 1) -> Iterator[Entry]:
        """Iterate over all entries from `start`, in pages, without holding them all."""
        ...

    def seal(self, record: SealRecord) -> None:
        """Keep a countersignature; one per site and head."""
        ...

    def seals(self) -> Sequence[SealRecord]:
        """Return the newest countersignature of each site."""
        ...
