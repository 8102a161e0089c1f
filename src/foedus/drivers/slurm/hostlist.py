"""Slurm's lists of nodes: ``gpu[1-3,08],login1``."""

import re
from collections.abc import Iterator

_PART = re.compile(r"(?:[^,\[\]]|\[[^\]]*\])+")
_BRACKET = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_MOST = 100_000


def expand(text: str) -> list[str]:
    """Return every node's name, in order; what is no list stands for itself."""
    return [name for part in _PART.findall(text) for name in _names(part)][:_MOST]


def first(text: str) -> str:
    """Return the first node's name, or ``""`` for an empty list."""
    match = _PART.match(text)
    return next(_names(match[0]), "") if match else ""


def _names(part: str) -> Iterator[str]:
    match = _BRACKET.search(part)
    if match is None:
        yield part
        return
    for span in match[1].split(","):
        for number in _numbers(span):
            yield from _names(part[: match.start()] + number + part[match.end() :])


def _numbers(span: str) -> Iterator[str]:
    match = _RANGE.fullmatch(span)
    if match is None:
        yield span
        return
    low, high = match[1], match[2] or match[1]
    for number in range(int(low), min(int(high), int(low) + _MOST) + 1):
        yield str(number).zfill(len(low))
