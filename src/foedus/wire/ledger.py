"""The books, on the wire."""

from enum import StrEnum

from foedus.core.base.dsse import Signature, Verifier
from foedus.core.base.ids import AllianceId, Digest, JobId, PartnerId, SiteId
from foedus.core.ledger.chain import Head, head_signed_by
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

    @property
    def head(self) -> Head:
        """What is signed."""
        return Head(alliance=self.alliance, seq=self.seq, hash=self.hash, at=self.at)

    def is_signed(self, verify: Verifier) -> bool:
        """Say whether the signature is that of the key which it names."""
        return head_signed_by(verify, self.keyid, self.head, Signature(keyid=self.keyid, sig=self.sig))


class SealView(Message):
    """A site's countersignature under a head that it found to follow from the ones before."""

    site: SiteId
    seq: Position
    hash: Digest
    at: Time
    """The head's own time: it is part of what is signed."""
    keyid: str
    sig: str
    hub_sig: str = ""
    """The hub's own signature under the same head: it proves that the hub showed what its ledger no longer holds."""


class SealState(Message):
    """How far a site has sealed the ledger."""

    site: SiteId
    seq: int
    hash: Digest
    at: Time
    """When that entry was booked."""
    agrees: bool
    """Whether the ledger holds that very entry. If not, the site was shown another history than it tells now."""


class SealList(Message):
    """The newest seal of each site."""

    head: int
    """Number of the ledger's newest entry."""
    seals: list[SealState]


class GapKind(StrEnum):
    """What is missing of an attempt."""

    UNBOOKED = "unbooked"
    """It ended, and its usage record is not in the ledger: withheld, or disputed."""
    OVERDUE = "overdue"
    """The site says that it runs, long beyond its time limit."""


class GapView(Message):
    """One attempt that its site has not accounted for."""

    job: JobId
    attempt: int
    site: SiteId
    kind: GapKind
    since: Time
    """When it ended, or should have."""
    text: str
    """What the hub and the site said of it last."""


class GapCount(Message):
    """How many attempts of a site ended, and how many of those are booked."""

    site: SiteId
    ended: int
    booked: int
    overdue: int


class GapList(Message):
    """What the sites ran and have not accounted for: the oldest first, at most 1000, and all of them counted."""

    sites: list[GapCount]
    gaps: list[GapView]


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


class WaitsLine(Message):
    """How the jobs of one partner that ended in one month did against that partner's own site alone."""

    partner: PartnerId
    month: str
    """``2026-11``, UTC."""
    earlier: int
    equal: int
    """Within a minute of their end alone."""
    later: int
    homeless: int
    """Jobs that do not fit at home: alone they could not have run."""
    saved: int
    """Seconds by which all jobs together ended sooner than alone; negative if later."""
    worst: int
    """Seconds by which the latest of them ended later than alone; 0 if none did."""


class WaitsView(Message):
    """What the alliance saved each partner, by month."""

    lines: list[WaitsLine]
