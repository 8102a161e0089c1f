"""Words into options, by the rules of getopt_long: abbreviations, glued values, ``--``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from foedus.core.base.errors import Fault
from foedus.core.jobs.directives import Misspelt, Word
from foedus.core.jobs.options import BY_LETTER, BY_NAME, FOEDUS_BY_NAME, Option, Takes, long_matches

Value = TypeVar("Value")

_MOST_HINTS = 20
"""Looking for the nearest name is slow; nobody reads more hints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One option as somebody gave it."""

    option: Option
    value: str | None
    where: str
    """``line 3``, or ``command line``."""

    @property
    def name(self) -> str:
        """The name that all spellings of the option share."""
        return self.option.canonical

    @property
    def text(self) -> str:
        """The option as one element of a command line: long form, with ``=``."""
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"

    @property
    def path(self) -> str:
        """Where a fault of it lies."""
        return f"{self.where}: --{self.name}"


class Asked:
    """All that was asked for, script before command line, and the faults found while reading it."""

    def __init__(self, givens: Sequence[Given], faults: Sequence[Fault]) -> None:
        self.givens = tuple(givens)
        self.faults = list(faults)
        self._named: dict[str, list[Given]] = {}
        for given in self.givens:
            self._named.setdefault(given.name, []).append(given)

    def all(self, *names: str) -> tuple[Given, ...]:
        """Find every occurrence of these options, in order."""
        if self._named.keys().isdisjoint(names):
            return ()
        return tuple(given for given in self.givens if given.name in names)

    def last(self, *names: str) -> Given | None:
        """Find the one that counts: the last of these options."""
        if self._named.keys().isdisjoint(names):
            return None
        return next((given for given in reversed(self.givens) if given.name in names), None)

    def read(self, name: str, spelling: Callable[[str], Value]) -> Value | None:
        """Read an option's value; every occurrence must be sound, as for sbatch, and the last one counts."""
        value: Value | None = None
        for given in self._named.get(name, ()):
            try:
                value = spelling(given.value or "")
            except Misspelt as error:
                self.faults.append(error.at(given.path))
        return value

    def refuse(self, names: Sequence[str], fault: str, remedy: str) -> None:
        """Note a fault of options that do not go together."""
        last = self.last(*names)
        where = last.where if last else "script"
        self.faults.append(
            Fault(path=f"{where}: {' and '.join(f'--{name}' for name in names)}", fault=fault, remedy=remedy)
        )


@dataclass(slots=True)
class _Reader:
    """Where the reading stands."""

    words: Sequence[Word]
    foedus: bool
    givens: list[Given]
    faults: list[Fault]
    at: int = 0

    def fault(self, word: Word, fault: str, remedy: str) -> None:
        self.faults.append(Fault(path=word.where, fault=fault, remedy=remedy))

    def give(self, option: Option, value: str | None, word: Word) -> None:
        self.givens.append(Given(option=option, value=value, where=word.where))

    def next_value(self, option: Option, word: Word) -> None:
        """Take the word that follows as the value; it may stand on a later line, and look like an option."""
        if self.at >= len(self.words):
            self.fault(word, f"{word.text!r} has no value", f"write --{option.name}=VALUE")
            return
        self.give(option, self.words[self.at].text, word)
        self.at += 1


def read_words(words: Sequence[Word], *, foedus: bool) -> tuple[tuple[Given, ...], tuple[Fault, ...]]:
    """Read a command line's words; `foedus` says whether Foedus's own options may be among them."""
    reader = _Reader(words=words, foedus=foedus, givens=[], faults=[])
    while reader.at < len(words):
        word = words[reader.at]
        reader.at += 1
        if word.text == "--":
            for stray in words[reader.at :]:
                reader.fault(stray, f"{stray.text!r} follows '--', where sbatch reads no options", "remove the '--'")
            break
        if word.text.startswith("--"):
            _read_long(reader, word)
        elif word.text.startswith("-") and word.text != "-":
            _read_letters(reader, word)
        else:
            reader.fault(word, f"{word.text!r} is not an option", "begin options with a dash; quote values with spaces")
    return tuple(reader.givens), tuple(reader.faults)


def _read_long(reader: _Reader, word: Word) -> None:
    name, equals, value = word.text[2:].partition("=")
    option = _long_option(reader, word, name)
    if option is None:
        return
    if equals:
        if option.takes is Takes.NOTHING:
            reader.fault(word, f"--{option.name} has no value, but {value!r} is given", f"write --{option.name}")
            return
        reader.give(option, value, word)
    elif option.takes is Takes.VALUE:
        reader.next_value(option, word)
    else:
        reader.give(option, None, word)


def _long_option(reader: _Reader, word: Word, name: str) -> Option | None:
    if reader.foedus and name in FOEDUS_BY_NAME:
        return FOEDUS_BY_NAME[name]
    matches = long_matches(name)
    if len(matches) == 1:
        return matches[0]
    if matches and name:
        names = ", ".join(f"--{option.name}" for option in matches)
        reader.fault(word, f"--{name[:64]} is short for several options", f"write one of {names} in full")
        return None
    names = [*BY_NAME, *FOEDUS_BY_NAME] if reader.foedus else list(BY_NAME)
    near = get_close_matches(name[:64], names, n=1, cutoff=0.5) if len(reader.faults) < _MOST_HINTS else []
    remedy = f"did you mean --{near[0]}?" if near else "see `man sbatch` of Slurm 22.05, the oldest that sites run"
    if name in FOEDUS_BY_NAME:
        remedy = f"write it in a line of its own: #FOEDUS {name}=VALUE"
    reader.fault(word, f"--{name[:64]} is not an option of sbatch", remedy)
    return None


def _read_letters(reader: _Reader, word: Word) -> None:
    for at, letter in enumerate(word.text[1:], start=2):
        option = BY_LETTER.get(letter)
        if option is None:
            reader.fault(word, f"-{letter} is not an option of sbatch", "use the long form of the option that you mean")
            return
        glued = word.text[at:] if option.takes is not Takes.NOTHING else ""
        if glued:
            reader.give(option, glued, word)
            return
        if option.takes is Takes.VALUE:
            reader.next_value(option, word)
            return
        reader.give(option, None, word)
