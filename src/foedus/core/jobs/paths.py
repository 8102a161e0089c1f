"""Which names of files may travel with a job, and which patterns pick them: one set of rules for both ends.

A path is relative, its parts are joined by ``/``, and no part can lead anywhere else: no empty part, no ``.`` or
``..``, no control character, no part that a file system could not hold. A pattern obeys the same rules and may use
``*`` and ``?`` (never across ``/``), ``[...]``, and ``**`` for any number of folders. A pattern that names a folder
picks all that is in it.
"""

import re
from collections.abc import Iterable, Sequence

from foedus.core.base.errors import Fault
from foedus.core.base.letters import has_control

LONGEST_PATH = 4096
"""Bytes of UTF-8."""
LONGEST_PART = 255
"""Bytes of UTF-8: what Linux file systems hold."""
MOST_PARTS = 128

_REMEDY = "name it relative to the job's folder, like results/model.bin"


def path_fault(path: str, where: str) -> Fault | None:
    """Tell what is wrong with a relative path, or `None`."""
    problem = _problem(path)
    return None if problem is None else Fault(path=where, fault=f"{path!r} {problem}", remedy=_REMEDY)


def pattern_fault(pattern: str, where: str) -> Fault | None:
    """Tell what is wrong with a pattern of paths, or `None`. A folder may be written with a ``/`` at its end."""
    stripped = pattern.removesuffix("/")
    if stripped == ".":
        return None
    return path_fault(stripped, where)


def tree_faults(paths: Sequence[str], where: str) -> tuple[Fault, ...]:
    """Tell what is wrong with a list of files as a whole: each path, their order, and files that are also folders."""
    faults = [fault for path in paths if (fault := path_fault(path, where)) is not None]
    if list(paths) != sorted(set(paths)):
        faults.append(
            Fault(path=where, fault="the files are not sorted by path, or one is listed twice", remedy="sort them")
        )
    files = set(paths)
    faults += [
        Fault(path=where, fault=f"{parent!r} is both a file and the folder of {path!r}", remedy="rename one of them")
        for path in paths
        for parent in parents(path)
        if parent in files
    ]
    return tuple(faults)


def parents(path: str) -> tuple[str, ...]:
    """Return the folders that a path goes through, outermost first.

    >>> parents("a/b/c.txt")
    ('a', 'a/b')
    """
    parts = path.split("/")
    return tuple("/".join(parts[:length]) for length in range(1, len(parts)))


def picked(path: str, patterns: Iterable[str]) -> bool:
    """Say whether one of the patterns picks the file, by its own name or by that of a folder that it is in.

    >>> [picked("out/a/b.txt", (p,)) for p in ("out", "out/*.txt", "out/**/*.txt", "**/b.*", "other")]
    [True, False, True, True, False]
    """
    names = (*parents(path), path)
    return any(
        pattern.removesuffix("/") in {"", "."} or any(_compile(pattern).fullmatch(name) for name in names)
        for pattern in patterns
    )


def may_hold(folder: str, patterns: Iterable[str]) -> bool:
    """Say whether a folder is worth walking into: some pattern could pick something below it."""
    return any(_may_hold(folder, pattern.removesuffix("/")) for pattern in patterns)


def _may_hold(folder: str, pattern: str) -> bool:
    if pattern in {"", "."}:
        return True
    for name, part in zip(folder.split("/"), pattern.split("/"), strict=False):
        if part == "**":
            return True
        if not re.fullmatch(_part(part), name):
            return False
    return True


def _problem(path: str) -> str | None:
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    parts = path.split("/")
    checks = (
        (path == "", "is empty"),
        (path.startswith("/"), "is absolute"),
        (size > LONGEST_PATH, f"is longer than {LONGEST_PATH} bytes"),
        (len(parts) > MOST_PARTS, f"is deeper than {MOST_PARTS} folders"),
        (has_control(path), "holds a control character"),
        (".." in parts, "leads out of the folder"),
        ("" in parts or "." in parts, "has an empty part or a '.'"),
        (any(len(part.encode("utf-8")) > LONGEST_PART for part in parts), f"has a part over {LONGEST_PART} bytes"),
    )
    return next((problem for wrong, problem in checks if wrong), None)


def _compile(pattern: str) -> re.Pattern[str]:
    parts = pattern.removesuffix("/").split("/")
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".+" if last else "(?:[^/]+/)*"
        else:
            text += _part(part) + ("" if last else "/")
    return re.compile(text, re.DOTALL)


def _part(part: str) -> str:
    """Translate one part of a pattern; a ``[`` that nothing closes stands for itself, as in a shell."""
    text, at = "", 0
    while at < len(part):
        letter = part[at]
        at += 1
        if letter == "*":
            text += "[^/]*"
        elif letter == "?":
            text += "[^/]"
        elif letter == "[" and (end := part.find("]", at + 1 + part.startswith("!", at))) > 0:
            inner = part[at:end]
            at = end + 1
            text += _letters(inner)
        else:
            text += re.escape(letter)
    return text


def _letters(inner: str) -> str:
    negated = inner.startswith("!")
    body = inner[1:] if negated else inner
    spans: list[str] = []
    at = 0
    while at < len(body):
        if at + 2 < len(body) and body[at + 1] == "-":
            low, high = body[at], body[at + 2]
            if low <= high:
                spans.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
        else:
            spans.append(re.escape(body[at]))
            at += 1
    if not spans:
        return "[^/]" if negated else r"(?!)"
    joined = "".join(spans)
    return f"[^/{joined}]" if negated else f"(?!/)[{joined}]"
