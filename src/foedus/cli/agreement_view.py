"""How an agreement looks on a terminal, and as JSON."""

from collections.abc import Sequence

from foedus.cli.show import say
from foedus.cli.table import table
from foedus.core.agreement.changes import Change
from foedus.core.agreement.model import Agreement, Pool, Site, in_language
from foedus.core.agreement.signatures import Finding
from foedus.core.base.units import HOUR, duration, hours, mebibytes


def print_agreement(agreement: Agreement, language: str, *, policies: bool) -> None:
    """Print an agreement as a heading and one table for each kind of thing."""
    say(in_language(agreement.title, language))
    say(f"{agreement.id}, version {agreement.version}, from {agreement.starts} to {agreement.ends}")
    if agreement.previous:
        say(f"follows {agreement.previous}")
    say(f"sha256  {agreement.digest}")
    say()
    partners = [(one.id, in_language(one.title, language), one.key) for one in agreement.partners]
    table(("PARTNER", "TITLE", "KEY"), partners)
    say()
    sites = [_site_row(site, language) for site in agreement.sites]
    table(("SITE", "TITLE", "PARTNER", "COUNTRY", "GPUS", "PLEDGE", "GUESTS"), sites, right=("GPUS",))
    say()
    pools = [_pool_row(site, pool) for site in agreement.sites for pool in site.pools]
    figures = ("NODES", "CPUS/NODE", "MEMORY/NODE", "GPUS/NODE")
    table(("SITE", "POOL", *figures, "MODEL"), pools, right=figures)
    say()
    table(("SECTOR", "TITLE"), [(one.id, in_language(one.title, language)) for one in agreement.sectors])
    say()
    clauses = [(one.id, in_language(one.text, language)) for one in agreement.clauses]
    table(("CLAUSE", "TEXT"), clauses, text="TEXT")
    for clause in agreement.clauses if policies else ():
        say()
        for line in clause.policy.strip().splitlines():
            say(line)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print the signatures that an agreement needs."""
    table(("PARTNER", "SIGNATURE", "KEY"), [(one.partner, one.standing.value, one.key) for one in findings])


def print_changes(changes: Sequence[Change]) -> None:
    """Print what an amendment changes; each line of a longer text on a line of its own."""
    for change in changes:
        say(change.path)
        for sign, text in (("-", change.before), ("+", change.after)):
            for line in (text or "").splitlines():
                say(f"  {sign} {line}")


def as_object(agreement: Agreement) -> dict[str, object]:
    """Return the agreement for JSON: the words of the file, times in seconds, memory in MiB."""
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


def _site_row(site: Site, language: str) -> tuple[str, ...]:
    title = in_language(site.title, language)
    pledge = f"{hours(site.pledge.amount)} GPU-hours a {site.pledge.period}"
    return (site.id, title, site.partner, site.country, str(site.gpus), pledge, _guest_words(site))


def _guest_words(site: Site) -> str:
    if not site.guests.pools:
        return "none"
    words = [f"pool{'' if len(site.guests.pools) == 1 else 's'} {' and '.join(site.guests.pools)}"]
    if site.guests.time_limit is not None:
        words.append(f"at most {duration(site.guests.time_limit)}")
    words.append("preempted by owners" if site.guests.preempted else "not preempted")
    return ", ".join(words)


def _pool_row(site: Site, pool: Pool) -> tuple[str, ...]:
    figures = (str(pool.nodes), str(pool.cpus_per_node), mebibytes(pool.memory_per_node), str(pool.gpus_per_node))
    return (site.id, pool.id, *figures, pool.gpu_model or "-")


def _site_object(site: Site) -> dict[str, object]:
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
