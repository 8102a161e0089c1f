"""What the driver writes to its state folder: small files, each written once, that outlive every process.

The spawner and its supervisors import this module, so it needs the standard library only.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Everything that a supervisor needs for one run, in ``run-N.orders``. Times are in seconds, sizes in bytes."""

    suffix: ClassVar[str] = "orders"

    boot: str
    """Boot of the machine for which they were written: no later boot carries them out."""
    marker: str
    script: str
    arguments: list[str]
    environment: dict[str, str]
    user: str
    uid: int
    gid: int
    folder: str
    """The attempt's own folder: the script is stored here and started from here."""
    work: str
    chdir: str
    """Where the script starts; `work` if it cannot be entered."""
    stdout: str
    stderr: str
    append: bool
    """Output files keep what they hold."""
    stdin: str
    warning: int
    """Signal that the script's own process gets `warning_before` seconds before its limit; 0 for none."""
    warning_before: int
    limit: int
    grace: float
    poll: float
    memory: int
    affinity: list[int] | None
    pieces: list[dict[str, Any]]
    """What the run holds of each node: `foedus.drivers.local.nodes.Piece` as a table; not for the supervisor."""
    planned: int
    wake: str
    """Named pipe that is told of the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """``run-N.begun``, made by hard link, so that it has one maker: whoever made it decides whether the job runs.

    Its modification time is the last sign of life of the supervisor.
    """

    suffix: ClassVar[str] = "begun"

    pid: int
    """Process that supervises the run; 0 where the driver made the file because the run must not happen."""
    ticks: int
    """Start of that process in clock ticks since boot: with it, a used-again pid is never mistaken."""
    boot: str
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``run-N.done``: how a run ended. `outcome` is a value of `foedus.core.jobs.state.Outcome`."""

    suffix: ClassVar[str] = "done"

    outcome: str
    exit_code: int
    signal: int
    started: int | None
    """Whole second since the epoch; `None` for a run that ended before it began."""
    ended: int
    """`started` plus the elapsed time by a clock that nobody sets."""
    reason: str = ""
    most_memory: int = 0
    """Largest memory that was seen, in bytes: the sum of the resident sets of the job's processes."""
    processor_seconds: float = 0.0
    """Processor time of all processes that the supervisor buried."""


_Kind = TypeVar("_Kind", Orders, Begun, Done)


def path_of(folder: Path, restart: int, kind: type[Orders] | type[Begun] | type[Done]) -> Path:
    """Return where a record of one run lies in its attempt's folder."""
    return folder / f"run-{restart}.{kind.suffix}"


def read(folder: Path, restart: int, kind: type[_Kind]) -> _Kind | None:
    """Read a record; `None` if it was not written."""
    try:
        return kind(**json.loads(path_of(folder, restart, kind).read_bytes()))
    except FileNotFoundError:
        return None
    except TypeError as error:
        raise ValueError(f"{path_of(folder, restart, kind)} was written by another version: {error}") from error


def write(
    folder: Path, restart: int, record: Orders | Begun | Done, *, claim: bool = False, settle: bool = True
) -> bool:
    """Write a record durably and whole, or not at all; with `claim`, only if there is none yet.

    Without `settle` the next record of the folder makes this one's name durable. Returns False where somebody else had
    claimed it.
    """
    content = json.dumps(asdict(record)).encode()
    return put(path_of(folder, restart, type(record)), content, claim=claim, settle=settle)


def put(path: Path, content: bytes, *, claim: bool = False, settle: bool = True) -> bool:
    """Write a file as `write` does."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        if claim:
            path.hardlink_to(temporary)
            temporary.unlink()
        else:
            temporary.rename(path)
    except FileExistsError:
        temporary.unlink()
        return False
    if settle:
        sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
