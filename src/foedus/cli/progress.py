"""Progress of long work, on standard error, where a person watches."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foedus.cli.session import Session

if TYPE_CHECKING:
    from foedus.client import Moved


def _hidden(_: "Moved") -> None:
    pass


def _uncounted(_done: int, _total: int) -> None:
    pass


@contextmanager
def bar(session: Session, label: str) -> Generator[Callable[["Moved"], None]]:
    """Show how many bytes have travelled; nothing is shown with ``--json``, or where nobody watches."""
    if session.json or not sys.stderr.isatty():
        yield _hidden
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from foedus.cli.show import console

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)

        def show(moved: "Moved") -> None:
            progress.update(task, completed=moved.done, total=moved.total)

        yield show


@contextmanager
def counter(label: str, total: int, *, json: bool) -> Generator[Callable[[int, int], None]]:
    """Show how many of how many are done; nothing is shown with ``--json``, or where nobody watches."""
    if json or not sys.stderr.isatty():
        yield _uncounted
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from foedus.cli.show import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show
