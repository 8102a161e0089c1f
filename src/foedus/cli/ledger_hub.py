"""The commands of ``foedus ledger`` that ask a hub; those that work on a file are in `foedus.cli.ledger`."""

import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from foedus.cli.exits import Exit
from foedus.cli.ledger import Format, app, write_records, written
from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_json, say, since, when
from foedus.cli.table import table
from foedus.core.base.errors import BadInput, Fault

__all__ = ["app"]


class Exported(StrEnum):
    """What a hub's ledger can be exported as."""

    JSONL = "jsonl"
    """The book itself: what ``foedus ledger verify`` reads."""
    CSV = "csv"
    PARQUET = "parquet"
    OGF_UR = "ogf-ur"


_FORMATS = {Exported.CSV: Format.CSV, Exported.PARQUET: Format.PARQUET, Exported.OGF_UR: Format.XML}


@app.command()
def export(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="The file to write; standard output else.")
    ] = None,
    to: Annotated[
        Exported, typer.Option("--format", help="The book itself (jsonl), or its usage records.")
    ] = Exported.JSONL,
    json: Json = False,
) -> None:
    """Export the hub's ledger: the book itself, for `foedus ledger verify`, or its usage records for other programs."""
    if to is Exported.PARQUET and output is None and sys.stdout.isatty():
        raise BadInput(Fault(path="--output", fault="is not given, and Parquet is no text", remedy="name a file"))
    if json and output is None and to is not Exported.JSONL:
        fault = f"is not given, and {to} on standard output is no JSON"
        raise BadInput(Fault(path="--output", fault=fault, remedy="name a file, or leave --json out"))
    with session_of(ctx).client() as client, tempfile.TemporaryDirectory() as folder:
        if to is Exported.JSONL and output is not None:
            client.ledger_export(output)
            written(output, to, as_json=json)
            return
        file = client.ledger_export(Path(folder) / "ledger.jsonl")
        if to is not Exported.JSONL:
            converted = Path(folder) / "converted"
            write_records(file, converted, _FORMATS[to])
            file = converted
        if output is not None:
            shutil.copyfile(file, output)
            written(output, to, as_json=json)
            return
        with file.open("rb") as stream:
            shutil.copyfileobj(stream, typer.get_binary_stream("stdout"))


@app.command()
def head(ctx: typer.Context, json: Json = False) -> None:
    """Show the newest head, signed by the hub. Keep its JSON: `verify --head` proves that nothing before it changed."""
    session = session_of(ctx)
    with session.client() as client:
        found = client.ledger_head()
    if json:
        print_json(found)
    else:
        say(f"{found.alliance}: entry {found.seq}, {found.hash}, booked {when(found.at, session.now())}")


@app.command()
def seals(ctx: typer.Context, json: Json = False) -> None:
    """Show how far each site has sealed the ledger, and whether it is this one that it sealed.

    Ends with 1 if a site has sealed another: the hub has told two histories, or lost a part of its own.
    """
    session = session_of(ctx)
    with session.client() as client:
        found = client.ledger_seals()
    if json:
        print_json(found)
    else:
        rows = [
            (one.site, str(one.seq), when(one.at, session.now()), "yes" if one.agrees else "NO", one.hash)
            for one in found.seals
        ]
        table(("SITE", "SEALED UP TO", "BOOKED", "AGREES", "HASH"), rows, right=("SEALED UP TO",), spare=("HASH",))
        for one in found.seals:
            if not one.agrees:
                note(
                    f"{one.site} was shown another entry {one.seq} than the ledger holds now; its agent keeps the proof"
                )
    if not all(one.agrees for one in found.seals):
        raise typer.Exit(Exit.FAILED)


@app.command()
def gaps(ctx: typer.Context, json: Json = False) -> None:
    """Show what the sites ran and have not accounted for: records that are withheld, late or disputed.

    Ends with 1 if there is anything.
    """
    session = session_of(ctx)
    with session.client() as client:
        found = client.ledger_gaps()
    if json:
        print_json(found)
    else:
        counts = [(one.site, str(one.ended), str(one.booked), str(one.overdue)) for one in found.sites]
        table(("SITE", "ENDED", "BOOKED", "OVERDUE"), counts, right=("ENDED", "BOOKED", "OVERDUE"))
        rows = [
            (f"{one.job}/{one.attempt}", one.site, one.kind, since(one.since, session.now()), one.text)
            for one in found.gaps
        ]
        if rows:
            say("")
            table(("ATTEMPT", "SITE", "WHAT", "SINCE", "LAST WORDS"), rows, text="LAST WORDS")
    if found.gaps:
        raise typer.Exit(Exit.FAILED)
