"""Eight alliances of real sites, as the literature on sharing has them: loaded and light, alike and very unlike.

They are made from public logs that are not part of the project: name their folder in FOEDUS_TRACES.
"""

import gzip
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from foedus.sim.alliance import Alliance
from foedus.sim.logs import philly
from foedus.sim.logs.read import read
from foedus.sim.workload import Raw, Remarks, Workload, workload

FOLDER = Path(os.environ.get("FOEDUS_TRACES") or Path(__file__).parents[2].parent / "shared" / "traces")
DAY_S = 86_400
SHAKEN_S = 900


def part(site: Workload, keep: np.ndarray) -> Workload:
    """Keep some of the jobs; the first of them is submitted at 0."""
    submit = site.submit[keep]
    return replace(
        site, submit=submit - submit.min(), run=site.run[keep], width=site.width[keep], limit=site.limit[keep]
    )


def days(site: Workload, count: int) -> Workload:
    """Keep the first days."""
    return part(site, site.submit < count * DAY_S)


def trace(name: str, file: str, units: int | None = None) -> Workload:
    """Read one of the logs."""
    return read(name, trace_file(file), units)


def trace_file(file: str) -> Path:
    """Return where a log is; ends the program if it is not."""
    path = FOLDER / file
    if not path.exists():
        sys.exit(f"no {file} in {FOLDER}: name the folder of the traces in FOEDUS_TRACES")
    return path


def kth() -> Workload:
    """Read the log of the Swedish institute's IBM SP2."""
    return trace("kth", "kth-sp2.easy-oracle.swf.gz", 100)


def ctc() -> Workload:
    """Read the log of Cornell's IBM SP2."""
    return trace("ctc", "ctc-sp2.easy-oracle.swf.gz", 338)


def sdsc() -> Workload:
    """Read the log of San Diego's IBM SP2."""
    return trace("sdsc", "sdsc-sp2.easy-oracle.swf.gz", 128)


def curie() -> Workload:
    """Read the log of the thin nodes of CEA's Curie."""
    return trace("curie", "cea-curie-thin.easy-oracle.swf.gz", 80_640)


def gaia() -> Workload:
    """Read the log of Luxembourg's Gaia."""
    return trace("gaia", "unilu-gaia-2014-1.swf.gz", 2004)


def sp2(kth_share: float = 1.0, sdsc_share: float = 1.0) -> Alliance:
    """Three classic sites; of some only a share of the jobs."""
    chance = np.random.default_rng(1)
    sites = [days(site, 330) for site in (kth(), ctc(), sdsc())]
    for place, share in ((0, kth_share), (2, sdsc_share)):
        if share < 1:
            sites[place] = part(sites[place], chance.random(sites[place].jobs) < share)
    return Alliance(tuple(sites))


def organisations() -> Alliance:
    """Eleven organisations of one company in 45 days; each is as large as makes its load about 0.7."""
    with gzip.open(trace_file("philly-2017-09-04_2017-11-15.csv.gz"), "rt") as stream:
        head, *rows = stream.read().splitlines()
    rows = [row for row in rows if "2017-10-01" <= row[:10] < "2017-11-15"]
    by_name: dict[str, list[str]] = {}
    for row in rows:
        by_name.setdefault(row.rpartition(",")[2], []).append(row)
    return Alliance(
        tuple(_organisation(name, [head, *by_name[name]]) for name in sorted(by_name) if len(by_name[name]) >= 100)
    )


def _organisation(name: str, lines: list[str]) -> Workload:
    raw = philly.read(lines, Remarks())
    demand = float((raw.run * raw.width).sum()) / (45 * DAY_S)
    units = 8 * max(int(np.ceil(demand / 0.7 / 8)), int(np.ceil(raw.width.max() / 8)))
    return workload(name, raw, units, Remarks())


def universities() -> Alliance:
    """Two clusters with little waiting."""
    return Alliance((gaia(), trace("metacentrum", "metacentrum-wagap-2013.swf.gz", 2176)))


def leadership() -> Alliance:
    """Join a leadership machine and a national laboratory; sizes in nodes."""
    atlas = trace("atlas", "llnl-atlas-2006-2.1-cln.swf.gz", 9216)
    return Alliance(
        (
            trace("theta", "alcf-theta-2022.swf.gz", 4360),
            replace(atlas, capacity=1152, width=-(-atlas.width // 8)),
        )
    )


def unlike() -> Alliance:
    """Sizes of 1 to 6 to 240, for 88 days."""
    return Alliance(tuple(days(site, 88) for site in (curie(), gaia(), ctc())))


ALLIANCES: dict[str, tuple[Callable[[], Alliance], float]] = {
    "sp2": (sp2, 0.0),
    "sp2-light": (lambda: sp2(0.25), 0.0),
    "sp2-2light": (lambda: sp2(0.2, 0.4), 0.0),
    "sp2-resid30": (sp2, 0.3),
    "philly": (organisations, 0.0),
    "gaia": (universities, 0.0),
    "theta": (leadership, 0.0),
    "curie": (unlike, 0.0),
}
"""How to make each, and the share of its jobs that may only run at home."""


def shaken(alliance: Alliance, seed: int) -> Alliance:
    """Move each submission by up to a quarter of an hour either way."""
    chance = np.random.default_rng(seed)
    return Alliance(tuple(_moved(site, chance) for site in alliance.sites))


def _moved(site: Workload, chance: np.random.Generator) -> Workload:
    submit = site.submit + chance.integers(-SHAKEN_S, SHAKEN_S, site.jobs, endpoint=True)
    raw = Raw(
        line=np.arange(site.jobs),
        id=np.arange(site.jobs),
        submit=submit - submit.min(),
        run=site.run,
        width=site.width,
        limit=site.limit,
    )
    return workload(site.name, raw, site.capacity, Remarks())
