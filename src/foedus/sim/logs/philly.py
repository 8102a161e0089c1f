"""The CSV form of Microsoft's Philly traces: ``timestamp,duration,num_gpus,...``, times without a limit.

The limits are an assumption, since the log has none: the smallest usual one that is at least the run time times 1, 1.5,
2, 4 or 8, drawn from the job's own numbers.
"""

import csv
from datetime import UTC, datetime

import numpy as np

from foedus.sim.workload import Numbers, Raw, Reason, Remarks

_FACTORS = np.array([1, 1.5, 2, 4, 8])
_USUAL = np.array([600, 1800, *(3600 * hours for hours in (1, 2, 4, 8, 12, 24, 48, 96, 168, 336, 720, 1440))])


def is_it(first: str) -> bool:
    """Recognise it by its header."""
    return first.startswith("timestamp,duration,num_gpus")


def read(lines: list[str], remarks: Remarks) -> Raw:
    """Read the lines of a log."""
    rows: list[tuple[int, int, int, int]] = []
    bad: list[int] = []
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            submit = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            rows.append((number, int(submit.timestamp()), int(float(row["duration"])), int(row["num_gpus"])))
        except (ValueError, TypeError, OverflowError):
            bad.append(number)
    remarks.add(Reason.UNREADABLE, np.array(bad, dtype=np.int64))
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Raw(
        line=table[:, 0],
        id=table[:, 0],
        submit=table[:, 1],
        run=table[:, 2],
        width=table[:, 3],
        limit=limits(table[:, 1], table[:, 2]),
        unit="GPUs",
    )


def limits(submit: Numbers, run: Numbers) -> Numbers:
    """Assume limits in seconds."""
    wanted = run * _FACTORS[(7919 * submit + 104729 * run) % len(_FACTORS)]
    return _USUAL[np.minimum(np.searchsorted(_USUAL, wanted), len(_USUAL) - 1)].astype(np.int64)
