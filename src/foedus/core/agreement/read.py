"""Reads ``agreement.toml``. The digest is that of the file's bytes: those are what the partners sign."""

import re
import tomllib
from collections.abc import Iterable

from foedus.core.agreement.clauses import declared_id
from foedus.core.agreement.countries import COUNTRIES
from foedus.core.agreement.model import (
    Agreement,
    Clause,
    GuestTerms,
    Partner,
    Period,
    Pledge,
    Pool,
    Sector,
    Site,
)
from foedus.core.agreement.tables import NO_DAY, Table, suggestion
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Fault, TooLarge
from foedus.core.base.ids import DIGEST, AllianceId, ClauseId, Digest, PartnerId, PoolId, SectorId, SiteId
from foedus.core.base.units import HOUR, GpuSeconds, Mebibytes, Seconds

LARGEST = 1024 * 1024
"""Bytes; a longer file is no agreement."""

_MEMORY = re.compile(r"([1-9][0-9]{0,8})([MGT])")
_UNITS = {"M": 1, "G": 1024, "T": 1024 * 1024}
_TIME = re.compile(r"(?:([0-9]{1,4})-)?([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")


def read(data: bytes) -> Agreement:
    """Read an agreement; raises `BadInput` with every fault, or `TooLarge`.

    Sound here means: whole, well typed, and at one with itself. Whether the clauses are sound Cedar, who signed, and
    whether the term has begun are questions of their own.
    """
    if len(data) > LARGEST:
        raise TooLarge(f"the agreement has {len(data)} bytes; at most {LARGEST} are read")
    faults: list[Fault] = []
    top = Table(_parse(data), "", faults)
    agreement = _agreement(top, sha256(data))
    faults.extend(_disagreements(agreement))
    if faults:
        raise BadInput(*faults)
    return agreement


