"""What an amendment changes, for the people who are asked to sign it."""

from collections.abc import Mapping
from dataclasses import dataclass

from foedus.core.agreement.model import Agreement, GuestTerms, Partner, Pool, Sector, Site, Texts
from foedus.core.base.canon import Json
from foedus.core.base.units import duration, hours, mebibytes

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is otherwise than before. Things are named by their ids, never by their place in the file."""

    path: str
    """Such as ``sites.baku.pledge`` or ``clauses.residency-az.policy``."""
    before: str | None
    """`None` for what is new."""
    after: str | None
    """`None` for what is gone."""

    @property
    def words(self) -> str:
        """One line for a person."""
        if self.before is None:
            return f"{self.path}: new: {self.after}"
        if self.after is None:
            return f"{self.path}: gone: {self.before}"
        return f"{self.path}: {self.before} -> {self.after}"

    def json(self) -> dict[str, Json]:
        """Return its JSON form."""
        return {"path": self.path, "before": self.before, "after": self.after}


def compare(old: Agreement, new: Agreement) -> tuple[Change, ...]:
    """List the changes from `old` to `new`.

    A thing that came or went as a whole (a site, a clause) is one change; the order of things in the file is none.
    """
    before, after = _things(old), _things(new)
    changes: list[Change] = []
    for thing in [*before, *(name for name in after if name not in before)]:
        was, now = before.get(thing), after.get(thing)
        if was is None or now is None:
            if not _came_or_went_inside(thing, before, after):
                changes.append(Change(path=thing, before=_summary(was), after=_summary(now)))
            continue
        for fact in [*was, *(name for name in now if name not in was)]:
            if was.get(fact) != now.get(fact):
                path = f"{thing}.{fact}" if thing else fact
                changes.append(Change(path=path, before=was.get(fact), after=now.get(fact)))
    return tuple(changes)


def _came_or_went_inside(thing: str, before: Mapping[str, Facts], after: Mapping[str, Facts]) -> bool:
    site, _, pool = thing.partition(".pools.")
    return bool(pool) and (site in before) != (site in after)


def _summary(facts: Facts | None) -> str | None:
    return None if facts is None else "; ".join(f"{name} {text}" for name, text in facts.items())


def _things(agreement: Agreement) -> dict[str, Facts]:
    things: dict[str, Facts] = {
        "": {
            "version": str(agreement.version),
            **_texts("title", agreement.title),
            "starts": agreement.starts.isoformat(),
            "ends": agreement.ends.isoformat(),
            "hub_key": agreement.hub_key,
        }
    }
    things.update((f"partners.{partner.id}", _partner(partner)) for partner in agreement.partners)
    for site in agreement.sites:
        things[f"sites.{site.id}"] = _site(site)
        things.update((f"sites.{site.id}.pools.{pool.id}", _pool(pool)) for pool in site.pools)
    things.update((f"sectors.{sector.id}", _sector(sector)) for sector in agreement.sectors)
    for clause in agreement.clauses:
        things[f"clauses.{clause.id}"] = {**_texts("text", clause.text), "policy": clause.policy.strip()}
    return things


def _partner(partner: Partner) -> Facts:
    return {**_texts("title", partner.title), "key": partner.key}


def _sector(sector: Sector) -> Facts:
    return _texts("title", sector.title)


def _site(site: Site) -> Facts:
    return {
        **_texts("title", site.title),
        "partner": site.partner,
        "country": site.country,
        "pledge": f"{hours(site.pledge.amount)} GPU-hours a {site.pledge.period}",
        **_guests(site.guests),
    }


def _guests(guests: GuestTerms) -> Facts:
    facts = {
        "guests.pools": ", ".join(guests.pools) or "none",
        "guests.preempted": "yes" if guests.preempted else "no",
    }
    if guests.time_limit is not None:
        facts["guests.time_limit"] = duration(guests.time_limit)
    return facts


def _pool(pool: Pool) -> Facts:
    facts = {
        "nodes": str(pool.nodes),
        "cpus_per_node": str(pool.cpus_per_node),
        "memory_per_node": mebibytes(pool.memory_per_node),
        "gpus_per_node": str(pool.gpus_per_node),
    }
    return {**facts, "gpu_model": pool.gpu_model} if pool.gpu_model else facts


def _texts(name: str, texts: Texts) -> Facts:
    return {f"{name}.{language}": text for language, text in texts.items()}
