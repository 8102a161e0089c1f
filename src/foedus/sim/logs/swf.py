"""The Standard Workload Format of the Parallel Workloads Archive: 18 numbers a line, ``;`` before the header.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
"""

import re
from collections.abc import Sequence

import numpy as np

from foedus.sim.workload import Numbers, Raw, Reason, Remarks

FIELDS = 18
_ID, _SUBMIT, _RUN, _USED, _WANTED, _LIMIT = 0, 1, 3, 4, 7, 8
_SIZE = re.compile(r";\s*Max(Procs|Nodes):\s*(\d+)")


def is_it(first: str) -> bool:
    """Recognise it by the first line that is not of the header."""
    return _numbers(first) is not None


def read(lines: list[str], remarks: Remarks) -> Raw:
    """Read the lines of a log; what is not 18 numbers is noted. Some logs have further fields, which are left."""
    places = [place for place, line in enumerate(lines) if line.strip() and not line.startswith(";")]
    at, table = _table(lines, places, remarks)
    wanted = table[:, _WANTED]
    return Raw(
        line=at + 1,
        id=table[:, _ID],
        submit=table[:, _SUBMIT],
        run=table[:, _RUN],
        width=np.where(wanted > 0, wanted, table[:, _USED]),
        limit=table[:, _LIMIT],
        units=_size(lines),
    )


def _table(lines: list[str], places: list[int], remarks: Remarks) -> tuple[Numbers, Numbers]:
    """Read all at once where all are sound, one by one where not; return where the sound ones are, and their fields."""
    at = np.array(places, dtype=np.int64)
    try:
        found = np.loadtxt([lines[place] for place in places], usecols=range(FIELDS), comments=None, ndmin=2)
        if np.isfinite(found).all():
            return at, found.astype(np.int64)
    except ValueError:
        pass
    rows = [_numbers(lines[place]) for place in places]
    good = np.array([row is not None for row in rows], dtype=np.bool_)
    remarks.add(Reason.UNREADABLE, at[~good] + 1)
    return at[good], np.array([row for row in rows if row is not None], dtype=np.int64).reshape(-1, FIELDS)


def _numbers(line: str) -> Sequence[int] | None:
    words = line.split()
    if len(words) < FIELDS:
        return None
    try:
        return [int(float(word)) for word in words[:FIELDS]]
    except (ValueError, OverflowError):
        return None


def _size(lines: list[str]) -> int | None:
    """Return the processors, or else nodes, that the header names."""
    found: dict[str, int] = {}
    for line in lines:
        if line.strip() and not line.startswith(";"):
            break
        match = _SIZE.match(line)
        if match:
            found[match[1]] = int(match[2])
    return found.get("Procs") or found.get("Nodes")
