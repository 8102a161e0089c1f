"""``foedus submit``: sbatch's command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foedus.cli.argv import RawCommand, split
from foedus.cli.exits import Exit
from foedus.cli.sending import Order, read_script, send, tell, wait_for
from foedus.cli.session import session_of
from foedus.core.base.errors import BadInput, Fault

app = typer.Typer()

OWN = {
    "--help": False,
    "-h": False,
    "--json": False,
    "--parsable": False,
    "--wait": False,
    "-W": False,
    "--quiet": False,
    "-Q": False,
    "--wrap": True,
    "--idempotency-key": True,
}
"""Options of the command itself, and whether they have a value."""

_WRAPPED = "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{}\n"


@app.command(cls=RawCommand, add_help_option=False, options_metavar="[SBATCH OPTIONS]")
def submit(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[SCRIPT [ARGUMENTS...]]")] = None,
) -> None:
    """Submit an sbatch script, unchanged. Without SCRIPT it is read from standard input.

    Every option of sbatch is taken in every spelling (-N 2, --nodes=2, --gres gpu:a100:2 ...), before the script's
    name; it wins over the script's own. Options that only one site could understand are refused by name.

    \b
    --project NAME         whose allocation pays
    --purpose WORD         why the job runs: pretrain, finetune, evaluate, infer ...
    --dataset NAMES        data sets that the job uses
    --bundle PATHS         files and folders, below this folder, that travel with the job
    --fetch PATTERNS       results that come back, for `foedus fetch`
    --checkpoint FOLDER    where the job saves what it needs to go on at another site
    --wrap COMMAND         wrap a command line into a script
    --wait, -W             wait until the job has ended; exit with its exit code
    --parsable             print the job's id alone
    --quiet, -Q            print nothing but errors
    --json                 print JSON
    --idempotency-key KEY  go on with a submission that may have arrived: it is done only once
    --help, -h             show this message

    A refused job prints each reason with its clause, and ends with exit code 3.
    """  # noqa: D301 - the mark is typer's, for lines that stay as they are
    session = session_of(ctx)
    line = split(words or [], OWN)
    if line.has("--help") or line.has("-h"):
        typer.echo(ctx.get_help())
        return
    session.json = session.json or line.has("--json")
    order = _order(line.rest, line.overrides, line.own.get("--wrap"), line.own.get("--idempotency-key"))
    with session.client() as client:
        job = send(client, session, order)
        silent = line.has("--quiet") or line.has("-Q")
        code: int = Exit.OK if silent and not job.reasons else tell(session, job, parsable=line.has("--parsable"))
        if code == Exit.OK and (line.has("--wait") or line.has("-W")):
            code = wait_for(client, session, job.id)
    raise typer.Exit(code)


def _order(rest: list[str], overrides: list[str], wrapped: str | None, key: str | None) -> Order:
    if wrapped is not None:
        if rest:
            raise BadInput(
                Fault(path="--wrap", fault=f"is given beside the script {rest[0]!r}", remedy="give one of the two")
            )
        return Order(script=_WRAPPED.format(wrapped), file_name="wrap", overrides=overrides, key=key, source="--wrap")
    if rest and rest[0] != "-":
        file = Path(rest[0])
        script = read_script(file.read_bytes(), rest[0])
        return Order(
            script=script, file_name=file.name, overrides=overrides, arguments=rest[1:], key=key, source=rest[0]
        )
    if sys.stdin.isatty():
        raise BadInput(
            Fault(path="SCRIPT", fault="is not given", remedy="name a script, or send one to standard input")
        )
    script = read_script(typer.get_binary_stream("stdin").read(), "standard input")
    return Order(script=script, overrides=overrides, arguments=rest[1:], key=key)
