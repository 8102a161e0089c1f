"""How Slurm 22.05 spells times, sizes, counts, GPUs, arrays and dependencies.

Each function reads one value and raises `Misspelt` for what Slurm would not take.
"""

import re
from dataclasses import dataclass

from foedus.core.base.ids import JOB_ID, JobId
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.directives import SPACES, Misspelt
from foedus.core.jobs.spec import ArraySpec, Condition, Dependencies, Dependency

LARGEST = 2**31 - 1
"""Slurm keeps counts in 32 bits with a sign."""
MOST_TASKS = 100_000
"""Most tasks of one array."""
HIGHEST_INDEX = 4_000_000
"""Slurm's own end of array indices (``MaxArraySize`` is at most 4,000,001)."""

_NUMBER = re.compile(r"[ \t\n\v\f\r]*\+?([0-9]+)")
_DAYS = re.compile(r"([0-9]+)-(?:([0-9]+)(?::([0-9]+)(?::([0-9]+))?)?)?")
_CLOCK = re.compile(r"([0-9]+)(?::([0-9]+)(?::([0-9]+))?)?")
_MEMORY = re.compile(r"[ \t\n\v\f\r]*\+?([0-9]+)(?:([kmgt])b?)?", re.IGNORECASE)
_NODES = re.compile(r"[ \t\n\v\f\r]*\+?([0-9]+)([k]?)([m]?)[ \t\n\v\f\r]*", re.IGNORECASE)
_GRES_COUNT = re.compile(r"([0-9]+)([kmg]?)", re.IGNORECASE)
_GRES_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_RANGE = re.compile(r"\[?([0-9]+)\]?(?:-([0-9]+)\]?(?::([0-9]+)\]?)?)?(?:%([0-9]+)\]?)?")
_INDEX_DIGITS = 10
_SHARED_GPUS = frozenset({"mps", "shard"})
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """A number of GPUs, perhaps of one model (lower case)."""

    count: int
    model: str | None = None


def _bounded(digits: str, scale: int = 1) -> int:
    number = int(digits) * scale if len(digits) <= len(str(LARGEST)) + 9 else LARGEST + 1
    if number > LARGEST:
        raise Misspelt(f"{digits[:20]} is more than Slurm can count", f"give at most {LARGEST}")
    return number


def count(text: str) -> int:
    """Read a count of at least 1."""
    match = _NUMBER.fullmatch(text)
    number = _bounded(match[1]) if match else 0
    if number < 1:
        raise Misspelt(f"{text!r} is not a count", "give a whole number of at least 1")
    return number


