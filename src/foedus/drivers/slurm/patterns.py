"""File name patterns of ``--output`` and ``--error``, as Slurm fills them in for a batch script."""

import re
from dataclasses import dataclass
from pathlib import Path

from foedus.core.jobs.spec import ArrayTask

DEFAULT = "slurm-%j.out"
_PART = re.compile(r"%(?:%|([0-9]*)([A-Za-z]))")
_NO_TASK = "4294967294"
_WIDEST = 10
_NUMBERS = frozenset("AajJnts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a pattern may ask for."""

    job_id: str
    job_name: str
    user: str
    node: str
    """Short host name of the job's first node; empty while it has none."""


def for_task(pattern: str, task: ArrayTask) -> str:
    """Fill in ``%A`` and ``%a`` and leave the rest to Slurm."""
    if "\\" in pattern:
        return pattern

    def fill(match: re.Match[str]) -> str:
        value = {"A": str(task.array), "a": str(task.index)}.get(match[2] or "")
        return match[0] if value is None else _padded(value, match[1])

    return _PART.sub(fill, pattern)


def asks_for_node(pattern: str) -> bool:
    """Say whether the file's name depends on where the job runs."""
    return "\\" not in pattern and any(match[2] == "N" for match in _PART.finditer(pattern))


def resolve(pattern: str, directory: Path, names: Names) -> Path | None:
    """Return the file that a pattern names; `None` while that is unknown (``%N`` before the job starts)."""
    if "\\" in pattern:  # a backslash anywhere switches patterns off, and is dropped itself
        return directory / pattern.replace("\\", "")
    values = {
        "A": names.job_id,
        "a": _NO_TASK,
        "j": names.job_id,
        "J": names.job_id,
        "n": "0",
        "t": "0",
        "s": "batch",
        "N": names.node,
        "u": names.user,
        "x": names.job_name,
    }
    unknown = False

    def fill(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[0] == "%%":
            return "%"
        value = values.get(match[2])
        if value is None:
            return match[0]
        unknown = unknown or not value
        return _padded(value, match[1]) if match[2] in _NUMBERS else value

    found = _PART.sub(fill, pattern)
    return None if unknown else directory / found


def _padded(value: str, width: str) -> str:
    return value.zfill(min(int(width), _WIDEST)) if width else value
