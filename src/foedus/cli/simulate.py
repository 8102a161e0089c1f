"""``foedus simulate``: what an agreement would give each partner, from their own job logs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.progress import counter
from foedus.cli.session import Json
from foedus.cli.show import note
from foedus.core.base.errors import BadInput, Fault
from foedus.sim.schedules import ALL, SCHEDULES, USUAL, choose

if TYPE_CHECKING:
    from foedus.sim.cases import Work
    from foedus.sim.scenario import Case, Scenario, Site

_SCHEDULES = "; ".join(f"{each.name}: {each.says}" for each in SCHEDULES.values())


def simulate(
    logs: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=LOG[:UNITS]...", help="Each site's job log, and its size where the log has none."),
    ] = None,
    *,
    scenario: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sites, terms and what to vary, from a TOML file instead.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep each case there as soon as it is done, and write a report."),
    ] = None,
    case: Annotated[
        list[int] | None,
        typer.Option(metavar="NUMBER", help="Do this case alone, without a report; for the tasks of a job array."),
    ] = None,
    cases: Annotated[bool, typer.Option("--cases", help="Only list the cases.")] = False,
    processes: Annotated[int, typer.Option(min=0, help="Cases side by side; 0: one on each core.")] = 0,
    preemptible: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, max=1, help="Share of the jobs that save checkpoints; else 1."),
    ] = None,
    restart: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=0, help="Progress that a recall costs a job; else 300.")
    ] = None,
    staging: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=0, help="Time to bring a guest's data; else 0.")
    ] = None,
    bound: Annotated[
        float | None, typer.Option(metavar="SHARE", min=0, max=1, help="Share of the jobs that stay at home; else 0.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Draws which jobs those are; else 1.")] = None,
    schedules: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,...",
            help=f"What to compare, with commas or repeated; {ALL}: each; else {','.join(USUAL)}. {_SCHEDULES}.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show how long the partners' jobs would wait: alone, together under the guarantee, and under other rules.

    Times count from each log's own beginning. A log is what `sacct --parsable2 --allocations` prints, or in the
    Standard Workload Format; it may be compressed with gzip. The guarantee: no job that saves checkpoints ends later
    than it would alone; the others are kept from waiting longer than alone on average.

    Example: foedus simulate kth=kth.swf.gz ctc=ctc.swf.gz:338 --preemptible 0.5
    Example: foedus simulate --scenario alliance.toml --out report
    """
    given = {"preemptible": preemptible, "restart": restart, "staging": staging, "bound": bound, "seed": seed}
    asked = _scenario(scenario, logs or [])
    asked = replace(asked, terms=replace(asked.terms, **{name: one for name, one in given.items() if one is not None}))
    if schedules:
        asked = replace(asked, schedules=tuple(schedule.name for schedule in choose(schedules)))
    _simulate(asked, out, case or [], listed=cases, processes=processes, json=json)


def _simulate(
    scenario: "Scenario", out: Path | None, numbers: Sequence[int], *, listed: bool, processes: int, json: bool
) -> None:
    from foedus.cli.simulate_view import show, show_cases
    from foedus.sim.cases import work
    from foedus.sim.sweep import processors, sweep

    chosen = _cases(scenario, numbers)
    prepared = work(scenario, out)
    if listed:
        show_cases(prepared, chosen, json=json)
        return
    _remark(prepared)
    with counter("simulating", len(chosen), json=json) as told:
        swept = sweep(prepared, chosen, processes or processors(), told)
    show(prepared, swept.results, json=json)
    if out is not None and not numbers and swept.results:
        from foedus.sim.report.write import write_report

        for file in write_report(out, prepared, swept.results):
            note(f"wrote {file}")
    if swept.faults:
        raise BadInput(*swept.faults)


def _scenario(file: Path | None, logs: Sequence[str]) -> "Scenario":
    from foedus.sim.scenario import Scenario
    from foedus.sim.scenario_file import read_scenario

    if (file is None) == (not logs):
        fault = "given beside a scenario, which names its own" if logs else "missing"
        remedy = "give NAME=LOG[:UNITS] for each site, or --scenario FILE"
        raise BadInput(Fault(path="NAME=LOG", fault=fault, remedy=remedy))
    return Scenario(sites=tuple(_sites(logs))) if file is None else read_scenario(file)


def _sites(logs: Sequence[str]) -> "list[Site]":
    """Read the names of the logs; the faults of all are told at once."""
    from foedus.sim.scenario import Site

    found: list[Site] = []
    faults: list[Fault] = []
    for text in logs:
        name, _, source = text.partition("=")
        file, _, units = source.rpartition(":")
        if not file or not units.isdigit():
            file, units = source, ""
        if not name or not file or units == "0":
            faults.append(
                Fault(path=text, fault="not NAME=LOG or NAME=LOG:UNITS", remedy="for example kth=kth.swf.gz:100")
            )
        elif any(site.name == name for site in found):
            faults.append(Fault(path=text, fault=f"a second log of {name}", remedy="give each site one name"))
        else:
            found.append(Site(name=name, log=Path(file), units=int(units) if units else None))
    if faults:
        raise BadInput(*faults, *_faults_of_logs(found))
    return found


def _faults_of_logs(sites: "Sequence[Site]") -> Sequence[Fault]:
    from foedus.sim.cases import work
    from foedus.sim.scenario import Scenario

    try:
        work(Scenario(sites=tuple(sites)), None)
    except BadInput as error:
        return error.faults
    return ()


def _cases(scenario: "Scenario", numbers: Sequence[int]) -> "list[Case]":
    every = scenario.cases
    faults = [
        Fault(path="--case", fault=f"there is no case {number}", remedy=f"give 0 to {len(every) - 1}")
        for number in numbers
        if not 0 <= number < len(every)
    ]
    if faults:
        raise BadInput(*faults)
    return [every[number] for number in dict.fromkeys(numbers)] or list(every)


def _remark(work: "Work") -> None:
    """Say what of the logs could not be used, and what may surprise."""
    from foedus.sim.compiled import keep

    for site in work.logs:
        for sentence in site.remarks.sentences():
            note(f"{site.name}: {sentence}")
    units = sorted({site.unit for site in work.logs})
    if len(units) > 1:
        note(f"the sites are measured in {' and '.join(units)}: one counts as much as the other here")
    if not keep():
        note("the simulator is compiled now, which takes half a minute; only the first simulation needs it")
