"""Tables that stay readable in a narrow window, and whole everywhere else.

A pipe or file gets every column, a line for each row. In a window that is too narrow, the cells of the last column are
folded at words, or stand below their row; then the least of the columns are left out, and a note names them. No other
cell is ever broken, so that ids and names can be copied.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foedus.cli.show import note, plain

_GAP = "  "
_INDENT = "    "
_FOLDED = 24
"""Narrowest column in which folded text is still read with ease."""
_LINES = 2
"""Lines, about, to which a cell is folded at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a table fits its window."""

    shown: tuple[str, ...]
    """The columns that stand side by side."""
    folded: int | None = None
    """Letters to which the last of them is folded."""
    below: str | None = None
    """The column that stands below its row."""


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    text: str | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Print a table; the cells are made safe here.

    Columns in `right` hold figures. The column `text` holds sentences; those in `spare` are left out first, in their
    order, where the window is too narrow.
    """
    from rich.cells import cell_len

    cells = [{column: plain(cell) for column, cell in zip(columns, row, strict=True)} for row in rows]
    widths = {column: max(cell_len(cell) for cell in (column, *(row[column] for row in cells))) for column in columns}
    watched = sys.stdout.isatty()
    plan = Layout(shown=tuple(columns))
    if watched:
        plan = fit(widths, shutil.get_terminal_size().columns, text, spare)
    head = _lines({column: column for column in columns}, plan, widths, right)[0]
    sys.stdout.write(f"\x1b[1m{head}\x1b[0m\n" if watched and _styled() else f"{head}\n")
    for row in cells:
        sys.stdout.writelines(f"{line}\n" for line in _lines(row, plan, widths, right))
        if plan.below is not None and row[plan.below] not in ("", "-"):
            for line in fold(row[plan.below], shutil.get_terminal_size().columns - len(_INDENT)):
                sys.stdout.write(f"{_INDENT}{line}\n")
    missing = [column for column in columns if column not in plan.shown and column != plan.below]
    if missing:
        note(f"(not shown in so narrow a window: {', '.join(missing)})")


def fit(widths: Mapping[str, int], room: int, text: str | None = None, spare: Sequence[str] = ()) -> Layout:
    """Lay columns of these widths out in a window; if nothing helps, the lines are longer than the window."""
    shown = tuple(widths)
    if _width(shown, widths) <= room:
        return Layout(shown=shown)
    if text is not None and text == shown[-1]:
        left = room - _width(shown[:-1], widths) - len(_GAP)
        if left >= _FOLDED and widths[text] <= _LINES * left:
            return Layout(shown=shown, folded=left)
    shown = tuple(column for column in shown if column != text)
    for column in spare:
        if _width(shown, widths) <= room:
            break
        shown = tuple(one for one in shown if one != column)
    return Layout(shown=shown, below=text)


def fold(text: str, room: int) -> list[str]:
    """Fold a text at its words; a word that is longer than the room stays whole."""
    from rich.cells import cell_len

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and cell_len(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def paragraph(start: str, text: str) -> None:
    """Print a text after its `start`, made safe; a window gets it folded at words, further lines indented alike."""
    if not sys.stdout.isatty():
        sys.stdout.write(f"{start}{plain(text)}\n")
        return
    first, *more = fold(plain(text), shutil.get_terminal_size().columns - len(start))
    sys.stdout.write(f"{start}{first}\n")
    sys.stdout.writelines(f"{' ' * len(start)}{line}\n" for line in more)


def _styled() -> bool:
    return os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def _width(columns: Sequence[str], widths: Mapping[str, int]) -> int:
    return sum(widths[column] for column in columns) + len(_GAP) * (len(columns) - 1)


def _lines(row: Mapping[str, str], plan: Layout, widths: Mapping[str, int], right: Sequence[str]) -> list[str]:
    last = plan.shown[-1]
    first, *more = [row[last]] if plan.folded is None else fold(row[last], plan.folded)
    line = _GAP.join(
        _pad(first if column == last else row[column], widths[column], column in right) for column in plan.shown
    )
    start = " " * (_width(plan.shown[:-1], widths) + len(_GAP))
    return [line.rstrip(), *(f"{start}{part}" for part in more)]


def _pad(cell: str, width: int, figures: bool) -> str:
    from rich.cells import cell_len

    space = " " * (width - cell_len(cell))
    return f"{space}{cell}" if figures else f"{cell}{space}"