def _parse(data: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        fault = Fault(path="agreement", fault=f"is not UTF-8 at byte {error.start}", remedy="save the file as UTF-8")
        raise BadInput(fault) from error
    except (ValueError, RecursionError) as error:
        fault = Fault(path="agreement", fault=f"is not TOML: {error}", remedy="mend it there (see toml.io)")
        raise BadInput(fault) from error


def _agreement(top: Table, digest: Digest) -> Agreement:
    version = top.whole("version", least=1)
    agreement = Agreement(
        id=AllianceId(top.name("id")),
        version=version,
        previous=_previous(top, version),
        title=top.texts("title"),
        starts=top.day("starts"),
        ends=top.day("ends"),
        hub_key=top.public_key("hub_key"),
        partners=tuple(_partner(table) for table in top.tables("partners")),
        sites=tuple(_site(table) for table in top.tables("sites")),
        sectors=tuple(_sector(table) for table in top.tables("sectors")),
        clauses=tuple(_clause(table) for table in top.tables("clauses")),
        digest=digest,
    )
    top.close()
    if NO_DAY < agreement.ends < agreement.starts:
        top.note("ends", f"{agreement.ends} is before starts, {agreement.starts}", "end the term after it starts")
    return agreement


def _previous(top: Table, version: int) -> Digest | None:
    found = top.optional_text("previous")
    if found is not None and not DIGEST.fullmatch(found):
        top.note("previous", "is not a SHA-256", "give the 64 hexadecimal digits of the version before")
    elif found is None and version > 1 and not top.has("previous"):
        top.note("previous", "is missing", f"version {version} names the SHA-256 of the file of version {version - 1}")
    elif found is not None and version == 1:
        top.note("previous", "is given in version 1", "leave it out, or count the version up")
    return Digest(found) if found is not None else None


def _partner(table: Table) -> Partner:
    partner = Partner(id=PartnerId(table.name("id")), title=table.texts("title"), key=table.public_key("key"))
    table.close()
    return partner


def _site(table: Table) -> Site:
    country = table.text("country")
    if country and country not in COUNTRIES:
        table.note("country", f"{country!r} is not a country", "use the two capital letters of ISO 3166-1, such as IL")
    site = Site(
        id=SiteId(table.name("id")),
        partner=PartnerId(table.name("partner")),
        title=table.texts("title"),
        country=country,
        pools=tuple(_pool(one) for one in table.tables("pools")),
        pledge=_pledge(table.table("pledge")),
        guests=_guests(table.table("guests")),
    )
    table.close()
    _twice(table, "pools", [pool.id for pool in site.pools])
    known = [pool.id for pool in site.pools]
    for index, pool in enumerate(site.guests.pools):
        if pool not in known:
            table.note(f"guests.pools[{index}]", f"{pool!r} is no pool of this site", suggestion(pool, known))
    return site


def _pool(table: Table) -> Pool:
    gpus = table.whole("gpus_per_node", least=0, default=0)
    model = table.name("gpu_model") if table.has("gpu_model") else None
    if model and not gpus:
        table.note("gpu_model", "is given for nodes without GPUs", "set gpus_per_node, or leave it out")
    pool = Pool(
        id=PoolId(table.name("id")),
        nodes=table.whole("nodes", least=1),
        cpus_per_node=table.whole("cpus_per_node", least=1),
        memory_per_node=_memory(table, "memory_per_node"),
        gpus_per_node=gpus,
        gpu_model=model,
    )
    table.close()
    return pool


def _pledge(table: Table) -> Pledge:
    pledge = Pledge(
        amount=GpuSeconds(table.whole("gpu_hours", least=1) * HOUR),
        period=Period(table.choice("period", [period.value for period in Period])),
    )
    table.close()
    return pledge


def _guests(table: Table) -> GuestTerms:
    terms = GuestTerms(
        pools=tuple(PoolId(pool) for pool in table.names("pools")),
        preempted=table.flag("preempted"),
        time_limit=_time(table, "time_limit"),
    )
    table.close()
    return terms


def _sector(table: Table) -> Sector:
    sector = Sector(id=SectorId(table.name("id")), title=table.texts("title"))
    table.close()
    return sector


def _clause(table: Table) -> Clause:
    clause = Clause(id=ClauseId(table.name("id")), text=table.texts("text"), policy=table.text("policy"))
    table.close()
    declared = declared_id(clause.policy)
    if clause.id and clause.policy and declared != clause.id:
        says = "has no @id" if declared is None else f"says @id({declared!r})"
        table.note("policy", f"{says}, but the clause is {clause.id!r}", f'begin the policy with @id("{clause.id}")')
    return clause


def _memory(table: Table, key: str) -> Mebibytes:
    text = table.text(key)
    match = _MEMORY.fullmatch(text)
    if match is None:
        if text:
            table.note(key, f"{text!r} is not a memory size", 'write it like "512G", "2T" or "64000M"')
        return Mebibytes(0)
    return Mebibytes(int(match[1]) * _UNITS[match[2]])


def _time(table: Table, key: str) -> Seconds | None:
    text = table.optional_text(key)
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        table.note(key, f"{text!r} is not a time limit", 'write it like "24:00:00" or "2-00:00:00"')
        return None
    days, hour, minute, second = (int(part or 0) for part in match.groups())
    limit = ((days * 24 + hour) * 60 + minute) * 60 + second
    if limit == 0:
        table.note(key, "lets no job run", 'give a longer time; to take no guests, write "pools = []"')
    return Seconds(limit)


def _twice(table: Table, key: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, one in enumerate(ids):
        if one and one in seen:
            table.note(f"{key}[{index}].id", f"{one!r} is there twice", "give each an id of its own")
        seen.add(one)


def _disagreements(agreement: Agreement) -> list[Fault]:
    faults: list[Fault] = []
    top = Table({}, "", faults)
    _twice(top, "partners", [partner.id for partner in agreement.partners])
    _twice(top, "sites", [site.id for site in agreement.sites])
    _twice(top, "sectors", [sector.id for sector in agreement.sectors])
    _twice(top, "clauses", [clause.id for clause in agreement.clauses])
    partners = [partner.id for partner in agreement.partners if partner.id]
    for index, site in enumerate(agreement.sites):
        if site.partner and site.partner not in partners:
            path = f"sites[{index}].partner"
            top.note(path, f"{site.partner!r} is no partner", suggestion(site.partner, partners))
    holders = {agreement.hub_key: "hub_key"}
    for index, partner in enumerate(agreement.partners):
        path = f"partners[{index}].key"
        if partner.key and partner.key in holders:
            top.note(path, f"is the same key as {holders[partner.key]}", "give each party a key of its own")
        holders.setdefault(partner.key, path)
    return faults
