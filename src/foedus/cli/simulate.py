"""``foedus simulate``: what an agreement would give each partner, from their own job logs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foedus.cli.session import Json
from foedus.cli.show import note, print_json, say
from foedus.cli.table import table
from foedus.core.base.errors import BadInput, Fault
from foedus.sim.schedules import ALL, SCHEDULES, USUAL, choose

if TYPE_CHECKING:
    from foedus.sim.alliance import Alliance, Outcome
    from foedus.sim.measure import Late, Waits
    from foedus.sim.workload import Workload

_SCHEDULES = "; ".join(f"{each.name}: {each.says}" for each in SCHEDULES.values())
_COLUMNS = ("site", "jobs", "load", "", "mean wait", "median", "p95", "slowdown", "earlier", "later", "worst")


def simulate(
    logs: Annotated[
        list[str],
        typer.Argument(metavar="NAME=LOG[:UNITS]...", help="Each site's job log, and its size where the log has none."),
    ],
    *,
    preemptible: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Share of the jobs that save checkpoints.")
    ] = 1.0,
    restart: Annotated[int, typer.Option(metavar="SECONDS", min=0, help="Progress that a recall costs a job.")] = 300,
    staging: Annotated[int, typer.Option(metavar="SECONDS", min=0, help="Time to bring a guest's data.")] = 0,
    bound: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Share of the jobs that must stay at home.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Which jobs those are.")] = 1,
    schedules: Annotated[
        list[str],
        typer.Option(metavar="NAME,...", help=f"What to compare, with commas or repeated; {ALL}: each. {_SCHEDULES}."),
    ] = [",".join(USUAL)],  # noqa: B006 - read only
    json: Json = False,
) -> None:
    """Show how long the partners' jobs would wait: alone, together under the guarantee, and under other rules.

    Times count from each log's own beginning. A log is what `sacct --parsable2 --allocations` prints, or in the
    Standard Workload Format; it may be compressed with gzip. The guarantee: no job that saves checkpoints ends later
    than it would alone; the others are kept from waiting longer than alone on average.

    Example: foedus simulate kth=kth.swf.gz ctc=ctc.swf.gz:338 --preemptible 0.5
    """
    from foedus.sim.alliance import Alliance, Terms
    from foedus.sim.compiled import keep

    chosen = choose(schedules)
    alliance = Alliance(tuple(_read(logs)))
    if not keep():
        note("the simulator is compiled now, which takes half a minute; only the first simulation needs it")
    units = sorted({site.unit for site in alliance.sites})
    if len(units) > 1:
        note(f"the sites are measured in {' and '.join(units)}: one counts as much as the other here")
    terms = Terms(preemptible=preemptible, restart=restart, staging=staging, bound=bound, seed=seed)
    outcomes = {each.name: each.run(alliance, terms) for each in chosen}
    if json:
        print_json(_data(alliance, outcomes))
        return
    _show(alliance, outcomes)


def _read(logs: list[str]) -> "list[Workload]":
    """Read all logs; the faults of all are told at once."""
    from foedus.sim.logs.read import read

    found: list[Workload] = []
    faults: list[Fault] = []
    for text in logs:
        name, _, source = text.partition("=")
        file, _, units = source.rpartition(":")
        if not file:
            file, units = source, ""
        if not name or not file or (units and not units.isdigit()):
            faults.append(
                Fault(path=text, fault="not NAME=LOG or NAME=LOG:UNITS", remedy="for example kth=kth.swf.gz:100")
            )
        elif any(site.name == name for site in found):
            faults.append(Fault(path=text, fault=f"a second log of {name}", remedy="give each site one name"))
        else:
            try:
                found.append(read(name, Path(file), int(units) if units else None))
            except BadInput as error:
                faults.extend(error.faults)
    if faults:
        raise BadInput(*faults)
    return found


def _show(alliance: "Alliance", outcomes: "dict[str, Outcome]") -> None:
    for site in alliance.sites:
        for sentence in site.remarks.sentences():
            note(f"{site.name}: {sentence}")
    rows: list[list[str]] = []
    for row in _rows(alliance, outcomes):
        against = row["against_alone"]
        first = row["schedule"] == "alone"
        rows.append(
            [
                row["site"] if first else "",
                f"{row['jobs']:,}" if first else "",
                f"{row['load']:.0%}" if first and row["load"] is not None else "",
                row["schedule"],
                *(_span(row[name]) for name in ("mean_wait_s", "median_wait_s", "p95_wait_s")),
                f"{row['mean_bounded_slowdown']:.1f}",
                *(
                    ("", "", "")
                    if first
                    else (f"{against['earlier']:,}", f"{against['later']:,}", _span(against["worst_s"]))
                ),
            ]
        )
    table(_COLUMNS, rows, right=tuple(name for name in _COLUMNS if name not in {"site", ""}), spare=("median", "load"))
    say("")
    for sentence in _verdict(alliance, outcomes):
        say(sentence)


def _verdict(alliance: "Alliance", outcomes: "dict[str, Outcome]") -> list[str]:
    import numpy as np

    from foedus.sim import measure

    if "together" not in outcomes:
        return []
    everyone = np.ones(len(alliance.home), dtype=np.bool_)
    waits = {name: measure.waits(alliance, one, everyone) for name, one in outcomes.items()}
    alone, together = waits["alone"], waits["together"]
    against = measure.late(outcomes["together"], outcomes["alone"], everyone)
    share = measure.share(alone, waits["pooled"], together) if "pooled" in waits else None
    gain = f", {share:.0%} of what one pooled machine would save" if share is not None else ""
    later = "No job ends later than alone"
    if against.later:
        later = f"{against.later:,} jobs end later than alone, by {_span(against.worst)} at most"
    waste = measure.waste(alliance, outcomes["together"])
    return [
        f"Together the mean wait falls from {_span(alone.mean)} to {_span(together.mean)}{gain}.",
        f"{later}; recalls cost {waste:.2%} of the work.",
    ]


def _data(alliance: "Alliance", outcomes: "dict[str, Outcome]") -> dict[str, Any]:
    return {
        "logs": [
            {
                "site": site.name,
                "capacity": site.capacity,
                "unit": site.unit,
                "remarks": {reason.name.lower(): count for reason, count in site.remarks.count.items()},
            }
            for site in alliance.sites
        ],
        "results": _rows(alliance, outcomes),
    }


def _rows(alliance: "Alliance", outcomes: "dict[str, Outcome]") -> list[dict[str, Any]]:
    import numpy as np

    from foedus.sim import measure

    home = alliance.home
    groups: list[tuple[str, float | None, Any]] = [
        (site.name, site.load, home == place) for place, site in enumerate(alliance.sites)
    ]
    groups.append(("all", None, np.ones(len(home), dtype=np.bool_)))
    return [
        {
            "site": name,
            "load": load,
            "schedule": schedule,
            **_figures(measure.waits(alliance, outcome, of)),
            "against_alone": _against(measure.late(outcome, outcomes["alone"], of)),
            "recalls": int(outcome.recalls[of].sum()),
        }
        for name, load, of in groups
        for schedule, outcome in outcomes.items()
    ]


def _figures(waits: "Waits") -> dict[str, float]:
    return {
        "jobs": waits.jobs,
        "mean_wait_s": waits.mean,
        "median_wait_s": waits.median,
        "p95_wait_s": waits.p95,
        "mean_bounded_slowdown": waits.slowdown,
    }


def _against(late: "Late") -> dict[str, int]:
    return {"earlier": late.earlier, "equal": late.equal, "later": late.later, "worst_s": late.worst}


def _span(seconds: float) -> str:
    """Say a span with its unit: ``3.8 h``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
