"""The file of a scenario: TOML; all that is wrong with it is told at once.

::

    schedules = ["alone", "pooled", "together"]
    seeds = 10

    [[sites]]
    name = "kth"
    log = "kth.swf.gz"
    units = 100

    [terms]
    preemptible = 1.0
    restart = 300

    [[variants]]
    name = "twice-the-pledge"
    pledge = { kth = 2 }

    [sweep]
    bound = [0, 0.3]
    preemptible = [0.5, 1]
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.tables import Table, suggestion
from foedus.core.base.errors import BadInput, Fault
from foedus.process.tables import read_table
from foedus.sim.alliance import Terms
from foedus.sim.scenario import AS_IT_IS, DAY_S, Drain, Scenario, Site, Variant
from foedus.sim.schedules import USUAL, choose

_LEAST_FACTOR = 0.001
_SWEPT = {
    "pledge": (_LEAST_FACTOR, None),
    "keep": (_LEAST_FACTOR, 1),
    "faster": (_LEAST_FACTOR, None),
    "preemptible": (0, 1),
    "restart": (0, None),
    "staging": (0, None),
    "bound": (0, 1),
    "shake": (0, None),
}
"""What can be swept, and its bounds."""
_MOST_SEEDS = 10_000


def read_scenario(path: Path) -> Scenario:
    """Read a scenario, with the logs' places as seen from its own folder; raises `BadInput`."""
    faults: list[Fault] = []
    top = Table(read_table(path, "name the file of a scenario"), "", faults)
    agreement = _agreement(top, path.parent, faults)
    sites = tuple(_site(table, path.parent) for table in top.tables("sites"))
    names = [site.name for site in sites if site.name]
    _check_names(top, names, agreement)
    terms = _terms(top.table("terms") if top.has("terms") else Table({}, "terms", faults), agreement)
    seeds = top.whole("seeds", least=1, default=1)
    variants = (Variant(name=AS_IT_IS, seeds=seeds), *_variants(top, names, seeds), *_sweep(top, names, seeds))
    _check_variants(top, variants)
    schedules = _schedules(top, faults)
    top.close()
    if faults:
        raise BadInput(*faults)
    return Scenario(sites=sites, terms=terms, variants=variants, schedules=schedules)


def _agreement(top: Table, folder: Path, faults: list[Fault]) -> Agreement | None:
    file = top.optional_text("agreement")
    if file is None:
        return None
    try:
        return read((folder / file).read_bytes())
    except OSError as error:
        top.note("agreement", f"{file} cannot be read ({error.strerror})", "give a file that can")
    except BadInput as error:
        faults += [Fault(path=f"{file}: {one.path}", fault=one.fault, remedy=one.remedy) for one in error.faults]
    return None


def _site(table: Table, folder: Path) -> Site:
    log = table.text("log")
    units = table.whole("units", least=1) if table.has("units") else None
    site = Site(name=table.name("name"), log=folder / log, units=units)
    table.close()
    if log and not site.log.is_file():
        table.note("log", f"{log} is not there" if not site.log.exists() else f"{log} is no file", "name a job log")
    return site


def _check_names(top: Table, names: Sequence[str], agreement: Agreement | None) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            top.note(f"sites[{place}].name", f"{name!r} is there twice", "give each site one log")
    known = [site.id for site in agreement.sites] if agreement else names
    for place, name in enumerate(names):
        if name not in known:
            top.note(f"sites[{place}].name", f"{name!r} is no site of the agreement", suggestion(name, known))


def _terms(table: Table, agreement: Agreement | None) -> Terms:
    """Read the terms; whether guests are recalled comes from the agreement, where that is the same at all sites."""
    usual = Terms()
    recalled = {site.guests.preempted for site in agreement.sites} if agreement else {True}
    if len(recalled) > 1 and not table.has("preemptible"):
        table.note("preemptible", "is missing, and the agreement's sites differ in it", "add a number from 0 to 1")
    terms = Terms(
        preemptible=table.number("preemptible", least=0, most=1, default=1.0 if True in recalled else 0.0),
        restart=table.whole("restart", least=0, default=usual.restart),
        staging=table.whole("staging", least=0, default=usual.staging),
        bound=table.number("bound", least=0, most=1, default=usual.bound),
        seed=table.whole("seed", least=0, default=usual.seed),
    )
    table.close()
    return terms


