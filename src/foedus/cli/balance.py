"""``foedus balance``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import gpu_hours, note, print_json, say, table, when

if TYPE_CHECKING:
    from foedus.render.table import Table
    from foedus.wire.ledger import BalanceView


def balance(
    ctx: typer.Context,
    *,
    period: Annotated[str | None, typer.Option(help="2026-11, 2026-Q4 or 2026; the present ones by default.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the figures to this Parquet file.")] = None,
    json: Json = False,
) -> None:
    """Show what each partner pledged, gave and took. Files hold GPU-seconds; the table shows GPU-hours."""
    del json
    session = session_of(ctx)
    with session.client() as client:
        view = client.balance(period)
    if csv is not None:
        from foedus.render.csv_file import csv_lines

        csv.write_bytes(b"".join(csv_lines(as_table(view))))
    if parquet is not None:
        from foedus.render.parquet_file import write_parquet

        with parquet.open("wb") as sink:
            write_parquet(as_table(view), sink)
    for file in (csv, parquet):
        if file is not None:
            note(f"wrote {file}")
    if session.json:
        print_json(view)
        return
    say(f"{view.alliance}: from the ledger up to entry {view.seq}, booked {when(view.at, session.now())}")
    show(view)


def show(view: "BalanceView") -> None:
    """Print the figures in GPU-hours."""
    rows = [
        (
            one.period,
            one.partner,
            gpu_hours(one.pledged),
            gpu_hours(one.own),
            gpu_hours(one.gave),
            gpu_hours(one.took),
            gpu_hours(one.gave - one.took),
            ", ".join(f"{model} {gpu_hours(used)}" for model, used in sorted(one.by_model.items())) or "-",
        )
        for one in view.lines
    ]
    columns = ("PERIOD", "PARTNER", "PLEDGED", "OWN USE", "GAVE", "TOOK", "GAVE - TOOK", "GAVE, BY GPU MODEL")
    table(columns, rows, right=columns[2:7])


def as_table(view: "BalanceView") -> "Table":
    """Return the figures as a table for files, in GPU-seconds."""
    from foedus.render.table import Column, Table, Type

    names = ("pledged", "own", "gave", "took", "net")
    return Table(
        columns=(
            Column(name="alliance", type=Type.TEXT),
            Column(name="period", type=Type.TEXT),
            Column(name="partner", type=Type.TEXT),
            *(Column(name=name, type=Type.NUMBER) for name in names),
            Column(name="gave_by_model", type=Type.BY_MODEL),
        ),
        rows=iter(
            [
                (
                    view.alliance,
                    one.period,
                    one.partner,
                    one.pledged,
                    one.own,
                    one.gave,
                    one.took,
                    one.gave - one.took,
                    one.by_model,
                )
                for one in view.lines
            ]
        ),
    )
