"""Which CPUs, GPUs and memory of which virtual nodes an attempt gets. Pure: rooms in, pieces out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, most_nodes
from foedus.drivers.nodes import grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """How much of a node."""

    cpus: int
    memory: Mebibytes
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One virtual node of the machine."""

    name: str
    cpus: int
    memory: Mebibytes
    gpus: int = 0
    gpu_model: str | None = None
    guest: Portion
    """Most that guests hold of it together; all zero where it is closed to them."""
    first_cpu: int = 0
    """The machine's CPU behind the node's CPU 0: nodes follow one another."""
    first_gpu: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one attempt holds of one node. CPUs and GPUs are indices within the node."""

    node: str
    cpus: tuple[int, ...]
    gpus: tuple[int, ...]
    memory: Mebibytes
    tasks: int
    gpu_model: str | None = None
    """Of the node, as it was then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is free on one node."""

    node: Node
    cpus: tuple[int, ...]
    gpus: tuple[int, ...]
    memory: int
    guest: Portion
    """What guests may still take, beside what is free at all."""

    @property
    def even_share(self) -> int:
        """MiB for each CPU of a job that asks for no memory: no more than CPUs and memory let everybody have."""
        node, guest = self.node, self.node.guest
        shares = [node.memory // node.cpus, *([guest.memory // guest.cpus] if guest.cpus else [])]
        return min(shares)


Rooms = Mapping[str, Room]
"""Every node by its name, in the order of the settings."""


def empty(nodes: Iterable[Node]) -> Rooms:
    """Return the rooms of nodes that hold nothing."""
    return {
        node.name: Room(
            node=node,
            cpus=tuple(range(node.cpus)),
            gpus=tuple(range(node.gpus)),
            memory=node.memory,
            guest=node.guest,
        )
        for node in nodes
    }


def take(rooms: Rooms, pieces: Sequence[Piece], *, guest: bool) -> Rooms:
    """Return the rooms without these pieces. A piece of a node that is no more is left aside."""
    left = dict(rooms)
    for piece in pieces:
        room = left.get(piece.node)
        if room is not None:
            left[piece.node] = replace(
                room,
                cpus=tuple(cpu for cpu in room.cpus if cpu not in piece.cpus),
                gpus=tuple(gpu for gpu in room.gpus if gpu not in piece.gpus),
                memory=room.memory - piece.memory,
                guest=_less(room.guest, piece) if guest else room.guest,
            )
    return left


def common(one: Rooms, other: Rooms) -> Rooms:
    """Return what is free in both."""
    return {
        name: replace(
            room,
            cpus=tuple(cpu for cpu in room.cpus if cpu in other[name].cpus),
            gpus=tuple(gpu for gpu in room.gpus if gpu in other[name].gpus),
            memory=min(room.memory, other[name].memory),
            guest=Portion(
                cpus=min(room.guest.cpus, other[name].guest.cpus),
                memory=min(room.guest.memory, other[name].guest.memory),
                gpus=min(room.guest.gpus, other[name].guest.gpus),
            ),
        )
        for name, room in one.items()
    }


def fit(asked: Resources, rooms: Rooms, *, guest: bool) -> tuple[Piece, ...] | None:
    """Find room for a job, on as few nodes as will do; `None` if there is none now.

    The emptiest corner is filled first: the node that has the fewest free GPUs, then CPUs, and will do.
    """
    wanted = asked.gpu_model.lower() if asked.gpu_model else None
    usable = [
        _for_guest(room) if guest else room
        for room in rooms.values()
        if wanted is None or room.node.gpu_model == wanted
    ]
    usable.sort(key=lambda room: (len(room.gpus), len(room.cpus)))
    for count in range(asked.nodes, min(most_nodes(asked), len(usable)) + 1):
        for even in (True, False):
            pieces = _spread(asked, usable, count, even=even)
            if pieces is not None:
                return pieces
    return None


def groups(rooms: Rooms, *, guest: bool) -> tuple[NodeGroup, ...]:
    """Count the nodes that look the same to a lane; nodes with no CPU for it are left out."""
    shown = (_for_guest(room) if guest else room for room in rooms.values())
    return grouped(
        (len(room.cpus), Mebibytes(max(room.memory, 0)), len(room.gpus), room.node.gpu_model)
        for room in shown
        if room.cpus
    )


def _less(portion: Portion, piece: Piece) -> Portion:
    return Portion(
        cpus=portion.cpus - len(piece.cpus),
        memory=Mebibytes(portion.memory - piece.memory),
        gpus=portion.gpus - len(piece.gpus),
    )


def _for_guest(room: Room) -> Room:
    return replace(
        room,
        cpus=room.cpus[: max(room.guest.cpus, 0)],
        gpus=room.gpus[: max(room.guest.gpus, 0)],
        memory=min(room.memory, room.guest.memory),
    )


def _spread(asked: Resources, usable: Sequence[Room], count: int, *, even: bool) -> tuple[Piece, ...] | None:
    """Place a job on `count` nodes; GPUs that are tied to no node go evenly, or as many as possible to each."""
    if asked.tasks_per_node is not None and asked.tasks > asked.tasks_per_node * count:
        return None
    tasks = _even(asked.tasks, count)
    fixed = [asked.gpus_per_node] * count if asked.gpus_per_node is not None else _even(asked.gpus, count)
    rooms = usable if even else sorted(usable, key=lambda room: -len(room.gpus))
    left = sum(fixed)
    pieces: list[Piece] = []
    for room in rooms:
        at = len(pieces)
        if at == count:
            break
        piece = _piece(asked, room, tasks=tasks[at], gpus=fixed[at] if even else min(len(room.gpus), left))
        if piece is not None:
            pieces.append(piece)
            left -= len(piece.gpus)
    return tuple(pieces) if len(pieces) == count and left <= 0 else None


def _even(whole: int, parts: int) -> list[int]:
    base, extra = divmod(whole, parts)
    return [base + (index < extra) for index in range(parts)]


def _piece(asked: Resources, room: Room, *, tasks: int, gpus: int) -> Piece | None:
    cpus = max(tasks * asked.cpus_per_task, 1)
    if asked.exclusive:
        if len(room.cpus) < room.node.cpus or len(room.gpus) < room.node.gpus:
            return None
        cpus, gpus = max(cpus, room.node.cpus), max(gpus, room.node.gpus)
    memory = _memory(asked, room, cpus=cpus, gpus=gpus)
    if cpus > len(room.cpus) or gpus > len(room.gpus) or memory > room.memory:
        return None
    return Piece(
        node=room.node.name,
        cpus=room.cpus[:cpus],
        gpus=room.gpus[:gpus],
        memory=memory,
        tasks=tasks,
        gpu_model=room.node.gpu_model,
    )


def _memory(asked: Resources, room: Room, *, cpus: int, gpus: int) -> Mebibytes:
    """Memory on one node; ``--mem=0`` means all of it, and who asks for none gets an even share for each CPU."""
    if asked.memory_per_node is not None:
        return asked.memory_per_node or room.node.memory
    if asked.memory_per_gpu is not None and gpus:
        return Mebibytes(asked.memory_per_gpu * gpus)
    return Mebibytes((asked.memory_per_cpu or room.even_share) * cpus)