def _variants(top: Table, sites: Sequence[str], seeds: int) -> list[Variant]:
    found: list[Variant] = []
    for table in top.tables("variants") if top.has("variants") else ():
        found.append(
            Variant(
                name=table.name("name"),
                pledge=_by_site(table, "pledge", sites),
                keep=_by_site(table, "keep", sites),
                faster=_by_site(table, "faster", sites),
                preemptible=_share(table, "preemptible"),
                bound=_share(table, "bound"),
                restart=_seconds(table, "restart"),
                staging=_seconds(table, "staging"),
                shake=table.whole("shake", least=0, default=0),
                drains=_drains(table, sites),
                seeds=table.whole("seeds", least=1, default=seeds),
            )
        )
        table.close()
    return found


def _share(table: Table, key: str) -> float | None:
    return table.number(key, least=0, most=1) if table.has(key) else None


def _seconds(table: Table, key: str) -> int | None:
    return table.whole(key, least=0) if table.has(key) else None


def _by_site(table: Table, key: str, sites: Sequence[str]) -> Mapping[str, float]:
    """Read a number for all sites, or a table of some of them."""
    least, most = _bounds(key)
    if not table.has_table(key):
        value = table.number(key, least=least, most=most, default=1.0)
        return dict.fromkeys(sites, value) if value != 1 else {}
    part = table.table(key)
    found = {site: part.number(site, least=least, most=most, default=1.0) for site in sites}
    part.close()
    return {site: value for site, value in found.items() if value != 1}


def _bounds(key: str) -> tuple[float, float]:
    least, most = _SWEPT[key]
    return least, 1e9 if most is None else most


def _drains(table: Table, sites: Sequence[str]) -> tuple[Drain, ...]:
    found: list[Drain] = []
    for part in table.tables("drain") if table.has("drain") else ():
        site = part.text("site")
        if site and site not in sites:
            part.note("site", f"{site!r} is no site here", suggestion(site, sites))
        begin = part.number("from_day", least=0)
        end = begin + part.number("days", least=_LEAST_FACTOR, default=7)
        part.close()
        drain = Drain(site=site, begin=round(begin * DAY_S), end=round(end * DAY_S))
        if any(one.site == site and one.begin <= drain.end and drain.begin <= one.end for one in found):
            part.note("from_day", f"{site} is drained then already", "give one longer drain")
        found.append(drain)
    return tuple(found)


def _sweep(top: Table, sites: Sequence[str], seeds: int) -> list[Variant]:
    """Make a variant of every combination."""
    if not top.has("sweep"):
        return []
    table = top.table("sweep")
    lists = {key: table.numbers(key, least=_bounds(key)[0], most=_bounds(key)[1]) for key in _SWEPT if table.has(key)}
    table.close()
    if not any(lists.values()):
        return []
    return [
        _combined(dict(zip(lists, values, strict=True)), sites, seeds) for values in itertools.product(*lists.values())
    ]


def _combined(values: Mapping[str, float], sites: Sequence[str], seeds: int) -> Variant:
    return Variant(
        name="_".join(f"{key}-{value:g}" for key, value in values.items()),
        pledge=_everywhere(values, "pledge", sites),
        keep=_everywhere(values, "keep", sites),
        faster=_everywhere(values, "faster", sites),
        preemptible=values.get("preemptible"),
        bound=values.get("bound"),
        restart=_int(values.get("restart")),
        staging=_int(values.get("staging")),
        shake=int(values.get("shake", 0)),
        seeds=seeds,
    )


def _everywhere(values: Mapping[str, float], key: str, sites: Sequence[str]) -> Mapping[str, float]:
    return dict.fromkeys(sites, values[key]) if values.get(key, 1) != 1 else {}


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _check_variants(top: Table, variants: Sequence[Variant]) -> None:
    names = [variant.name for variant in variants if variant.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        top.note("variants", f"{name!r} is there twice", f"give each variant a name of its own, other than {AS_IT_IS}")
    for variant in variants:
        if variant.seeds > _MOST_SEEDS:
            top.note("seeds", f"{variant.seeds} is out of range", f"use at most {_MOST_SEEDS}")


def _schedules(top: Table, faults: list[Fault]) -> tuple[str, ...]:
    words = top.names("schedules") if top.has("schedules") else USUAL
    try:
        return tuple(schedule.name for schedule in choose(words))
    except BadInput as error:
        faults += [Fault(path=f"schedules: {one.path}", fault=one.fault, remedy=one.remedy) for one in error.faults]
        return USUAL
