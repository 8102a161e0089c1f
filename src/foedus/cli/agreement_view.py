"""How an agreement looks on a terminal, and as JSON."""

from collections.abc import Iterator, Sequence
from typing import cast

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from foedus.core.agreement.changes import Change
from foedus.core.agreement.model import Agreement, Pool, Site, in_language
from foedus.core.agreement.signatures import Finding
from foedus.core.base.canon import Json
from foedus.core.base.units import HOUR, duration, hours, mebibytes


def tables(agreement: Agreement, language: str, *, policies: bool) -> Iterator[RenderableType]:
    """Show an agreement as a heading and one table for each kind of thing."""
    yield Text(in_language(agreement.title, language), style="bold")
    previous = f", follows {agreement.previous}" if agreement.previous else ""
    yield Text(f"{agreement.id}, version {agreement.version}, {agreement.starts} to {agreement.ends}{previous}")
    yield Text(f"sha256 {agreement.digest}")
    yield _table(
        "Partners",
        ("partner", "title", "key"),
        [(one.id, in_language(one.title, language), one.key) for one in agreement.partners],
    )
    yield _table(
        "Sites",
        ("site", "partner", "country", "pools", "GPUs", "pledge", "guests"),
        [_site_row(site) for site in agreement.sites],
    )
    sectors = [(one.id, in_language(one.title, language)) for one in agreement.sectors]
    yield _table("Sectors", ("sector", "title"), sectors)
    clauses = [(one.id, in_language(one.text, language), one.policy.strip()) for one in agreement.clauses]
    columns = ("clause", "text", "policy") if policies else ("clause", "text")
    yield _table("Clauses", columns, [row[: len(columns)] for row in clauses])


def findings_table(agreement: Agreement, findings: Sequence[Finding]) -> Table:
    """Show the signatures that an agreement needs."""
    title = f"{agreement.id}, version {agreement.version}"
    rows = [(one.partner, one.key, one.standing.value) for one in findings]
    return _table(title, ("partner", "key", "signature"), rows)


def changes_table(changes: Sequence[Change]) -> Table:
    """Show what an amendment changes."""
    rows = [(change.path, change.before or "(new)", change.after or "(gone)") for change in changes]
    return _table(None, ("what", "before", "after"), rows)


def as_object(agreement: Agreement) -> Json:
    """Return the agreement as JSON: the words of the file, GPU-hours included."""
    return {
        "id": agreement.id,
        "version": agreement.version,
        "previous": agreement.previous,
        "digest": agreement.digest,
        "title": dict(agreement.title),
        "starts": agreement.starts.isoformat(),
        "ends": agreement.ends.isoformat(),
        "hub_key": agreement.hub_key,
        "partners": [{"id": one.id, "title": dict(one.title), "key": one.key} for one in agreement.partners],
        "sites": [_site_object(site) for site in agreement.sites],
        "sectors": [{"id": one.id, "title": dict(one.title)} for one in agreement.sectors],
        "clauses": [{"id": one.id, "text": dict(one.text), "policy": one.policy} for one in agreement.clauses],
    }


def _site_row(site: Site) -> tuple[str, ...]:
    guests = ", ".join(site.guests.pools) or "none"
    if site.guests.time_limit is not None:
        guests += f"\nat most {duration(site.guests.time_limit)}"
    if site.guests.pools:
        guests += "\npreempted" if site.guests.preempted else "\nnot preempted"
    pools = "\n".join(_pool_words(pool) for pool in site.pools)
    pledge = f"{hours(site.pledge.amount)} GPU-hours a {site.pledge.period}"
    return (site.id, site.partner, site.country, pools, str(site.gpus), pledge, guests)


def _pool_words(pool: Pool) -> str:
    words = f"{pool.id}: {pool.nodes} x {pool.cpus_per_node} CPUs, {mebibytes(pool.memory_per_node)}"
    return f"{words}, {pool.gpus_per_node} {pool.gpu_model or 'GPUs'}" if pool.gpus_per_node else words


def _site_object(site: Site) -> Json:
    return {
        "id": site.id,
        "partner": site.partner,
        "title": dict(site.title),
        "country": site.country,
        "pledge": {"gpu_hours": site.pledge.amount // HOUR, "period": site.pledge.period.value},
        "guests": {
            "pools": list(site.guests.pools),
            "preempted": site.guests.preempted,
            "time_limit_s": site.guests.time_limit,
        },
        "pools": [
            {
                "id": pool.id,
                "nodes": pool.nodes,
                "cpus_per_node": pool.cpus_per_node,
                "memory_per_node_mib": pool.memory_per_node,
                "gpus_per_node": pool.gpus_per_node,
                "gpu_model": pool.gpu_model,
            }
            for pool in site.pools
        ],
    }


def _table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cast("RenderableType", Text(cell)) for cell in row))
    return table
