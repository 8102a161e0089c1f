"""Canonical bytes: JSON as RFC 8785 (JCS) writes it, for the values that Foedus signs and chains.

Accepted are objects with ASCII keys, arrays, strings without lone surrogates, booleans, null and integers of at
most 53 bits. Fractions are refused: every figure in the books is a whole number. On this subset the bytes equal
those of any RFC 8785 implementation.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from foedus.core.base.ids import Digest

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]

LARGEST = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Json) -> bytes:
    """Return the one byte string that stands for `value`.

    Raises `ValueError` naming the path of the first part that has no canonical form.
    """
    _check(value, "$")
    return written(value)


def written(value: Json) -> bytes:
    """Return the canonical bytes of a value that is known to have a canonical form; `canonical` makes sure first."""
    return _ENCODER.encode(value).encode("utf-8")


def sha256(data: bytes) -> Digest:
    """Return the lower-case hexadecimal SHA-256 of `data`."""
    return Digest(hashlib.sha256(data).hexdigest())


def _check(value: object, path: str) -> None:
    if isinstance(value, str):
        if not value.isascii():
            _check_text(value, path)
    elif isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            raise ValueError(f"{path}: {value} does not fit in 53 bits")
    elif isinstance(value, Mapping):
        _check_members(cast("Mapping[object, object]", value), path)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(cast("Sequence[object]", value)):
            _check(part, f"{path}[{index}]")
    elif value is not None:
        raise ValueError(f"{path}: {type(value).__name__} has no canonical form")


def _check_members(value: Mapping[object, object], path: str) -> None:
    for key, part in value.items():
        if not isinstance(key, str) or not key.isascii():
            raise ValueError(f"{path}: key {key!r} is not ASCII text")
        _check(part, f"{path}.{key}")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: text holds a lone surrogate at {error.start}") from error
