"""Tables as CSV (RFC 4180): UTF-8, a heading, CRLF, times as RFC 3339."""

import csv
import io
from collections.abc import Iterator, Mapping

from foedus.core.base.canon import canonical
from foedus.core.base.instant import iso
from foedus.render.table import Cell, Column, Table, Type, instant

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(table: Table) -> Iterator[bytes]:
    """Write a table line by line.

    Figures by GPU model are JSON objects in their cell. A text that a spreadsheet would take for a formula gets an
    apostrophe in front: of all that a ledger holds only the reason of a correction can be one.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([column.name for column in table.columns])
    yield _taken(buffer)
    for row in table.rows:
        writer.writerow([_cell(column, cell) for column, cell in zip(table.columns, row, strict=True)])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8")
    buffer.seek(0)
    buffer.truncate()
    return data


def _cell(column: Column, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Mapping):
        return canonical(cell).decode("utf-8")
    if column.type is Type.TIME:
        moment = instant(cell)
        return "" if moment is None else iso(moment)
    text = str(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(_FORMULA) else text
