"""squeue: what the controller has in memory, which is every live job and for a while those that ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.instant import Instant
from foedus.drivers.slurm.rows import cut, moment, native, whole

_SEEN = ("JobID", "State", "Reason", "Comment", "UserName", "Name", "RestartCnt", "StartTime", "NodeList", "WorkDir")
_LOAD = ("JobArrayID", "State", "Reason", "Partition", "QOS", "NumNodes", "NodeList", "tres-alloc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as the controller shows it."""

    native_id: str
    state: str
    reason: str
    comment: str
    user: str
    name: str
    restarts: int
    start: Instant | None
    """Start of the newest run; for a waiting job, when the controller expects it."""
    nodes: str
    work_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one job holds or waits for."""

    state: str
    reason: str
    partition: str
    qos: str
    nodes: int
    node_list: str
    tres: str


def command(mark: str, native_id: str | None = None) -> list[str]:
    """Ask for every job, or for one: a controller that does not know that one says so and fails (`unknown`).

    It sends them all anyway when more than one is asked for, and search by marker needs them all. A field without a
    width is printed whole; with a number it would be cut.
    """
    one = [f"--jobs={native_id}"] if native_id else []
    return ["squeue", "--noheader", "--all", "--states=all", *one, f"--Format={_format(_SEEN, mark)}"]


def unknown(words: str) -> bool:
    """Say whether the controller answered that it has no such job."""
    return "invalid job id specified" in words.lower()


def parse(text: str, mark: str) -> list[Job]:
    """Read the answer to `command`; raises `SiteTrouble` if it is damaged."""
    try:
        return [
            Job(
                native_id=native(row[0]),
                state=row[1],
                reason="" if row[2] == "None" else row[2],
                comment=row[3],
                user=row[4],
                name=row[5],
                restarts=whole(row[6]),
                start=moment(row[7]) if row[7].isdecimal() else None,
                nodes=row[8],
                work_dir=row[9],
            )
            for row in cut(text, mark, len(_SEEN), "squeue")
        ]
    except ValueError as error:
        raise SiteTrouble(f"squeue printed something that is no job: {error}") from error


def load_command(mark: str, partitions: Sequence[str]) -> list[str]:
    """Ask what the live jobs of these partitions hold or wait for, every task of an array on its own line."""
    return [
        "squeue",
        "--noheader",
        "--all",
        "--array",
        f"--partition={','.join(partitions)}",
        f"--Format={_format(_LOAD, mark)}",
    ]


def parse_load(text: str, mark: str) -> list[Load]:
    """Read the answer to `load_command`; raises `SiteTrouble` if it is damaged."""
    try:
        return [
            Load(
                state=row[1],
                reason=row[2],
                partition=row[3],
                qos=row[4],
                nodes=whole(row[5].partition("-")[0]),
                node_list=row[6],
                tres=row[7],
            )
            for row in cut(text, mark, len(_LOAD), "squeue")
        ]
    except ValueError as error:
        raise SiteTrouble(f"squeue printed something that is no job: {error}") from error


def _format(fields: Sequence[str], mark: str) -> str:
    return ",".join(f"{field}:{mark}" for field in fields)
