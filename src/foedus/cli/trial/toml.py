"""Writes the settings files of a trial as TOML, which the standard library only reads."""

import json
from collections.abc import Mapping, Sequence
from typing import cast


def write_toml(table: Mapping[str, object]) -> str:
    """Write a table of texts, numbers, booleans, lists and tables: plain values first, as TOML wants it."""
    return "".join(_lines(table, ()))


def _lines(table: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping) and not _tables(value)}
    lines = [f"{key} = {_value(value)}\n" for key, value in plain.items()]
    for key, value in table.items():
        name = ".".join((*path, key))
        if isinstance(value, Mapping):
            lines += [f"\n[{name}]\n", *_lines(cast("Mapping[str, object]", value), (*path, key))]
        elif _tables(value):
            for one in cast("Sequence[Mapping[str, object]]", value):
                lines += [f"\n[[{name}]]\n", *_lines(one, (*path, key))]
    return lines


def _tables(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    return all(isinstance(one, Mapping) for one in cast("Sequence[object]", value))


def _value(value: object) -> str:
    # JSON's texts, numbers, booleans and lists of these are spelled the same in TOML.
    return json.dumps(value, ensure_ascii=False)
