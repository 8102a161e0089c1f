"""The books, on the wire."""

from foedus.core.base.ids import AllianceId, Digest, PartnerId, SiteId
from foedus.wire.message import Message, Position, WireObject
from foedus.wire.times import Time


class SignedHead(Message):
    """The hash of the newest entry, signed by the hub."""

    alliance: AllianceId
    seq: int
    hash: Digest
    at: Time
    keyid: str
    sig: str


class SealView(Message):
    """A site's countersignature under a head that it found to follow from the ones before."""

    site: SiteId
    seq: Position
    hash: Digest
    at: Time
    """The head's own time: it is part of what is signed."""
    keyid: str
    sig: str


class EntryPage(Message):
    """Ledger entries in order, as they are chained."""

    entries: list[WireObject]
    next: int | None
    """Number of the next entry; `None` at the head."""


class BalanceLine(Message):
    """One partner in one period. All figures in GPU-seconds."""

    partner: PartnerId
    period: str
    """``2026-11``, ``2026-Q4`` or ``2026``."""
    pledged: int
    own: int
    """Its own jobs on its own sites."""
    gave: int
    """Other partners' jobs on its sites."""
    took: int
    """Its jobs on other partners' sites."""
    by_model: dict[str, int]
    """What it gave, by GPU model."""


class BalanceView(Message):
    """What each partner gave and took, computed from the ledger up to ``seq``."""

    alliance: AllianceId
    seq: int
    at: Time
    lines: list[BalanceLine]
