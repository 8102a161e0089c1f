"""``foedus keys``: make Ed25519 keys and show their public half."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make keys, and show their public half.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The new file; never written over another one.")], as_json: AsJson = False
) -> None:
    """Make a key: a file that only you can read. Its public half is printed."""
    from foedus.keys.ed25519 import make, save

    key = make()
    save(key, file)
    _print(file, key.key, as_json=as_json)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A private key file.")],
    as_json: AsJson = False,
) -> None:
    """Print the public half of a key."""
    from foedus.keys.ed25519 import load

    _print(file, load(file).key, as_json=as_json)


def _print(file: Path, key: str, *, as_json: bool) -> None:
    typer.echo(json.dumps({"file": str(file), "key": key}, indent=2) if as_json else key)
