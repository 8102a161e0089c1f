"""Tables of numbers for the kernels: rows are read and written as objects, compiled or not.

A row type is a class of annotated whole numbers, truths or fractions. Where kernels are compiled a table is one block
of memory (numpy); where not, a list of plain objects, which plain Python reads faster.
"""

from collections.abc import MutableSequence, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from foedus.core.placement.kernels import COMPILED

Row = TypeVar("Row")
Column = NDArray[Any]
_TYPES: dict[object, str] = {int: "i8", bool: "?", float: "f8"}


def table(of: type[Row], count: int) -> Sequence[Row]:
    """Make so many rows of zeros."""
    if COMPILED:
        fields = [(name, _TYPES[kind]) for name, kind in of.__annotations__.items()]
        return cast("Sequence[Row]", np.zeros(count, dtype=np.dtype(fields, align=True)).view(np.recarray))
    zeros = [(name, kind(0)) for name, kind in of.__annotations__.items()]
    rows = [of() for _ in range(count)]
    for row in rows:
        for name, zero in zeros:
            setattr(row, name, zero)
    return rows


def numbers(values: Column) -> MutableSequence[int]:
    """Make a column of 64-bit whole numbers that stands by itself."""
    if COMPILED:
        return cast("MutableSequence[int]", values.astype(np.int64))
    return values.astype(np.int64).tolist()


def zeros(count: int) -> MutableSequence[int]:
    """Make a column of so many zeros."""
    return numbers(np.zeros(count, dtype=np.int64))


def put_column(rows: Sequence[Row], name: str, values: Column | int | bool) -> None:  # noqa: FBT001 - a value, not a switch
    """Write one field of all rows."""
    if COMPILED:
        cast("Column", rows)[name] = values
        return
    each = np.broadcast_to(values, (len(rows),)).tolist()
    for row, value in zip(rows, each, strict=True):
        setattr(row, name, value)


def column(rows: Sequence[Row], name: str) -> Column:
    """Read one field of all rows."""
    if COMPILED:
        return cast("Column", rows)[name]
    return np.array([getattr(row, name) for row in rows])
