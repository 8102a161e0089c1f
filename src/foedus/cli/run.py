"""``foedus run``: a command line as a job, without a script."""

import shlex
from pathlib import PurePath
from typing import Annotated

import typer

from foedus.cli.argv import RawCommand, split
from foedus.cli.exits import Exit
from foedus.cli.logs import follow
from foedus.cli.sending import Order, code_of, send, tell, wait_for
from foedus.cli.session import session_of
from foedus.core.base.errors import BadInput, Fault

app = typer.Typer()

OWN = {
    "--help": False,
    "-h": False,
    "--json": False,
    "--parsable": False,
    "--follow": False,
    "-f": False,
    "--wait": False,
    "-W": False,
    "--idempotency-key": True,
}
"""Options of the command itself, and whether they have a value."""


@app.command(cls=RawCommand, add_help_option=False, options_metavar="[SBATCH OPTIONS]")
def run(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND [ARGUMENTS...]")] = None,
) -> None:
    """Run a command line as a job, like ``foedus run --gpus 2 --time 1:00:00 --bundle src -- python src/train.py``.

    The command gets its arguments exactly as they are here. All options of sbatch are taken, and:

    \b
    --project NAME         whose allocation pays
    --purpose WORD         why the job runs: pretrain, finetune, evaluate, infer ...
    --dataset NAMES        data sets that the job uses
    --bundle PATHS         files and folders, below this folder, that travel with the job
    --fetch PATTERNS       results that come back, for `foedus fetch`
    --checkpoint FOLDER    where the job saves what it needs to go on at another site
    --follow, -f           show what the job writes; exit with its exit code
    --wait, -W             wait until the job has ended; exit with its exit code
    --parsable             print the job's id alone
    --json                 print JSON
    --idempotency-key KEY  go on with a submission that may have arrived: it is done only once
    --help, -h             show this message
    """  # noqa: D301 - the mark is typer's, for lines that stay as they are
    session = session_of(ctx)
    line = split(words or [], OWN)
    if line.has("--help") or line.has("-h"):
        typer.echo(ctx.get_help())
        return
    if not line.rest:
        raise BadInput(Fault(path="COMMAND", fault="is not given", remedy="write it after --, with its arguments"))
    session.json = session.json or line.has("--json")
    order = Order(
        script=script_of(line.rest),
        file_name=PurePath(line.rest[0]).name,
        overrides=line.overrides,
        key=line.own.get("--idempotency-key"),
        source="COMMAND",
    )
    with session.client() as client:
        job = send(client, session, order)
        code: int = tell(session, job, parsable=line.has("--parsable"))
        if code == Exit.OK and (line.has("--follow") or line.has("-f")):
            follow(client, job.id, "stdout", attempt=None)
            code = code_of(client.get(job.id))
        elif code == Exit.OK and (line.has("--wait") or line.has("-W")):
            code = wait_for(client, session, job.id)
    raise typer.Exit(code)


def script_of(command: list[str]) -> str:
    """Return the script that runs a command line as it was given."""
    return f"#!/bin/sh\n\nexec {shlex.join(command)}\n"
