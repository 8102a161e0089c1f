"""What ``sacct --parsable2`` prints: fields between bars, named by a header, or in the order of Open XDMoD.

Needed are JobIDRaw or JobID, Submit, Start and End or Elapsed, NCPUS or AllocCPUS or AllocTRES, and Timelimit. A site
is measured in GPUs where most jobs of the log had some, else in processors. Local times are taken as they are.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from foedus.core.base.errors import BadInput, Fault
from foedus.drivers.slurm import tres
from foedus.sim.workload import Raw, Reason, Remarks

_XDMOD: list[str] = [
    "jobid",
    "jobidraw",
    "cluster",
    "partition",
    "qos",
    "account",
    "group",
    "gid",
    "user",
    "uid",
    "submit",
    "eligible",
    "start",
    "end",
    "elapsed",
    "exitcode",
    "state",
    "nnodes",
    "ncpus",
    "reqcpus",
    "reqmem",
    "reqtres",
    "alloctres",
    "timelimit",
    "nodelist",
    "jobname",
]
_BARS = 8
_SPAN = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?$")


def is_it(first: str) -> bool:
    """Recognise it by its first line."""
    return first.count("|") >= _BARS or first.lower().startswith("jobid|")


def read(lines: list[str], remarks: Remarks) -> Raw:
    """Read the lines of a log; steps are passed over."""
    names, begin = _names(lines)
    rows: list[tuple[int, int, int, int, int, int]] = []
    gpus: list[int] = []
    bad: dict[Reason, list[int]] = {Reason.UNREADABLE: [], Reason.STEP: []}
    for number, line in enumerate(lines[begin:], start=begin + 1):
        if not line.strip():
            continue
        words = line.split("|", len(names) - 1)
        job = dict(zip(names, words, strict=False))
        if len(words) != len(names) or not job[_id(names)][:1].isdigit():
            bad[Reason.UNREADABLE].append(number)
        elif "." in job[_id(names)]:
            bad[Reason.STEP].append(number)
        else:
            gpus.append(sum(tres.gpus(tres.parse(job.get("alloctres", ""))).values()))
            rows.append((number, len(rows), _instant(job["submit"]), _run(job), _cpus(job), seconds(job["timelimit"])))
    for reason, numbers in bad.items():
        remarks.add(reason, np.array(numbers, dtype=np.int64))
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    with_gpus = 2 * sum(count > 0 for count in gpus) > len(gpus)
    width = np.array(gpus, dtype=np.int64) if with_gpus else table[:, 4]
    return Raw(
        line=table[:, 0],
        id=table[:, 1],
        submit=table[:, 2],
        run=table[:, 3],
        width=width,
        limit=table[:, 5],
        unit="GPUs" if with_gpus else "processors",
    )


def _names(lines: list[str]) -> tuple[list[str], int]:
    begin = next(place for place, line in enumerate(lines) if line.strip())
    words = lines[begin].lower().split("|")
    if words[0] not in {"jobid", "jobidraw"}:
        return _XDMOD, begin
    missing = [
        " or ".join(some)
        for some in (("submit",), ("elapsed", "elapsedraw", "end"), ("ncpus", "alloccpus", "alloctres"), ("timelimit",))
        if not set(some) & set(words)
    ]
    if missing:
        raise BadInput(
            Fault(
                path=f"line {begin + 1}",
                fault=f"no field {'; no field '.join(missing)}",
                remedy="ask sacct for --parsable2 --format=JobID,Submit,Start,End,NCPUS,AllocTRES,Timelimit",
            )
        )
    return words, begin + 1


def _id(names: list[str]) -> str:
    return "jobid" if "jobid" in names else "jobidraw"


def _run(job: Mapping[str, str]) -> int:
    """Return the seconds a job ran; -1 if it did not, or has not ended."""
    start, end = _instant(job.get("start", "")), _instant(job.get("end", ""))
    if start >= 0 and end >= 0:
        return end - start
    return seconds(job.get("elapsed", "")) if "start" not in job else -1


def _cpus(job: Mapping[str, str]) -> int:
    for name in ("ncpus", "alloccpus"):
        if job.get(name, "").isdigit():
            return int(job[name])
    return tres.count(tres.parse(job.get("alloctres", "")).get("cpu", "0"))


def _instant(text: str) -> int:
    """Read ``2016-12-22T07:15:12`` or seconds since 1970; -1 for ``Unknown`` and ``None``."""
    if text.isdigit():
        return int(text)
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return -1


def seconds(text: str) -> int:
    """Read Slurm's ``DD-HH:MM:SS``, ``HH:MM:SS`` or ``MM:SS``; -1 for ``UNLIMITED`` and the like.

    >>> seconds("1-06:00:00")
    108000
    """
    found = _SPAN.match(text)
    if not found:
        return -1
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
