"""One case after the other: what is simulated, what is kept of it, and under which name.

A case that is done leaves ``cases/<digest>.json`` and ``jobs/<digest>.parquet`` in the folder of the sweep, at once and
whole. The digest is that of all that it follows from: the bytes of the logs, the terms and the variant, the seed, the
schedules and the simulator. So nothing is done twice, and nothing is taken for something else.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from foedus import __version__
from foedus.core.base.errors import BadInput, Fault
from foedus.sim.alliance import Alliance, Outcome
from foedus.sim.compiled import digest_of_sources
from foedus.sim.figures import Curves, Figures, curves, figures, stretch_days
from foedus.sim.logs.read import read
from foedus.sim.scenario import Case, Scenario
from foedus.sim.schedules import SCHEDULES
from foedus.sim.vary import vary
from foedus.sim.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSeen:
    """A site as it was simulated."""

    name: str
    capacity: int
    unit: str
    jobs: int
    left_out: int
    """Jobs that are wider than the site in this case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one case came to."""

    digest: str
    variant: str
    seed: int
    sites: tuple[SiteSeen, ...]
    figures: tuple[Figures, ...]
    curves: dict[str, Curves]
    """By schedule."""
    days: float
    """How long the curves of utilisation are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that cases need: the scenario, its logs, and where results are kept (`None`: nowhere)."""

    scenario: Scenario
    logs: tuple[Workload, ...]
    digest: str
    """That of the logs."""
    out: Path | None


_RESULT = TypeAdapter(Result)


def work(scenario: Scenario, out: Path | None) -> Work:
    """Read the logs of a scenario; raises `BadInput` with the faults of all."""
    logs: list[Workload] = []
    faults: list[Fault] = []
    digest = hashlib.sha256()
    for site in scenario.sites:
        try:
            logs.append(read(site.name, site.log, site.units))
            digest.update(hashlib.sha256(site.log.read_bytes()).digest())
        except BadInput as error:
            faults.extend(error.faults)
    faults += _drained_too_late(scenario, logs)
    if faults:
        raise BadInput(*faults)
    return Work(scenario=scenario, logs=tuple(logs), digest=digest.hexdigest(), out=out)


def _drained_too_late(scenario: Scenario, logs: Iterable[Workload]) -> list[Fault]:
    last = {site.name: int(site.submit[-1]) for site in logs}
    return [
        Fault(
            path=f"{variant.name}: drain",
            fault=f"begins on day {drain.begin / 86_400:g}, and {drain.site}'s log ends on day "
            f"{last[drain.site] // 86_400}",
            remedy="choose an earlier day",
        )
        for variant in scenario.variants
        for drain in variant.drains
        if drain.begin > last.get(drain.site, drain.begin)
    ]


def digest_of(work: Work, case: Case) -> str:
    """Name a case by all that it follows from."""
    scenario = work.scenario
    parts = {
        "simulator": [__version__, digest_of_sources()],
        "logs": work.digest,
        "sites": [[site.name, site.capacity] for site in work.logs],
        "terms": asdict(scenario.terms_of(case.variant)),
        "variant": asdict(case.variant) | {"seeds": 0},
        "seed": case.seed,
        "schedules": scenario.schedules,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def known(work: Work, case: Case) -> Result | None:
    """Return what an earlier run kept of a case; what cannot be read is done anew."""
    if work.out is None:
        return None
    try:
        return _RESULT.validate_json((work.out / "cases" / f"{digest_of(work, case)}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def run(work: Work, case: Case) -> Result:
    """Simulate a case, and keep it; raises `BadInput` where it leaves a site without jobs."""
    varied = vary(work.scenario, work.logs, case)
    outcomes = {name: SCHEDULES[name].run(varied.alliance, varied.terms) for name in work.scenario.schedules}
    result = Result(
        digest=digest_of(work, case),
        variant=case.variant.name,
        seed=case.seed,
        sites=tuple(
            SiteSeen(name=site.name, capacity=site.capacity, unit=site.unit, jobs=site.jobs, left_out=left_out)
            for site, left_out in zip(varied.alliance.sites, varied.left_out, strict=True)
        ),
        figures=tuple(figures(varied.alliance, outcomes)),
        curves=curves(varied.alliance, outcomes),
        days=stretch_days(varied.alliance),
    )
    if work.out is not None:
        _keep(work.out / "jobs" / f"{result.digest}.parquet", _jobs(result, varied.alliance, outcomes))
        data = _RESULT.dump_json(result)
        _keep(work.out / "cases" / f"{result.digest}.json", lambda file: file.write_bytes(data))
    return result


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under its name only when it is whole; raises `BadInput` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        write(unfinished)
        unfinished.replace(path)
    except OSError as error:
        fault = Fault(path=str(path), fault=f"cannot be written ({error.strerror})", remedy="give another --out")
        raise BadInput(fault) from error


def _jobs(result: Result, alliance: Alliance, outcomes: Mapping[str, Outcome]) -> Callable[[Path], object]:
    """Return what writes the outcome of every job under every schedule."""
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    names = [site.name for site in alliance.sites]
    asked: dict[str, Any] = {f"{name}_s": alliance.column(name) for name in ("submit", "run", "limit")}
    asked["width"] = alliance.column("width")
    parts: list[Any] = []
    for schedule, outcome in outcomes.items():
        end = {"end_s": outcome.end, "later_than_alone_s": outcome.end - outcomes["alone"].end}
        lost = {"recalls": outcome.recalls, "lost_s": outcome.lost}
        texts = {
            "case": _repeated(arrow, [result.digest], np.zeros_like(outcome.end)),
            "variant": _repeated(arrow, [result.variant], np.zeros_like(outcome.end)),
            "site": _repeated(arrow, names, alliance.home),
            "schedule": _repeated(arrow, [schedule], np.zeros_like(outcome.end)),
        }
        parts.append(arrow.table({**texts, "seed": np.full_like(outcome.end, result.seed), **asked, **end, **lost}))
    table: Any = arrow.concat_tables(parts)
    return lambda path: parquet.write_table(table, path, compression="zstd")


def _repeated(arrow: Any, words: Sequence[str], which: Any) -> Any:  # noqa: ANN401 (pyarrow comes without types)
    return arrow.DictionaryArray.from_arrays(arrow.array(which, arrow.int32()), arrow.array(words))
