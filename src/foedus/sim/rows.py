"""The figures of cases as flat rows, the same in JSON, CSV and Parquet; and what a variant's seeds come to together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from foedus.render.table import Column, Table, Type
from foedus.sim.cases import Result
from foedus.sim.figures import ALONE, EVERYBODY, Figures, worse_sites

Value: TypeAlias = str | int | float | None

_TYPES: Final = {
    "variant": Type.TEXT,
    "seed": Type.NUMBER,
    "site": Type.TEXT,
    "schedule": Type.TEXT,
    "jobs": Type.NUMBER,
    "capacity": Type.NUMBER,
    "load": Type.FRACTION,
    "mean_wait_s": Type.FRACTION,
    "median_wait_s": Type.FRACTION,
    "p95_wait_s": Type.FRACTION,
    "mean_bounded_slowdown": Type.FRACTION,
    "utilisation": Type.FRACTION,
    "earlier": Type.NUMBER,
    "equal": Type.NUMBER,
    "later": Type.NUMBER,
    "worst_s": Type.NUMBER,
    "gain_share": Type.FRACTION,
    "gave_unit_s": Type.NUMBER,
    "took_unit_s": Type.NUMBER,
    "balance_unit_s": Type.NUMBER,
    "recalls": Type.NUMBER,
    "waste": Type.FRACTION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the seeds of a variant come to under one schedule: means of means, and the worst of all."""

    variant: str
    schedule: str
    runs: int
    alone_s: float
    """Mean wait alone, in seconds."""
    wait_s: float
    """Mean wait under the schedule."""
    gain: tuple[float, float] | None
    """The least and the largest share of the pooled gain; `None` if pooling was not looked at, or saved nothing."""
    later: int
    """Jobs later than alone, of all seeds."""
    worst_s: int
    worse: tuple[str, ...]
    """Sites that wait longer on average than alone, with any seed."""
    waste: float


def rows(results: Iterable[Result]) -> Iterator[dict[str, Value]]:
    """Give a row for each case, site and schedule; times in seconds, work in unit-seconds, shares as fractions of 1."""
    for result in results:
        for one in result.figures:
            yield {"variant": result.variant, "seed": result.seed, **_row(one)}


def figures_table(results: Iterable[Result]) -> Table:
    """Return the rows as a table."""
    return Table(
        columns=tuple(Column(name=name, type=kind) for name, kind in _TYPES.items()),
        rows=(tuple(row[name] for name in _TYPES) for row in rows(results)),
    )


def summaries(results: Sequence[Result]) -> list[Summary]:
    """Summarise every variant under every schedule but *alone*, in the order in which they come."""
    variants = dict.fromkeys(result.variant for result in results)
    schedules = dict.fromkeys(one.schedule for result in results for one in result.figures if one.schedule != ALONE)
    return [
        _summary([result for result in results if result.variant == variant], variant, schedule)
        for variant in variants
        for schedule in schedules
    ]


def figure(result: Result, site: str, schedule: str) -> Figures | None:
    """Find one of a case's figures; `None` where the schedule was not looked at."""
    return next((one for one in result.figures if (one.site, one.schedule) == (site, schedule)), None)


def _row(one: Figures) -> dict[str, Value]:
    waits, late = one.waits, one.against_alone
    return {
        "site": one.site,
        "schedule": one.schedule,
        "jobs": waits.jobs,
        "capacity": one.capacity,
        "load": one.load,
        "mean_wait_s": waits.mean,
        "median_wait_s": waits.median,
        "p95_wait_s": waits.p95,
        "mean_bounded_slowdown": waits.slowdown,
        "utilisation": one.utilisation,
        "earlier": late.earlier,
        "equal": late.equal,
        "later": late.later,
        "worst_s": late.worst,
        "gain_share": one.gain,
        "gave_unit_s": one.gave,
        "took_unit_s": one.took,
        "balance_unit_s": None if one.gave is None or one.took is None else one.gave - one.took,
        "recalls": one.recalls,
        "waste": one.waste,
    }


def _summary(results: Sequence[Result], variant: str, schedule: str) -> Summary:
    found = [one for result in results if (one := figure(result, EVERYBODY, schedule))]
    alone = [one for result in results if (one := figure(result, EVERYBODY, ALONE))]
    gains = [one.gain for one in found if one.gain is not None]
    return Summary(
        variant=variant,
        schedule=schedule,
        runs=len(results),
        alone_s=sum(one.waits.mean for one in alone) / len(alone),
        wait_s=sum(one.waits.mean for one in found) / len(found),
        gain=(min(gains), max(gains)) if gains else None,
        later=sum(one.against_alone.later for one in found),
        worst_s=max(one.against_alone.worst for one in found),
        worse=tuple(dict.fromkeys(site for result in results for site in worse_sites(result.figures, schedule))),
        waste=sum(one.waste for one in found) / len(found),
    )
