"""``foedus doctor``: what is wrong with a hub or a site, and what to do, all at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from foedus.cli.exits import Exit
from foedus.cli.session import Json
from foedus.cli.show import count, print_json, say
from foedus.cli.table import paragraph
from foedus.core.base.checkup import Finding, Grade, faults_of
from foedus.core.base.errors import FoedusError

app = typer.Typer(no_args_is_help=True, help="Find what is wrong with a hub or a site, and what to do.")

_STATE = Annotated[
    Path, typer.Option("--state", envvar="FOEDUS_AGENT_STATE", help="The agent's folder: its key, its journal.")
]
_CONFIG = Annotated[
    Path, typer.Option("--config", envvar="FOEDUS_AGENT_CONFIG", help="TOML file with the agent's settings.")
]
_SETTINGS = "settings"


@app.command()
def hub(
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with settings.", exists=True, dir_okay=False)
    ] = None,
    state: Annotated[Path | None, typer.Option("--state", help="Folder of the hub's key, files and database.")] = None,
    database: Annotated[str | None, typer.Option("--database", help="SQLAlchemy URL of the database.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that the hub listens on; 0 asks no hub.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Check the ledger from its first entry, not from where the last look ended.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at a hub, on its machine: files, database, agreement, broker, sites, attempts, ledger.

    Each line is a check: ok, warning, fault, or skipped because of a fault before it. Exit code 1 if there is a fault.
    """
    from foedus.hub.doctor import HubDoctor
    from foedus.hub.settings import load

    try:
        settings = load(config, state=state, database=database, port=port)
    except FoedusError as error:
        _end(_settings(error), as_json=json)
    _end(HubDoctor(settings=settings, whole=whole).look(), as_json=json)


@app.command()
def site(state: _STATE, config: _CONFIG, json: Json = False) -> None:
    """Look at a site, on its agent's machine: files, hub, clocks, policy, accounts, cluster, work folders.

    Each line is a check: ok, warning, fault, or skipped because of a fault before it. Exit code 1 if there is a fault.
    """
    import os

    from foedus.agent.doctor import SiteDoctor
    from foedus.agent.folder import StateFolder
    from foedus.agent.settings import read_settings

    try:
        settings = read_settings(config)
    except FoedusError as error:
        _end(_settings(error), as_json=json)
    folder = StateFolder(path=state.expanduser().absolute())
    _end(SiteDoctor(folder=folder, settings=settings, own_uid=os.geteuid()).look(), as_json=json)


def _settings(error: FoedusError) -> list[Finding]:
    from dataclasses import replace

    return [replace(one, check=_SETTINGS) for one in faults_of(error)]


def _end(findings: Sequence[Finding], *, as_json: bool) -> NoReturn:
    """Print what was found, and end with the code that says how bad it is."""
    faults = [one for one in findings if one.grade is Grade.FAULT]
    if as_json:
        print_json({"sound": not faults, "findings": [one.json() for one in findings]})
    else:
        width = max(len(one.check) for one in findings)
        for one in findings:
            start = f"{one.grade:<9}{one.check:<{width}}  "
            paragraph(start, one.text)
            if one.remedy:
                paragraph(f"{'':<{len(start)}}-> ", one.remedy)
        warnings = sum(one.grade is Grade.WARNING for one in findings)
        say(f"{count(len(faults), 'fault')}, {count(warnings, 'warning')}")
    raise typer.Exit(Exit.FAILED if faults else Exit.OK)
