"""Where sbatch looks for options in a script, and how it splits a line into words.

It follows ``_opt_batch_script``, ``get_argument`` and ``xlate_batch_script`` of Slurm 22.05.8, oddities included:

- a directive begins its line; lines with other comments and blank lines are passed over; the first other line ends the
  search;
- both kinds of quote group characters, a backslash keeps the next one (not a space outside quotes: that ends the
  word), an unquoted ``#`` begins a comment;
- an empty word (``""``) ends the line, silently.
"""

import re
from dataclasses import dataclass

from foedus.core.base.errors import Fault

SPACES = " \t\n\v\f\r"
"""What C calls white space."""

_PLAIN = re.compile(rf"[^{SPACES}\"'\\#]+(?=[{SPACES}]|\Z)")
"""A word without quotes, backslashes and comments: nearly all are."""
_SBATCH_WORDS = ("#SBATCH", "#SLURM")
_FOEDUS_WORD = "#FOEDUS"
_OTHER_SCHEDULERS = ("#BSUB", "#PBS")
_HET = ("hetjob", "packjob")
_MOST_COMMAND_LINES = 100
"""sbatch gives up its search for ``#PBS`` and ``#BSUB`` after so many lines that are no comment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word of a directive, or of a command line."""

    text: str
    where: str
    """``line 3``, or ``command line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What a script says to sbatch and to Foedus, as words in order; sbatch joins all its lines into one command."""

    sbatch: tuple[Word, ...]
    foedus: tuple[Word, ...]
    faults: tuple[Fault, ...]


class Misspelt(Exception):
    """What sbatch would not take; whoever catches it adds where it stands."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.remedy = remedy

    def at(self, path: str) -> Fault:
        """Return it as a fault of what stands there."""
        return Fault(path=path, fault=self.fault, remedy=self.remedy)


def scan(script: str) -> Directives:
    """Collect the words of all directives. Lines count from 1."""
    sbatch: list[Word] = []
    foedus: list[Word] = []
    faults: list[Fault] = []
    for number, line in enumerate(script.split("\n"), start=1):
        magic = next((word for word in _SBATCH_WORDS if line.startswith(word)), None)
        words = sbatch
        if magic is None and line.startswith(_FOEDUS_WORD) and line[len(_FOEDUS_WORD) :][:1] in ("", *SPACES):
            magic, words = _FOEDUS_WORD, foedus
        if magic is None:
            begins = line.lstrip(SPACES)
            if begins and not begins.startswith("#"):
                break
            continue
        where = f"line {number}"
        try:
            words.extend(Word(text=text, where=where) for text in _split(line[len(magic) :]))
        except Misspelt as error:
            faults.append(error.at(where))
    return Directives(sbatch=tuple(sbatch), foedus=tuple(foedus), faults=tuple(faults))


def other_schedulers(script: str) -> tuple[Word, ...]:
    """Find the first ``#BSUB`` and the first ``#PBS`` line that sbatch would translate, anywhere in the script."""
    found: dict[str, Word] = {}
    commands = 0
    for number, line in enumerate(script.split("\n"), start=1):
        magic = next((word for word in _OTHER_SCHEDULERS if line.startswith(word)), None)
        if magic is not None:
            found.setdefault(magic, Word(text=magic, where=f"line {number}"))
        elif not line.startswith("#"):
            commands += 1
            if commands > _MOST_COMMAND_LINES:
                break
    return tuple(found.values())


def _split(rest: str) -> list[str]:
    words: list[str] = []
    at = 0
    while True:
        while at < len(rest) and rest[at] in SPACES:
            at += 1
        _check_start(rest, at)
        word, at = _word(rest, at)
        if not word:
            return words
        words.append(word)


def _check_start(rest: str, at: int) -> None:
    for separator in _HET:
        end = at + len(separator)
        if rest[at:end].lower() == separator and rest[end : end + 1] in ("", *SPACES):
            raise Misspelt(
                f"{separator!r} begins another component of a heterogeneous job, which Foedus does not run",
                "submit the components as jobs of their own, with --dependency between them",
            )
    if rest[at : at + 1] == ":":
        raise Misspelt("':' stands where an option should", "remove it; Foedus runs no heterogeneous jobs")


def _word(rest: str, at: int) -> tuple[str, int]:
    """Read one word from `at`; returns it with the place after it."""
    plain = _PLAIN.match(rest, at)
    if plain is not None:
        return plain[0], plain.end()
    kept: list[str] = []
    quote = ""
    escaped = False
    while at < len(rest) and (quote or rest[at] not in SPACES):
        char = rest[at]
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            at += 1
            continue
        elif quote:
            if char == quote:
                quote = ""
                at += 1
                continue
        elif char in "\"'":
            quote = char
            at += 1
            continue
        elif char == "#":
            break
        kept.append(char)
        at += 1
    if quote:
        raise Misspelt(f"a quotation mark {quote} is not closed", "close it on the same line")
    return "".join(kept), at
