"""``foedus balance``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_json, say, when
from foedus.cli.table import table
from foedus.core.base.units import hours

if TYPE_CHECKING:
    from foedus.wire.ledger import BalanceView


def balance(
    ctx: typer.Context,
    *,
    period: Annotated[str | None, typer.Option(help="2026-11, 2026-Q4 or 2026; the present ones by default.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the figures to this Parquet file.")] = None,
    json: Json = False,
) -> None:
    """Show what each partner pledged, gave to guests and took as one, in GPU-hours; NET is GAVE less TOOK.

    Files hold exact GPU-seconds.
    """
    session = session_of(ctx)
    with session.client() as client:
        view = client.balance(period)
    if csv is not None or parquet is not None:
        _write(view, csv, parquet)
    if json:
        print_json(view)
        return
    say(f"{view.alliance}, in GPU-hours: from the ledger up to entry {view.seq}, booked {when(view.at, session.now())}")
    show(view)


def _write(view: "BalanceView", csv: Path | None, parquet: Path | None) -> None:
    from foedus.render.csv_file import csv_lines
    from foedus.render.parquet_file import write_parquet
    from foedus.render.table import balance_table

    if csv is not None:
        csv.write_bytes(b"".join(csv_lines(balance_table(view))))
        note(f"wrote {csv}")
    if parquet is not None:
        with parquet.open("wb") as sink:
            write_parquet(balance_table(view), sink)
        note(f"wrote {parquet}")


def show(view: "BalanceView") -> None:
    """Print the figures, in GPU-hours."""
    rows = [
        (
            one.period,
            one.partner,
            *(hours(figure) for figure in (one.pledged, one.own, one.gave, one.took, one.gave - one.took)),
            ", ".join(f"{model} {hours(used)}" for model, used in sorted(one.by_model.items())) or "-",
        )
        for one in view.lines
    ]
    columns = ("PERIOD", "PARTNER", "PLEDGED", "OWN USE", "GAVE", "TOOK", "NET", "GAVE, BY MODEL")
    table(columns, rows, right=columns[2:7], text=columns[7])
