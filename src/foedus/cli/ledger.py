"""``foedus ledger``: the books. What works on a file needs no hub and no network."""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.exits import Exit
from foedus.cli.session import Json
from foedus.cli.show import note, print_json, print_line, say
from foedus.cli.table import table

if TYPE_CHECKING:
    from foedus.core.ledger.entry import Entry
    from foedus.core.ledger.verify import Report

app = typer.Typer(help="The ledger: export, verify, show.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The exported ledger.")]


class Format(StrEnum):
    """What a ledger's usage records can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    XML = "xml"


@app.command()
def verify(
    file: File,
    agreement: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="A version of the agreement that you trust: its file."),
    ],
    head: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A head that you kept: the ledger must lead through it."),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=0, help="How many processes check signatures; 0 for one a processor, if the file is long."),
    ] = 0,
    json: Json = False,
) -> None:
    """Check a ledger from end to end, with nothing but the file and the agreement.

    Ends with 0 if it is sound, with 1 if anything in it was changed, dropped, reordered, doubled or made up.
    """
    from foedus.cli.ledger_file import kept_head, pool, progress
    from foedus.core.agreement.read import read
    from foedus.core.ledger.verify import verify as examine_all
    from foedus.keys.ed25519 import verify as check

    trusted = read(agreement.read_bytes())
    held = kept_head(head) if head else None
    with ExitStack() as stack:
        lines = stack.enter_context(progress(file, "Verifying"))
        mapper = stack.enter_context(pool(file, processes))
        report = examine_all(lines, agreement=trusted, check=check, held=held, mapper=mapper)
    if json:
        print_json(_as_object(report))
    else:
        _print(report)
    if not report.sound:
        raise typer.Exit(Exit.FAILED)


@app.command()
def show(
    file: File,
    kind: Annotated[str | None, typer.Option(help="Only entries of this kind, such as usage.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many of the newest.")] = None,
    json: Json = False,
) -> None:
    """Show the entries of a ledger. Nothing is checked but that each can be read: see `foedus ledger verify`."""
    from collections import deque

    from foedus.cli.ledger_file import entries, progress
    from foedus.core.base.errors import BadInput, Fault
    from foedus.core.ledger.entry import Kind

    if kind is not None and kind not in Kind.__members__.values():
        remedy = f"use one of: {', '.join(Kind)}"
        raise BadInput(Fault(path="--kind", fault=f"{kind!r} is no kind of entry", remedy=remedy))
    with progress(file, "Reading") as lines:
        found = (entry for entry in entries(lines) if kind in {None, entry.kind})
        wanted = found if last is None else deque(found, maxlen=last)
        if json:
            for entry in wanted:
                print_line(entry.json())
            return
        rows = [_row(entry) for entry in wanted]
    table(("ENTRY", "BOOKED", "KIND", "WHAT", "SIGNED BY"), rows, right=("ENTRY",), text="WHAT")


@app.command()
def convert(
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The file to write.")],
    to: Annotated[Format, typer.Option(help="What to write.")] = Format.CSV,
    every: Annotated[
        bool, typer.Option("--every", help="Also the records that a later correction took the place of.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the usage records of a ledger as CSV, as Parquet, or in the OGF's Usage Record format 2.0 (XML)."""
    write_records(file, output, to, every=every)
    written(output, to, as_json=json)


def written(output: Path, form: StrEnum, *, as_json: bool) -> None:
    """Say which file was written."""
    if as_json:
        print_json({"file": str(output), "format": str(form)})
    else:
        note(f"wrote {output}")


def write_records(file: Path, output: Path, to: Format, *, every: bool = False) -> None:
    """Write the usage records of an exported ledger to another file."""
    from foedus.cli.ledger_file import entries, progress
    from foedus.core.ledger.booked import booked, settled
    from foedus.render.csv_file import csv_lines
    from foedus.render.parquet_file import write_parquet
    from foedus.render.table import usage_table
    from foedus.render.usage_record import usage_records

    with progress(file, "Reading") as lines, output.open("wb") as sink:
        booked_records = (record for entry in entries(lines) if (record := booked(entry)))
        records = booked_records if every else iter(settled(booked_records))
        match to:
            case Format.CSV:
                sink.writelines(csv_lines(usage_table(records)))
            case Format.PARQUET:
                write_parquet(usage_table(records), sink)
            case Format.XML:
                sink.writelines(usage_records(records))


def _row(entry: "Entry") -> tuple[str, ...]:
    from foedus.core.base.instant import iso

    signers = " ".join(one.keyid[:16] for one in entry.signatures)
    return (str(entry.seq), iso(entry.at), str(entry.kind), _summary(entry), signers)


def _summary(entry: "Entry") -> str:
    from foedus.core.agreement.read import read
    from foedus.core.base.units import hours
    from foedus.core.ledger.booked import booked
    from foedus.core.ledger.entry import Kind

    record = booked(entry)
    if record is not None:
        usage = record.usage
        used = hours(sum(usage.gpu_seconds.values()))
        words = f"{usage.job}/{usage.attempt} of {usage.user} ({usage.user_partner}) at {usage.site}: {used} GPU-hours"
        more = "" if record.corrects is None else f"; instead of entry {record.corrects}: {record.reason}"
        return f"{words}, {usage.outcome}{more}"
    body = entry.body
    match entry.kind:
        case Kind.AGREEMENT:
            found = read(str(body.get("text")).encode())
            return f"version {found.version}, {found.digest}"
        case Kind.SITE_KEY | Kind.SITE_KEY_REVOKED:
            return f"{body.get('site')}: {body.get('key')}"
        case Kind.ALLOCATION:
            amount = body.get("gpu_seconds")
            return f"{body.get('project')}: {hours(amount) if isinstance(amount, int) else amount} GPU-hours"
        case _:
            return str(body.get("project"))


def _print(report: "Report") -> None:
    from foedus.core.base.instant import iso

    for fault in report.faults:
        note(str(fault))
    if report.unlisted:
        note(f"... and {report.unlisted} more")
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
    say(f"ledger of {report.alliance}: {report.entries} entries ({kinds or 'none'})")
    if report.head and report.first is not None:
        say(f"from {iso(report.first)} to {iso(report.head.at)}, agreement version {report.agreement_version}")
        say(f"head: entry {report.head.seq}, {report.head.hash}")
    for seal in report.seals:
        say(f"sealed by {seal.site} up to entry {seal.seq} ({iso(seal.at)})")
    count = len(report.faults) + report.unlisted
    say("sound" if report.sound else f"NOT SOUND: {count} {'fault' if count == 1 else 'faults'}")


def _as_object(report: "Report") -> dict[str, object]:
    from foedus.core.base.instant import iso

    return {
        "sound": report.sound,
        "alliance": report.alliance,
        "entries": report.entries,
        "kinds": {str(kind): count for kind, count in report.kinds.items()},
        "first": None if report.first is None else iso(report.first),
        "head": report.head.json() if report.head else None,
        "agreement_version": report.agreement_version,
        "seals": [{"site": seal.site, "seq": seal.seq, "at": iso(seal.at)} for seal in report.seals],
        "faults": [{"line": fault.line, "fault": fault.fault} for fault in report.faults],
        "unlisted": report.unlisted,
    }
