"""scontrol: the nodes and the partitions of the cluster."""

import re
from dataclasses import dataclass

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.units import Mebibytes, Seconds
from foedus.drivers.slurm import tres
from foedus.drivers.slurm.rows import whole

_PAIR = re.compile(r"(?:^|\s)([A-Za-z][\w/]*)=(.*?)(?=\s+[A-Za-z][\w/]*=|\s*$)")
_TIME = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,9}):([0-9]{2}):([0-9]{2})")
_BASES = frozenset({"IDLE", "MIXED", "ALLOCATED"})
_HARMLESS = frozenset({"PLANNED", "CLOUD", "COMPLETING", "DYNAMIC_NORM", "POWERED_ON"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: what it has, and what is allocated on it."""

    name: str
    partitions: frozenset[str]
    usable: bool
    """Takes new jobs: neither down, drained, failing, reserved nor in maintenance."""
    future: bool
    """Only described, not part of the cluster yet."""
    cpus: int
    memory: Mebibytes
    gpus: dict[str, int]
    cpus_used: int
    memory_used: Mebibytes
    gpus_used: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition's limits."""

    name: str
    up: bool
    time_limit: Seconds | None
    nodes_per_job: int | None


def nodes_command() -> list[str]:
    """Ask for every node with the generic resources in use."""
    return ["scontrol", "--oneliner", "--details", "--all", "show", "node"]


def partitions_command() -> list[str]:
    """Ask for every partition."""
    return ["scontrol", "--oneliner", "--all", "show", "partition"]


def parse_nodes(text: str) -> list[Node]:
    """Read the answer to `nodes_command`; raises `SiteTrouble` for anything that is no list of nodes.

    A site whose accounting does not count GPUs is refused as a whole: every record would say that no GPU was used.
    """
    return [_node(_pairs(line)) for line in text.splitlines() if line.startswith("NodeName=")]


def parse_hosts(text: str) -> dict[str, str]:
    """Read the short host name of each node out of the answer to `nodes_command`: some sites name nodes otherwise."""
    found = [_pairs(line) for line in text.splitlines() if line.startswith("NodeName=")]
    return {node["NodeName"]: node.get("NodeHostName", node["NodeName"]).partition(".")[0] for node in found}


def parse_partitions(text: str) -> dict[str, Partition]:
    """Read the answer to `partitions_command`, by name."""
    found = [_partition(_pairs(line)) for line in text.splitlines() if line.startswith("PartitionName=")]
    return {partition.name: partition for partition in found}


def _pairs(line: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _PAIR.findall(line):
        found.setdefault(name, value)
    return found


def _node(found: dict[str, str]) -> Node:
    try:
        base, *flags = found["State"].replace("*", "+NOT_RESPONDING").split("+")
        gpus = tres.gres_gpus(found.get("Gres", ""))
        if gpus and "gres/gpu" not in found["CfgTRES"]:
            raise SiteTrouble(
                f"Slurm's accounting does not count GPUs (node {found['NodeName']})",
                remedy="add gres/gpu and each gres/gpu:<model> to AccountingStorageTRES in slurm.conf",
            )
        return Node(
            name=found["NodeName"],
            partitions=frozenset(found.get("Partitions", "").split(",")) - {""},
            usable=base in _BASES and _HARMLESS.issuperset(flags),
            future=base == "FUTURE",
            cpus=whole(found.get("CPUEfctv") or found["CPUTot"]),
            memory=Mebibytes(max(whole(found["RealMemory"]) - whole(found.get("MemSpecLimit", "0")), 0)),
            gpus=gpus,
            cpus_used=whole(found["CPUAlloc"]),
            memory_used=Mebibytes(whole(found["AllocMem"])),
            gpus_used=tres.gres_gpus(found.get("GresUsed", "")),
        )
    except (KeyError, ValueError) as error:
        raise SiteTrouble(f"scontrol described a node without {error}") from error


def _partition(found: dict[str, str]) -> Partition:
    try:
        return Partition(
            name=found["PartitionName"],
            up=found["State"] == "UP",
            time_limit=duration(found["MaxTime"]),
            nodes_per_job=whole(found["MaxNodes"]) if found["MaxNodes"].isdecimal() else None,
        )
    except (KeyError, ValueError) as error:
        raise SiteTrouble(f"scontrol described a partition without {error}") from error


def duration(text: str) -> Seconds | None:
    """Read ``[D-]HH:MM:SS``; ``UNLIMITED`` is no limit."""
    match = _TIME.fullmatch(text)
    if match is None:
        if text in {"UNLIMITED", "INFINITE", "NONE"}:
            return None
        raise ValueError(f"a time: {text!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return Seconds(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
