"""What is to be tried: sites with their logs, terms, and variants of both. Numbers are as a file gives them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from foedus.sim.alliance import Terms
from foedus.sim.schedules import USUAL

DAY_S = 86_400
AS_IT_IS = "as-it-is"
"""The variant that changes nothing; it comes first in every scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site and its log."""

    name: str
    log: Path
    units: int | None = None
    """Its size, where the log does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A stretch of time in which a site starts nothing: no job of its own, and no guest. What runs there goes on."""

    site: str
    begin: int
    """Seconds since the beginning of the logs, as `end`."""
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is different from the scenario's terms and logs. Figures by site leave out those that stay as they are."""

    name: str
    pledge: Mapping[str, float] = field(default_factory=dict[str, float])
    """By site: so many times its size."""
    keep: Mapping[str, float] = field(default_factory=dict[str, float])
    """By site: the share of its jobs that is kept, drawn by seed."""
    faster: Mapping[str, float] = field(default_factory=dict[str, float])
    """By site: so many times as fast do its jobs come."""
    preemptible: float | None = None
    restart: int | None = None
    staging: int | None = None
    bound: float | None = None
    """In the place of the scenario's terms."""
    shake: int = 0
    """Each submission is moved by up to so many seconds either way, drawn by seed."""
    drains: tuple[Drain, ...] = ()
    seeds: int = 1
    """How often it is drawn, where anything is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of the simulator."""

    number: int
    variant: Variant
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All that is to be tried."""

    sites: tuple[Site, ...]
    terms: Terms = field(default_factory=Terms)
    variants: tuple[Variant, ...] = (Variant(name=AS_IT_IS),)
    schedules: tuple[str, ...] = USUAL

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every variant with each of its seeds, the first of which is that of the terms."""
        return tuple(
            Case(number=number, variant=variant, seed=seed) for number, (variant, seed) in enumerate(self._drawn())
        )

    def terms_of(self, variant: Variant) -> Terms:
        """Return the terms of a variant."""
        given = {name: getattr(variant, name) for name in ("preemptible", "restart", "staging", "bound")}
        return replace(self.terms, **{name: value for name, value in given.items() if value is not None})

    def _drawn(self) -> Iterator[tuple[Variant, int]]:
        for variant in self.variants:
            for seed in range(self.terms.seed, self.terms.seed + (variant.seeds if self._draws(variant) else 1)):
                yield variant, seed

    def _draws(self, variant: Variant) -> bool:
        terms = self.terms_of(variant)
        shares = (terms.preemptible, terms.bound, *variant.keep.values())
        return variant.shake > 0 or any(0 < share < 1 for share in shares)
