"""What an agreement says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from foedus.core.base.ids import AllianceId, ClauseId, Digest, PartnerId, PoolId, SectorId, SiteId
from foedus.core.base.units import GpuSeconds, Mebibytes, Seconds

Texts = Mapping[str, str]
"""One sentence in several languages: BCP 47 tag -> text. ``en`` is always there."""


class Period(StrEnum):
    """How often a pledge counts anew."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A sovereign party and the key that speaks for it."""

    id: PartnerId
    title: Texts
    key: str
    """Ed25519 public key, ``ed25519:`` and 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Nodes of one kind at a site."""

    id: PoolId
    nodes: int
    cpus_per_node: int
    memory_per_node: Mebibytes
    gpus_per_node: int = 0
    gpu_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestTerms:
    """What guests may use at a site, and whether owners displace them."""

    pools: tuple[PoolId, ...]
    """Empty: no guests here."""
    preempted: bool
    """Whether an owner job may take a running guest's place (the guest is queued again)."""
    time_limit: Seconds | None = None
    """Longest guest job; `None` for no limit beyond the site's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """GPU-seconds that a site puts in per period."""

    amount: GpuSeconds
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One cluster of one partner."""

    id: SiteId
    partner: PartnerId
    title: Texts
    country: str
    """ISO 3166-1 alpha-2, upper case: clauses on residency look at it."""
    pools: tuple[Pool, ...]
    pledge: Pledge
    guests: GuestTerms

    @property
    def gpus(self) -> int:
        """All GPUs of the site."""
        return sum(pool.nodes * pool.gpus_per_node for pool in self.pools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sector:
    """A field that the partners work in together."""

    id: SectorId
    title: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One Cedar policy of the agreement; its ``@id`` is what refusals name."""

    id: ClauseId
    text: Texts
    """The sentence that a person reads."""
    policy: str
    """Cedar source, one policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The whole document. ``digest`` is the SHA-256 of the file's bytes: what the partners sign."""

    id: AllianceId
    version: int
    """Counts from 1; each amendment adds one."""
    previous: Digest | None
    """Digest of the version before; `None` in version 1."""
    title: Texts
    starts: date
    ends: date
    """Last day of the term."""
    hub_key: str
    """Public key that signs the heads of the ledger, spelled as `Partner.key`."""
    partners: tuple[Partner, ...]
    sites: tuple[Site, ...]
    sectors: tuple[Sector, ...]
    clauses: tuple[Clause, ...]
    digest: Digest

    def partner(self, partner: PartnerId) -> Partner | None:
        """Find a partner."""
        return next((found for found in self.partners if found.id == partner), None)

    def site(self, site: SiteId) -> Site | None:
        """Find a site."""
        return next((found for found in self.sites if found.id == site), None)

    def clause(self, clause: ClauseId) -> Clause | None:
        """Find a clause."""
        return next((found for found in self.clauses if found.id == clause), None)

    def homes(self, partner: PartnerId) -> tuple[Site, ...]:
        """Return a partner's own sites."""
        return tuple(site for site in self.sites if site.partner == partner)


def in_language(texts: Texts, language: str) -> str:
    """Pick a text: the language asked for, its main language, or English."""
    for tag in (language, language.partition("-")[0], "en"):
        if tag in texts:
            return texts[tag]
    return next(iter(texts.values()))
