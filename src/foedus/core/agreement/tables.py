"""Reads TOML tables so that every fault comes out at once, each with its path.

A getter never raises: it notes what is wrong, returns a stand-in of the right type and goes on. Whoever reads with a
`Table` must look at the faults before using what was read.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar, cast

from foedus.core.base.canon import LARGEST
from foedus.core.base.errors import Fault
from foedus.core.base.ids import key_fault, name_fault
from foedus.core.base.letters import has_unseen

T = TypeVar("T")

NO_DAY = date.min
"""What `Table.day` returns after a fault."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def suggestion(word: str, known: Sequence[str]) -> str:
    """Name what was probably meant, or all that is known."""
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of: {', '.join(sorted(known))}" if known else "leave it out"


class Table:
    """One table of the document, with the list that collects the faults of all of them."""

    def __init__(self, values: Mapping[str, object], path: str, faults: list[Fault]) -> None:
        self._values = values
        self._path = path
        self._faults = faults
        self._known: list[str] = []

    def path(self, key: str) -> str:
        """Name a value from the top of the document."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Say whether the file gives this value, which is known here."""
        return self._present(key)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the file gives."""
        return tuple(self._values)

    def has_table(self, key: str) -> bool:
        """Say whether the file gives a table for this."""
        return isinstance(self._values.get(key), dict)

    def note(self, key: str, fault: str, remedy: str) -> None:
        """Note a fault of one value."""
        self._faults.append(Fault(path=self.path(key), fault=fault, remedy=remedy))

    def note_any(self, fault: Fault | None) -> None:
        """Note a fault if there is one."""
        if fault is not None:
            self._faults.append(fault)

    def text(self, key: str) -> str:
        """Take a text that must be there; ``""`` after a fault."""
        found = self._take(key, str, "a text")
        if found is None:
            return ""
        if not found.strip():
            self.note(key, "is empty", "write something here")
            return ""
        return found

    def optional_text(self, key: str) -> str | None:
        """Take a text that may be absent."""
        return (self.text(key) or None) if self._present(key) else None

    def name(self, key: str) -> str:
        """Take a name; ``""`` after a fault."""
        found = self.text(key)
        fault = name_fault(found, self.path(key)) if found else None
        self.note_any(fault)
        return "" if fault else found

    def public_key(self, key: str) -> str:
        """Take a public key; ``""`` after a fault."""
        found = self.text(key)
        fault = key_fault(found, self.path(key)) if found else None
        self.note_any(fault)
        return "" if fault else found

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Take one of the choices; the first of them after a fault."""
        found = self.text(key)
        if found and found not in choices:
            self.note(key, f"{found!r} is not one of the choices", suggestion(found, choices))
        return found if found in choices else choices[0]

    def whole(self, key: str, *, least: int, default: int | None = None) -> int:
        """Take a whole number of at least `least`; `least` after a fault."""
        if default is not None and not self._present(key):
            return default
        found = self._take(key, int, "a whole number")
        if found is None:
            return least
        if not least <= found <= LARGEST:
            self.note(key, f"{found} is out of range", f"use a whole number of at least {least} and at most 2^53 - 1")
            return least
        return found

    def number(self, key: str, *, least: float, most: float = LARGEST, default: float | None = None) -> float:
        """Take a number, with a fraction or without, from `least` to `most`; `least` after a fault."""
        if default is not None and not self._present(key):
            return default
        found = self._take(key, (int, float), "a number")
        return self._in_range(key, found, least, most)

    def numbers(self, key: str, *, least: float, most: float = LARGEST) -> tuple[float, ...]:
        """Take a list of numbers from `least` to `most`."""
        values = self._take_list(key, "a list of numbers") or []
        parts = Table({f"{key}[{place}]": value for place, value in enumerate(values)}, self._path, self._faults)
        return tuple(parts.number(part, least=least, most=most) for part in parts.keys)

    def _in_range(self, key: str, found: float | None, least: float, most: float) -> float:
        if found is None:
            return least
        if not least <= found <= most:
            bound = f"from {least:g} to {most:g}" if most < LARGEST else f"of at least {least:g}"
            self.note(key, f"{found} is out of range", f"use a number {bound}")
            return least
        return found

    def flag(self, key: str) -> bool:
        """Take true or false; false after a fault."""
        return self._take(key, bool, "true or false") or False

    def day(self, key: str) -> date:
        """Take a date without a time of day; `NO_DAY` after a fault."""
        found = self._take(key, date, "a date like 2026-01-31, without quotes")
        if isinstance(found, datetime):
            self.note(key, "has a time of day", "write the date alone, like 2026-01-31")
            return NO_DAY
        return found or NO_DAY

    def texts(self, key: str) -> Mapping[str, str]:
        """Take one sentence in several languages."""
        if not self._take_table(key):
            return {}
        found = cast("Mapping[str, object]", self._values[key])
        if "en" not in found:
            self.note(f"{key}.en", "is missing", "every text is given in English too")
        texts: dict[str, str] = {}
        for language, text in found.items():
            part = f"{key}.{language}"
            if not _LANGUAGE.fullmatch(language):
                self.note(part, f"{language!r} is not a language tag", "use a tag such as en, he, az, de or pt-BR")
            if not isinstance(text, str):
                self.note(part, f"is {_kind(text)}", "write a text in quotes")
            elif not text.strip():
                self.note(part, "is empty", "write the text, or leave the language out")
            elif has_unseen(text.replace("\n", " ")):
                self.note(part, "holds control characters", "write plain text; no tabs, no direction overrides")
            else:
                texts[language] = text
        return texts

    def names(self, key: str) -> tuple[str, ...]:
        """Take a list of names, without repeats."""
        found = self._take_list(key, "a list of names")
        names: list[str] = []
        for index, one in enumerate(found or ()):
            part = f"{key}[{index}]"
            if not isinstance(one, str):
                self.note(part, f"is {_kind(one)}", "write a name in quotes")
            elif one in names:
                self.note(part, f"{one!r} is there twice", "name each once")
            else:
                names.append(one)
        return tuple(names)

    def table(self, key: str) -> "Table":
        """Take a table that must be there; an empty one after a fault."""
        values = cast("Mapping[str, object]", self._values[key]) if self._take_table(key) else None
        faults = self._faults if values is not None else []
        return Table(values or {}, self.path(key), faults)

    def tables(self, key: str) -> tuple["Table", ...]:
        """Take a list of at least one table."""
        found = self._take_list(key, f"a list of tables, each headed [[{key}]]")
        if found is not None and not found:
            self.note(key, "is empty", f"add at least one [[{key}]]")
        tables: list[Table] = []
        for index, one in enumerate(found or ()):
            if isinstance(one, dict):
                tables.append(Table(cast("dict[str, object]", one), self.path(f"{key}[{index}]"), self._faults))
            else:
                self.note(f"{key}[{index}]", f"is {_kind(one)}", f"head each with [[{key}]]")
        return tuple(tables)

    def close(self) -> None:
        """Note every key of the file that nobody took."""
        for key in self._values:
            if key not in self._known:
                self.note(key, "is not known here", suggestion(key, self._known))

    def _present(self, key: str) -> bool:
        self._known.append(key)
        return key in self._values

    def _take(self, key: str, kind: type[T] | tuple[type[T], ...], what: str) -> T | None:
        if not self._present(key):
            self.note(key, "is missing", f"add {what}")
            return None
        found = self._values[key]
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.note(key, f"is {_kind(found)}", f"give {what}")
            return None
        return found

    def _take_list(self, key: str, what: str) -> list[object] | None:
        return cast("list[object] | None", self._take(key, list, what))

    def _take_table(self, key: str) -> bool:
        return self._take(key, dict, "a table") is not None


def _kind(found: object) -> str:
    for kind, words in _KINDS:
        if isinstance(found, kind):
            return words
    return "a date or time"


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "a text"),
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (dict, "a table"),
    (list, "a list"),
)
