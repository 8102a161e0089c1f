"""The steps of a long command as a person watches them: what goes on, for how long, and what is done."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foedus.cli.show import console, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Steps:
    """Steps, one after the other. A window shows them alive; a pipe or file gets a line when one begins."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._task: TaskID | None = None

    def begin(self, text: str) -> None:
        """End the step before, and begin one."""
        self.end()
        if self._progress is None:
            say(f"{time.monotonic() - self._began:5.1f} s  {text}")
            sys.stdout.flush()
        else:
            self._task = self._progress.add_task(text, total=1, count="")

    def count(self, done: int, total: int) -> None:
        """Say how far the step is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, count=f"{done} of {total}")

    def end(self) -> None:
        """End the step."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=1)
            self._progress.stop_task(self._task)
            self._task = None


@contextmanager
def steps() -> Generator[Steps]:
    """Show steps while the block runs."""
    if not sys.stdout.isatty():
        yield Steps(None)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    columns = (
        SpinnerColumn(finished_text="[green]\N{CHECK MARK}"),
        TextColumn("{task.elapsed:5.1f} s", table_column=Column(no_wrap=True)),
        TextColumn("{task.description} {task.fields[count]}", markup=False),
    )
    with Progress(*columns, console=console()) as progress:
        shown = Steps(progress)
        yield shown
        shown.end()
