"""Tables as Parquet: whole numbers of 64 bits, times in milliseconds UTC, figures by GPU model as maps."""

from collections.abc import Mapping
from importlib import import_module
from itertools import islice
from typing import IO, Any, Final

from foedus.render.table import Cell, Table, Type

_BATCH: Final = 10_000


def write_parquet(table: Table, sink: IO[bytes]) -> int:
    """Write a table to a binary file and return how many rows it has; memory does not grow with them."""
    # pyarrow is heavy, only needed here, and comes without types.
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    types = _types(arrow)
    columns = [types[column.type] for column in table.columns]
    schema: Any = arrow.schema([arrow.field(column.name, types[column.type]) for column in table.columns])
    count = 0
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while rows := list(islice(table.rows, _BATCH)):
            arrays = [
                arrow.array([_value(row[index]) for row in rows], type=kind) for index, kind in enumerate(columns)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    return count


def _types(arrow: Any) -> dict[Type, Any]:  # noqa: ANN401 (pyarrow comes without types)
    return {
        Type.TEXT: arrow.string(),
        Type.NUMBER: arrow.int64(),
        Type.FRACTION: arrow.float64(),
        Type.TIME: arrow.timestamp("ms", tz="UTC"),
        Type.BY_MODEL: arrow.map_(arrow.string(), arrow.int64()),
    }


def _value(cell: Cell) -> object:
    return list(cell.items()) if isinstance(cell, Mapping) else cell
