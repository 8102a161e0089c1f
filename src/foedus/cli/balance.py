"""``foedus balance``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_json, say, when
from foedus.cli.table import table
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.units import duration, hours

if TYPE_CHECKING:
    from foedus.wire.ledger import BalanceView, WaitsLine

_WAITS = ("MONTH", "PARTNER", "EARLIER", "AS ALONE", "LATER", "NOT ALONE", "SAVED PER JOB", "WORST")


def balance(
    ctx: typer.Context,
    *,
    period: Annotated[str | None, typer.Option(help="2026-11, 2026-Q4 or 2026; the present ones by default.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the figures to this Parquet file.")] = None,
    waits: Annotated[
        bool, typer.Option("--waits", help="Show instead how the partners' jobs did against their own sites alone.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what each partner pledged, gave to guests and took as one, in GPU-hours; NET is GAVE less TOOK.

    Files hold exact GPU-seconds. With --waits: how many jobs of each partner ended earlier, as soon (within a minute)
    and later than they would have on its own site alone, month by month, what that comes to a job, and the worst case.
    NOT ALONE counts jobs that are too large for it.
    """
    session = session_of(ctx)
    if waits:
        _show_waits(ctx, period, csv, parquet, json=json)
        return
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


def _show_waits(ctx: typer.Context, period: str | None, csv: Path | None, parquet: Path | None, *, json: bool) -> None:
    for name, given in (("--csv", csv), ("--parquet", parquet)):
        if given is not None:
            raise BadInput(Fault(path=name, fault="does not go with --waits", remedy="use --json"))
    with session_of(ctx).client() as client:
        view = client.waits()
    lines = [one for one in view.lines if period is None or one.month == period]
    if json:
        print_json(view.model_copy(update={"lines": lines}))
        return
    table(_WAITS, [_waits_row(one) for one in lines], right=_WAITS[2:])
    if not lines:
        note("no job has ended yet" if period is None else f"no job ended in {period}")


def _waits_row(one: "WaitsLine") -> tuple[str, ...]:
    compared = one.earlier + one.equal + one.later
    saved = one.saved // compared if compared else 0
    return (
        one.month,
        one.partner,
        *(str(figure) for figure in (one.earlier, one.equal, one.later, one.homeless)),
        f"{'-' if saved < 0 else ''}{duration(abs(saved))}",
        duration(one.worst),
    )
