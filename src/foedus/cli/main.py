"""The command ``foedus``: its table of commands, what all of them share, and how it ends."""

import os
import sys
from typing import Annotated, Any

import typer

from foedus import __version__
from foedus.cli.errors import close, report
from foedus.cli.lazy import Entry, LazyGroup
from foedus.cli.session import Session
from foedus.core.base.errors import FoedusError

JOBS, ALLIANCE, SITES, BOOKS, SERVERS = "Jobs", "Alliance", "Sites", "Books", "Servers"


def _entry(group: str, source: str, text: str) -> Entry:
    return Entry(source=f"foedus.cli.{source}", help=text, group=group)


COMMANDS: dict[str, Entry] = {
    "submit": _entry(JOBS, "submit:app", "Submit an sbatch script, with sbatch's own options."),
    "run": _entry(JOBS, "run:app", "Run a command line as a job."),
    "status": _entry(JOBS, "jobs:status", "Show where jobs are."),
    "list": _entry(JOBS, "jobs:list_jobs", "List jobs."),
    "wait": _entry(JOBS, "jobs:wait", "Wait until jobs have ended."),
    "cancel": _entry(JOBS, "jobs:cancel", "Cancel jobs, tasks or whole arrays."),
    "why": _entry(JOBS, "why:why", "Tell why a job is where it is."),
    "logs": _entry(JOBS, "logs:logs", "Show what a job writes."),
    "fetch": _entry(JOBS, "fetch:fetch", "Fetch the files that a job brought back."),
    "script": _entry(JOBS, "jobs:script", "Show a job's script as it was submitted."),
    "login": _entry(ALLIANCE, "login:login", "Keep the address of a hub and a token."),
    "whoami": _entry(ALLIANCE, "login:whoami", "Show whom the token speaks for."),
    "project": _entry(ALLIANCE, "project:app", "Projects, their members and allocations."),
    "user": _entry(ALLIANCE, "people:user", "The people of the alliance."),
    "token": _entry(ALLIANCE, "people:token", "Tokens."),
    "partner": _entry(ALLIANCE, "partner:app", "Revoke a partner's key."),
    "agreement": _entry(ALLIANCE, "agreement:app", "The agreement: check, sign, compare, put in force."),
    "simulate": _entry(ALLIANCE, "simulate:simulate", "Show what an agreement would give each partner, from job logs."),
    "keys": _entry(ALLIANCE, "keys:app", "Keys that sign."),
    "sites": _entry(SITES, "sites:sites", "Show the sites and what can start there now."),
    "site": _entry(SITES, "sites:app", "Enrolment codes and revocation for a site's agent."),
    "balance": _entry(BOOKS, "balance:balance", "What each partner pledged, gave and took."),
    "ledger": _entry(BOOKS, "ledger_hub:app", "The ledger: export, verify, show."),
    "hub": _entry(SERVERS, "hub:app", "Run a hub."),
    "agent": _entry(SERVERS, "agent:app", "Run a site's agent."),
    "doctor": _entry(SERVERS, "doctor:app", "Find what is wrong with a hub or a site, and what to do."),
    "demo": _entry(SERVERS, "demo:demo", "Show the main job on this machine, from nothing to the checked books."),
    "sbatch": _entry("", "submit:app", "The same as submit."),
    "squeue": _entry("", "jobs:list_jobs", "The same as list."),
    "scancel": _entry("", "jobs:cancel", "The same as cancel."),
}
"""Every command of ``foedus``: add a line here and a function or `typer.Typer` in a module of this folder."""


class Foedus(LazyGroup):
    """The top of the command line: where every error ends as a message and an exit code."""

    table = COMMANDS

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context is typer's own, which it keeps private
        """Run the command; an error becomes a message for a person and an exit code for a script."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError, KeyboardInterrupt, EOFError):
            raise
        except FoedusError as error:
            if os.environ.get("FOEDUS_DEBUG") == "1":
                raise
            raise typer.Exit(report(error, as_json=_wants_json(ctx))) from error
        except Exception as error:
            if os.environ.get("FOEDUS_DEBUG") == "1":
                raise
            raise typer.Exit(report(close(error), as_json=_wants_json(ctx))) from error


def _wants_json(ctx: Any) -> bool:  # noqa: ANN401 - see above
    return isinstance(ctx.obj, Session) and ctx.obj.json


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"foedus {__version__}")
        raise typer.Exit


_EPILOG = """Each command has its own --help, with examples.

Exit codes: 0 done; 1 the answer is no (a job failed, a book is not sound); 2 faults in what was given; 3 refused, with
the clause; 4 hub or site does not answer; 5 no such thing; 6 not allowed; 70 a bug.
"""


app = typer.Typer(
    cls=Foedus,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(epilog=_EPILOG)
def foedus(
    ctx: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(envvar="FOEDUS_PROFILE", metavar="NAME", help="Which login to use; see `foedus login`."),
    ] = None,
    hub: Annotated[str | None, typer.Option(envvar="FOEDUS_HUB", metavar="URL", help="Address of the hub.")] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Run jobs at the sites of an alliance under its agreement, and keep books that every partner can check."""
    del version
    session = ctx.ensure_object(Session)
    session.profile = profile or session.profile
    session.hub = hub or session.hub


def main() -> None:
    """Run the command line."""
    app(prog_name="foedus")


if __name__ == "__main__":
    sys.exit(main())
