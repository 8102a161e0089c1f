"""A command group that knows its commands by name and one line each, and imports one only when it is called.

So ``foedus --help`` costs no more than typer itself, however much the commands need.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeAlias, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as command_of

from foedus.cli.help import dress

Command: TypeAlias = TyperCommand | TyperGroup

_COMPLETION = frozenset({"install_completion", "show_completion"})
"""Parameters that typer gives each application; here the top one alone has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command: where it is, and what it does in one line."""

    source: str
    """``module:name`` of a `typer.Typer` or of a function."""
    help: str
    group: str
    """Heading of the help page that it stands under; empty for a name that the page leaves out."""


class _Formatter(Protocol):
    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


def load(name: str, entry: Entry) -> Command:
    """Import a command."""
    module, _, attribute = entry.source.partition(":")
    found = cast("object", getattr(import_module(module), attribute))
    if not isinstance(found, typer.Typer):
        application = typer.Typer(add_completion=False)
        application.command(name)(cast("Callable[..., object]", found))
        found = application
    command = cast("Command", command_of(found))
    command.name = name
    command.params = [param for param in command.params if param.name not in _COMPLETION]
    dress(command, name)
    return command


class LazyGroup(TyperGroup):
    """The group; a subclass sets the table."""

    table: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - typer's own arguments, passed on
        super().__init__(**settings)
        # the names are what typer looks through for "did you mean"
        self.commands = cast("Any", dict.fromkeys(self.table))

    def list_commands(self, ctx: object) -> list[str]:
        """Name the commands that the help page and completion show."""
        del ctx
        return [name for name, entry in self.table.items() if entry.group]

    def get_command(self, ctx: object, cmd_name: str) -> Command | None:
        """Import a command, or say that there is none of that name."""
        del ctx
        entry = self.table.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:
        """Write the commands under their headings."""
        del ctx
        width = max(len(name) for name in self.table)
        for heading, names in _by_group(self.table.items()).items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.table[name].help) for name in names])


def _by_group(entries: Iterable[tuple[str, Entry]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, entry in entries:
        if entry.group:
            groups.setdefault(entry.group, []).append(name)
    return groups
