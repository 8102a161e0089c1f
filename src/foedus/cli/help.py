"""Help pages as other command lines write them: ``foedus wait [OPTIONS] JOB...``, ``--limit N``, examples at the end.

typer makes the parameters of a command itself, from the signature of its function, so their looks are changed here
after they are made.
"""

import inspect
from typing import Any, cast

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from foedus.cli.examples import EXAMPLES

_NUMBERS = {"int", "float", "int range", "float range"}
_PATHS = {"path", "file", "directory", "filepath"}


class _Argument(TyperArgument):
    def get_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer keeps the context's type private
        del ctx
        shown = self._shown()
        return [shown if self.required or not shown[0].isalpha() else f"[{shown}]"]

    def get_help_record(self, ctx: Any) -> tuple[str, str] | None:  # noqa: ANN401 - see above
        found = super().get_help_record(ctx)
        return None if found is None or not self.help else (self._shown(), found[1].removesuffix("  [required]"))

    def _shown(self) -> str:
        return self.metavar or str(self.name).upper()


class _Option(TyperOption):
    def display_type_rich(self, ctx: Any) -> str | None:  # noqa: ANN401 - see above
        if self.metavar is not None or self.is_flag:
            return super().display_type_rich(ctx)
        kind = str(self.display_type(ctx)).strip("<>")
        if "|" in kind:
            return kind
        if kind in _NUMBERS:
            return "N"
        return "PATH" if kind in _PATHS else max(self.opts, key=len).lstrip("-").replace("-", "_").upper()

    def _get_number_range_help_str(self) -> str | None:
        return None


def dress(command: TyperCommand | TyperGroup, words: str = "") -> None:
    """Give a command, and those below it, their help pages; `words` are the names that lead to it."""
    command.rich_markup_mode = None
    for param in cast("list[object]", command.params):
        if type(param) is TyperArgument:
            param.__class__ = _Argument
        elif type(param) is TyperOption:
            param.__class__ = _Option
    command.short_help = command.short_help or _first_sentence(command.help or "")
    examples = EXAMPLES.get(words, ())
    if examples:
        command.epilog = "\n".join(("\b", "Examples:", *(f"  {line}" for line in examples)))
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            dress(cast("TyperCommand | TyperGroup", below), f"{words} {name}".strip())


def _first_sentence(text: str) -> str:
    paragraph = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    head, stop, _ = paragraph.partition(". ")
    return f"{head}." if stop else head
