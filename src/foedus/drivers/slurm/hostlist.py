"""Slurm's lists of nodes: ``gpu[1-3,08],login1``."""

import re
from collections.abc import Iterator
from itertools import islice, product

_PART = re.compile(r"(?:[^,\[\]]|\[[^\]]*\])+")
_BRACKET = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_MOST = 100_000
_MOST_BRACKETS = 5
"""Of one name; Slurm takes no more."""


def expand(text: str) -> list[str]:
    """Return every node's name, in order; what is no list stands for itself."""
    return list(islice((name for part in _PART.findall(text) for name in _names(part)), _MOST))


def first(text: str) -> str:
    """Return the first node's name, or ``""`` for an empty list."""
    match = _PART.match(text)
    return next(_names(match[0]), "") if match else ""


def _names(part: str) -> Iterator[str]:
    pieces = _BRACKET.split(part)  # by turns: what stands outside of brackets, and what in them
    if len(pieces) > 2 * _MOST_BRACKETS + 1:
        return iter((part,))
    choices = [[piece] if place % 2 == 0 else list(_spans(piece)) for place, piece in enumerate(pieces)]
    return ("".join(name) for name in product(*choices))


def _spans(inside: str) -> Iterator[str]:
    return islice((number for span in inside.split(",") for number in _numbers(span)), _MOST)


def _numbers(span: str) -> Iterator[str]:
    match = _RANGE.fullmatch(span)
    if match is None:
        yield span
        return
    low, high = match[1], match[2] or match[1]
    for number in range(int(low), min(int(high), int(low) + _MOST) + 1):
        yield str(number).zfill(len(low))
