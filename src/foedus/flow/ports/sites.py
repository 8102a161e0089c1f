"""What is known of agents, and the versions of the agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from foedus.core.base.canon import JsonObject
from foedus.core.base.ids import Digest, PartnerId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.placement.capacity import Capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """What the hub knows of a site beside the agreement."""

    site: SiteId
    key: str | None
    """The agent's public key; `None` before enrolment and after revocation."""
    epoch: int = 0
    seen: Instant | None = None
    draining: bool = False
    capacity: Capacity | None = None
    capacity_at: Instant | None = None


class Sites(Protocol):
    """Agents: keys, epochs, sequences, what they last said."""

    def get(self, site: SiteId) -> SiteRecord:
        """Load one; a site that never spoke has an empty record."""
        ...

    def all(self) -> Sequence[SiteRecord]:
        """Return the records of all sites that ever spoke."""
        ...

    def enrol(self, site: SiteId, key: str) -> None:
        """Set the site's key; sequences start anew, the epoch stays."""
        ...

    def revoke(self, site: SiteId) -> bool:
        """Forget the site's key; false if it had none."""
        ...

    def next_epoch(self, site: SiteId, known: int = 0) -> int:
        """Start a new epoch, higher than the last one and than `known`, and return it."""
        ...

    def accept(self, site: SiteId, series: str, sequence: int) -> bool:
        """Take a message's number if it is larger than the last one of its series."""
        ...

    def saw(self, site: SiteId, at: Instant, capacity: Capacity | None = None, *, draining: bool | None = None) -> None:
        """Note that the agent spoke, and what it said of itself."""
        ...

    def add_code(self, code: Digest, site: SiteId, expires: Instant) -> None:
        """Store the hash of an enrolment code."""
        ...

    def use_code(self, code: Digest, site: SiteId, at: Instant) -> bool:
        """Use a code up; false if it is unknown, another site's, over or used before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRecord:
    """A version that is or was in force: the file, the partners' envelopes (their JSON), and its ledger entry."""

    version: int
    digest: Digest
    text: bytes
    envelopes: Mapping[PartnerId, JsonObject]
    entry: int


class Agreements(Protocol):
    """Versions of the agreement."""

    def version(self) -> int | None:
        """Return the newest version's number."""
        ...

    def current(self) -> AgreementRecord | None:
        """Return the newest version."""
        ...

    def since(self, version: int) -> Sequence[AgreementRecord]:
        """Return that version and all after it, oldest first."""
        ...

    def add(self, record: AgreementRecord) -> None:
        """Store a newer version; one that exists already is a `Conflict`."""
        ...
