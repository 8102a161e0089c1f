"""Works out what can start now in each lane, from the nodes and the jobs that hold or wait for them. Pure.

- Guests find what nobody holds. Owners find that and, where they displace guests, what guests hold: Slurm makes room.
- Jobs that wait only for room or for their turn are taken off first: Slurm will start them before a newcomer. In the
  owners' lane those are owners' jobs, in the guests' lane everyone's. A waiting job is spread evenly over its number of
  nodes, those with the most room first; where it does not fit it takes what there is, since Slurm keeps that for it.
- Jobs that wait for anything else (a dependency, a date, a hold, a limit of their account) hold nothing back.
- A lane without its own partition in Slurm's answer is closed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.nodes import grouped
from foedus.drivers.slurm import hostlist, tres
from foedus.drivers.slurm.scontrol import Node, Partition
from foedus.drivers.slurm.settings import LaneSettings, Settings
from foedus.drivers.slurm.squeue import Load

_IN_TURN = frozenset({"None", "Resources", "Priority", ""})
_NODES_BUSY = "Nodes required for job"
"""How squeue begins "... are DOWN, DRAINED or reserved for jobs in higher priority partitions"."""
_HOLDING = frozenset({"RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED", "SIGNALING", "STAGE_OUT"})


@dataclass(slots=True)
class _Room:
    """What is left on one node; changes while jobs are put on it."""

    cpus: int
    memory: int
    gpus: dict[str, int]

    def take(self, share: "_Share", sign: int = -1) -> None:
        self.cpus += sign * share.cpus
        self.memory += sign * share.memory
        for model, number in share.gpus.items():
            if model in self.gpus:
                self.gpus[model] += sign * number
            elif self.gpus:  # a request without a model takes any
                most = max(self.gpus, key=lambda known: self.gpus[known])
                self.gpus[most] += sign * number

    def size(self, share: "_Share") -> tuple[bool, int, int]:
        """Order nodes for a share: where it fits first, then by what is left."""
        gpus, asked = sum(self.gpus.values()), sum(share.gpus.values())
        fits = self.cpus >= share.cpus and self.memory >= share.memory and gpus >= asked
        return (fits, gpus if asked else self.cpus, self.cpus)


@dataclass(frozen=True, slots=True)
class _Share:
    """One job's part on one of its nodes, rounded up."""

    cpus: int
    memory: int
    gpus: dict[str, int]


def capacity(
    settings: Settings, nodes: Sequence[Node], partitions: Mapping[str, Partition], loads: Sequence[Load]
) -> Capacity:
    """Say what both lanes offer."""
    return Capacity(
        owner=_lane(settings, nodes, partitions, loads, guest=False),
        guest=_lane(settings, nodes, partitions, loads, guest=True),
    )


def _lane(
    settings: Settings,
    nodes: Sequence[Node],
    partitions: Mapping[str, Partition],
    loads: Sequence[Load],
    *,
    guest: bool,
) -> Lane | None:
    lane = settings.lane(guest=guest)
    if lane is None:
        return None
    partition = partitions.get(lane.partition)
    mine = [node for node in nodes if lane.partition in node.partitions and not node.future]
    waiting = [load for load in loads if load.state == "PENDING"]
    ahead, displaced = _claims(settings, loads, waiting, guest=guest)
    return Lane(
        name=lane.partition if not lane.qos else f"{lane.partition} ({lane.qos})",
        free=_free([node for node in mine if node.usable], ahead, displaced, settings),
        whole=grouped((node.cpus, node.memory, *_model(node, node.gpus, settings)) for node in mine),
        time_limit=partition.time_limit if partition else None,
        nodes_per_job=partition.nodes_per_job if partition else None,
        queued=sum(load.nodes > 0 and _in(lane, load) for load in waiting),
        open=partition is not None and partition.up,
    )


def _claims(
    settings: Settings, loads: Sequence[Load], waiting: Sequence[Load], *, guest: bool
) -> tuple[list[Load], list[Load]]:
    """Return the waiting jobs that go first in this lane, and the running ones that it displaces."""
    in_turn = [load for load in waiting if load.reason in _IN_TURN or load.reason.startswith(_NODES_BUSY)]
    other = settings.lane(guest=not guest)
    if guest or other is None or not settings.guests_preempted:
        return in_turn, []
    guests = [load for load in loads if _in(other, load)]
    displaced = [load for load in guests if load.state in _HOLDING]
    return [load for load in in_turn if load not in guests], displaced


def _in(lane: LaneSettings, load: Load) -> bool:
    return load.partition == lane.partition and (not lane.qos or load.qos == lane.qos)


def _free(
    nodes: Sequence[Node], ahead: Sequence[Load], displaced: Sequence[Load], settings: Settings
) -> tuple[NodeGroup, ...]:
    rooms = {
        node.name: _Room(
            node.cpus - node.cpus_used,
            node.memory - node.memory_used,
            {model: number - node.gpus_used.get(model, 0) for model, number in node.gpus.items()},
        )
        for node in nodes
    }
    for load in displaced:
        share = _share(load)
        for name in hostlist.expand(load.node_list):
            if name in rooms:
                rooms[name].take(share, sign=1)
    for load in ahead:
        share = _share(load)
        best = sorted(rooms.values(), key=lambda room: room.size(share), reverse=True)
        for room in best[: load.nodes]:
            room.take(share)
    return grouped(
        (
            min(max(room.cpus, 0), node.cpus),
            Mebibytes(min(max(room.memory, 0), node.memory)),
            *_model(
                node, {model: min(max(number, 0), node.gpus[model]) for model, number in room.gpus.items()}, settings
            ),
        )
        for node, room in ((node, rooms[node.name]) for node in nodes)
        if room.cpus > 0 and room.memory > 0
    )


def _share(load: Load) -> _Share:
    resources, nodes = tres.parse(load.tres), max(load.nodes, 1)
    return _Share(
        cpus=-(-tres.count(resources.get("cpu", "0")) // nodes),
        memory=-(-tres.memory(resources.get("mem", "0")) // nodes),
        gpus={model: -(-number // nodes) for model, number in tres.gpus(resources).items()},
    )


def _model(node: Node, gpus: dict[str, int], settings: Settings) -> tuple[int, str | None]:
    """Return a node's GPUs and their model; of several models on one node the most frequent one is offered."""
    named = tres.named(gpus, node.name, settings.gpu_models)
    if not any(named.values()):
        return 0, None
    model = max(named, key=lambda known: (named[known], known))
    return named[model], model or None
