"""A command line as sbatch reads it: options up to the script's name, everything after it for the script.

sbatch's words are only told apart here; `foedus.core.jobs.sbatch` reads them. Options of the command itself are taken
out: they are written in full, and stand before the script's name like the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from typer.core import TyperCommand

from foedus.core.base.errors import BadInput, Fault
from foedus.core.jobs.directives import Word
from foedus.core.jobs.given import read_words
from foedus.core.jobs.options import BY_LETTER, FOEDUS_BY_NAME, Option, Takes, long_matches


class RawCommand(TyperCommand):
    """A command that gets its words untouched, ``--`` and ``--help`` among them, in its one argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps the context's type private
        """Hand all words on."""
        return super().parse_args(ctx, ["--", *args])


@dataclass(slots=True, kw_only=True)
class Line:
    """What the words are."""

    own: dict[str, str] = field(default_factory=dict[str, str])
    """Options of the command itself; those without a value have an empty one."""
    overrides: list[str] = field(default_factory=list[str])
    """sbatch's and Foedus's options, word by word."""
    rest: list[str] = field(default_factory=list[str])
    """The script's name and its arguments, or a command; empty if none was given."""

    def has(self, name: str) -> bool:
        """Say whether an option of the command itself was given."""
        return name in self.own


def split(words: Sequence[str], own: Mapping[str, bool]) -> Line:
    """Tell the words apart; `own` says of each option of the command itself (``--wait``) whether it has a value.

    Raises `BadInput` for options that neither the command nor sbatch knows.
    """
    line = Line()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        name, equals, value = word.partition("=")
        if word == "--":
            line.rest = list(words[at:])
            break
        if name in own and (own[name] or not equals):
            if own[name] and not equals:
                value, at = _next(words, at, word), at + 1
            line.own[name] = value
        elif word.startswith("-") and word != "-":
            line.overrides.append(word)
            if _wants_next(word):
                line.overrides.append(_next(words, at, word))
                at += 1
        else:
            line.rest = list(words[at - 1 :])
            break
    return line


def _next(words: Sequence[str], at: int, word: str) -> str:
    if at >= len(words):
        raise BadInput(Fault(path="command line", fault=f"{word!r} has no value", remedy="give one"))
    return words[at]


def _wants_next(word: str) -> bool:
    """Say whether the word after this one is its value."""
    if word.startswith("--"):
        name, equals, _ = word[2:].partition("=")
        return not equals and _known(word, lambda: _long(name)).takes is Takes.VALUE
    for place, letter in enumerate(word[1:], start=1):
        option = _known(word, lambda letter=letter: BY_LETTER.get(letter))
        if option.takes is not Takes.NOTHING:
            return option.takes is Takes.VALUE and place == len(word) - 1
    return False


def _long(name: str) -> Option | None:
    matches = long_matches(name) if name not in FOEDUS_BY_NAME else (FOEDUS_BY_NAME[name],)
    return matches[0] if len(matches) == 1 else None


def _known(word: str, look: Callable[[], Option | None]) -> Option:
    option = look()
    if option is None:
        _, faults = read_words((Word(text=word, where="command line"),), foedus=True)
        raise BadInput(*faults)
    return option