def time_limit(text: str) -> Seconds | None:
    """Read a time limit: whole minutes, rounded up, as Slurm keeps it; `None` for no limit."""
    if text.lower() in ("-1", "infinite", "unlimited"):
        return None
    days, clock = _DAYS.fullmatch(text), _CLOCK.fullmatch(text)
    if days:
        day, hour, minute, second = (_bounded(part or "0") for part in days.groups())
    elif clock and clock[3] is not None:
        day, hour, minute, second = 0, _bounded(clock[1]), _bounded(clock[2]), _bounded(clock[3])
    elif clock:
        day, hour, minute, second = 0, 0, _bounded(clock[1]), _bounded(clock[2] or "0")
    else:
        raise Misspelt(
            f"{text!r} is not a time",
            "write minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, "
            "days-hours:minutes:seconds, or UNLIMITED",
        )
    seconds = day * 86400 + hour * 3600 + minute * 60 + second
    if seconds > LARGEST - 59:
        raise Misspelt(f"{text!r} is longer than Slurm can count", "write UNLIMITED for no limit")
    return Seconds(-(-seconds // 60) * 60) or None


def memory(text: str) -> Mebibytes:
    """Read a size of memory; without a unit it is in mebibytes, and kibibytes are rounded up. 0 means all there is."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise Misspelt(
            f"{text!r} is not a size of memory", "write a whole number and K, M (default), G or T, as in 64G"
        )
    unit = (match[2] or "m").lower()
    number = _bounded(match[1])
    if unit == "k":
        return Mebibytes(-(-number // 1024))
    return Mebibytes(number * {"m": 1, "g": 1024, "t": 1024 * 1024}[unit])


def nodes(text: str) -> tuple[int, int]:
    """Read a node count or range into fewest and most."""
    low, dash, high = text.partition("-")
    fewest = 1 if dash and not low.strip(SPACES) else _node_count(low, text)
    most = _node_count(high, text) if dash else fewest
    if fewest < 1 or most < fewest:
        raise Misspelt(f"{text!r} is not a number of nodes", "write 2, or 2-4 for a range; at least 1 node")
    return fewest, most


def _node_count(part: str, text: str) -> int:
    match = _NODES.fullmatch(part)
    if match is None:
        raise Misspelt(f"{text!r} is not a number of nodes", "write 2, or 2-4 for a range; at least 1 node")
    return _bounded(match[1], (1024 if match[2] else 1) * (1024 * 1024 if match[3] else 1))


def gpus(text: str) -> Gpus | None:
    """Read ``--gpus`` and its kin: ``2``, ``a100``, ``a100:2``; `None` for zero."""
    return _one_model([_gpu(part, text) for part in text.split(",") if part], text)


def gres(text: str) -> Gpus | None:
    """Read the GPUs out of ``--gres``; other resources are the site's own affair."""
    if text.lower() in ("help", "list"):
        raise Misspelt(f"{text!r} asks sbatch for help and starts no job", "remove it")
    found: list[Gpus] = []
    for part in () if text.lower() == "none" else text.split(","):
        name, _, rest = part.removeprefix("gres:").partition(":")
        if not part:
            continue
        if name in _SHARED_GPUS:
            raise Misspelt(f"{name!r} is a share of a GPU, which cannot be booked", "ask for whole GPUs: gpu:1")
        if not _GRES_NAME.fullmatch(name) or (name.lower() == "gpu" and name != "gpu"):
            raise Misspelt(f"{name!r} is not the name of a resource", "write gpu, gpu:2 or gpu:a100:2")
        if name == "gpu":
            found.append(_gpu(rest, text) if ":" in part.removeprefix("gres:") else Gpus(count=1))
    return _one_model(found, text)


def _gpu(part: str, text: str) -> Gpus:
    head, colon, tail = part.partition(":")
    digits = _GRES_COUNT.fullmatch(tail if colon else head)
    if digits:
        number = _bounded(digits[1], _SIZES[digits[2].lower()])
        return Gpus(count=number, model=_model(head, text) if colon else None)
    if colon:
        raise Misspelt(f"{text!r} is not a number of GPUs", "write 2, or a100:2 for a model")
    return Gpus(count=1, model=_model(head, text))


def _model(name: str, text: str) -> str:
    if not _GRES_NAME.fullmatch(name):
        raise Misspelt(f"{text!r} is not a number of GPUs", "write 2, or a100:2 for a model")
    return name.lower()


def _one_model(found: list[Gpus], text: str) -> Gpus | None:
    """Keep the last count of each model, as Slurm does; zero asks for none."""
    kept = {one.model: one for one in found if one.count}
    if len(kept) > 1:
        raise Misspelt(f"{text!r} asks for GPUs of several models", "ask for one model, and split the job if need be")
    return next(iter(kept.values()), None)


def array(text: str) -> ArraySpec | None:
    """Read ``--array``: ``0-9``, ``1,3,5``, ``0-15:4``, ``0-99%4``; `None` for an empty one."""
    indices: set[int] = set()
    counted = 0
    at_once: int | None = None
    for part in text.split(","):
        if not part:
            continue
        match = _RANGE.fullmatch(part)
        if match is None or any(len(digits or "") > _INDEX_DIGITS for digits in match.groups()):
            raise Misspelt(f"{part[:40]!r} is not an array index", "write 0-9, 1,3,5 or 0-15:4, and %4 for 4 at once")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if at_once is None and match[4] is not None:
            at_once = int(match[4])
        if last < first or step < 1 or last > HIGHEST_INDEX:
            raise Misspelt(f"{part!r} is no range of indices", f"write FIRST-LAST:STEP, from 0 to {HIGHEST_INDEX}")
        counted += (last - first) // step + 1
        if counted > MOST_TASKS:
            raise Misspelt(f"an array has at most {MOST_TASKS} tasks", "split it into several arrays")
        indices.update(range(first, last + 1, step))
    return ArraySpec(indices=tuple(sorted(indices)), at_once=at_once or None) if indices else None


def dependencies(text: str) -> Dependencies:
    """Read ``--dependency``; ``0`` and nothing ask for none."""
    if text in ("", "0"):
        return Dependencies()
    if "," in text and "?" in text:
        raise Misspelt("',' (all) and '?' (any) stand side by side", "use one of them alone")
    parts = text.split("?") if "?" in text else text.split(",")
    found = tuple(one for part in parts for one in _dependency(part))
    return Dependencies(any_of=found) if "?" in text else Dependencies(all_of=found)


def _dependency(part: str) -> tuple[Dependency, ...]:
    word, colon, ids = part.partition(":")
    if not colon and word[:1].isdigit():
        word, ids = Condition.AFTERANY, part
    try:
        condition = Condition(word.lower())
    except ValueError:
        raise Misspelt(
            f"Foedus does not know the condition {word[:40]!r}", "use afterok, afterany or afternotok, as in afterok:12"
        ) from None
    return tuple(Dependency(condition=condition, job=_job(one)) for one in ids.split(":"))


def _job(text: str) -> JobId:
    job = text.removesuffix("_*")
    if "+" in text:
        raise Misspelt(f"{text[:40]!r}: Foedus does not delay by minutes", "remove the '+' and what follows it")
    if not JOB_ID.fullmatch(job) or (job != text and "_" in job):
        raise Misspelt(f"{text[:40]!r} is not a job id", "give ids of Foedus, as in afterok:12 or afterok:12_3")
    return JobId(job)
