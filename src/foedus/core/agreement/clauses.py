"""What can be told of a Cedar policy from its text alone: the id that it declares, and where policies begin.

Whether a policy is sound is for Cedar to say (`foedus.policy`).
"""

import re
from dataclasses import dataclass

_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*')
_HEAD = re.compile(r'\s*((?:@\w+\s*(?:\(\s*"(?:[^"\\]|\\.)*"\s*\)\s*)?)*)(?:permit|forbid)\b')
_ID = re.compile(r'@id\s*\(\s*"((?:[^"\\]|\\.)*)"\s*\)')
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;')


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One policy in a text of several; ``line`` counts from 1."""

    line: int
    text: str


def declared_id(policy: str) -> str | None:
    """Return the ``@id`` that heads a policy, or `None` if it has none."""
    head = _HEAD.match(_without_comments(policy))
    found = _ID.search(head[1]) if head else None
    return found[1] if found else None


def statements(source: str) -> tuple[Statement, ...]:
    """Split a text into its policies, each up to and with its semicolon; comments between them are left out.

    What follows the last semicolon is a statement too if it is more than white space and comments: Cedar then says
    what it lacks.
    """
    found: list[Statement] = []
    begin = 0
    for part in _PART.finditer(source):
        if part[0] == ";":
            found.append(_statement(source, begin, part.end()))
            begin = part.end()
    if _without_comments(source[begin:]).strip():
        found.append(_statement(source, begin, len(source)))
    return tuple(found)


def _statement(source: str, begin: int, end: int) -> Statement:
    text = source[begin:end]
    blank = _COMMENT.sub(lambda part: part[1] or " " * len(part[0]), text)
    first = begin + len(blank) - len(blank.lstrip())
    return Statement(line=source.count("\n", 0, first) + 1, text=source[first:end])


def _without_comments(source: str) -> str:
    return _COMMENT.sub(lambda part: part[1] or "", source)
