"""``foedus keys``: make Ed25519 keys and show their public half."""

from pathlib import Path
from typing import Annotated

import typer

from foedus.cli.session import Json
from foedus.cli.show import print_json, say

app = typer.Typer(help="Make keys, and show their public half.", no_args_is_help=True)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The new file; never written over another one.")], json: Json = False
) -> None:
    """Make a key: a file that only you can read. Its public half is printed."""
    from foedus.keys.ed25519 import make, save

    key = make()
    save(key, file)
    _print(file, key.key, json=json)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A private key file.")],
    json: Json = False,
) -> None:
    """Print the public half of a key."""
    from foedus.keys.ed25519 import load

    _print(file, load(file).key, json=json)


def _print(file: Path, key: str, *, json: bool) -> None:
    if json:
        print_json({"file": str(file), "key": key})
    else:
        say(key)
