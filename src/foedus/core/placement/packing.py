"""Whether a job fits on nodes as they are, and what is left of them afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spec import Resources
from foedus.core.placement.capacity import NodeGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a job takes of each node when it runs on `nodes` of them."""

    nodes: int
    cpus: int
    gpus: int
    memory: Mebibytes


def share(asked: Resources, nodes: int) -> Share:
    """Spread a request evenly over `nodes` nodes, rounding up."""
    tasks = asked.tasks_per_node or _parts(asked.tasks, nodes)
    cpus = max(1, tasks * asked.cpus_per_task, 0 if asked.tasks_per_node else _parts(asked.cpus, nodes))
    gpus = asked.gpus_per_node if asked.gpus_per_node is not None else _parts(asked.gpus, nodes)
    if asked.memory_per_node is not None:
        memory = asked.memory_per_node
    elif asked.memory_per_gpu is not None:
        memory = asked.memory_per_gpu * gpus
    else:
        memory = (asked.memory_per_cpu or 0) * cpus
    return Share(nodes=nodes, cpus=cpus, gpus=gpus, memory=Mebibytes(memory))


def pack(
    asked: Resources, groups: Sequence[NodeGroup], empty: Sequence[NodeGroup], nodes_per_job: int | None = None
) -> tuple[NodeGroup, ...] | None:
    """Return what is left of `groups` when the job has taken its nodes, or `None` if it does not fit.

    `empty` are the same nodes without any job: an exclusive job takes only nodes that look like one of them. The
    fewest nodes that do are taken, and of these the ones with the least to spare.
    """
    most = min(asked.nodes_max or _most_nodes(asked, groups), nodes_per_job or sum(group.count for group in groups))
    for nodes in range(asked.nodes, most + 1):
        wanted = share(asked, nodes)
        fitting = [group for group in groups if _fits(wanted, asked, group, empty)]
        if sum(group.count for group in fitting) >= nodes:
            return _take(wanted, fitting, groups, whole=asked.exclusive)
    return None


def model_matches(asked: str | None, found: str | None) -> bool:
    """Say whether a node's GPU model is the one asked for; no model asked for is content with any."""
    return asked is None or (found is not None and asked.lower() == found.lower())


def _most_nodes(asked: Resources, groups: Sequence[NodeGroup]) -> int:
    """How far a request may be spread: CPUs and GPUs that are not tied to a node go wherever there is room."""
    if asked.gpus_per_node is not None or asked.tasks_per_node is not None or asked.nodes > 1:
        return asked.nodes
    widest = max(asked.tasks, asked.gpus, asked.nodes)
    return min(widest, sum(group.count for group in groups))


def _fits(wanted: Share, asked: Resources, group: NodeGroup, empty: Sequence[NodeGroup]) -> bool:
    if asked.exclusive and not any(replace(group, count=whole.count) == whole for whole in empty):
        return False
    return (
        group.cpus >= wanted.cpus
        and group.memory >= wanted.memory
        and group.gpus >= wanted.gpus
        and (wanted.gpus == 0 or model_matches(asked.gpu_model, group.gpu_model))
    )


def _take(
    wanted: Share, fitting: Sequence[NodeGroup], groups: Sequence[NodeGroup], *, whole: bool
) -> tuple[NodeGroup, ...]:
    left = [group for group in groups if group not in fitting]
    missing = wanted.nodes
    for group in sorted(fitting, key=lambda one: (one.gpus, one.cpus, one.memory)):
        taken = min(missing, group.count)
        missing -= taken
        if group.count > taken:
            left.append(replace(group, count=group.count - taken))
        if taken and not whole:
            left.append(_rest(group, taken, wanted))
    return tuple(left)


def _rest(group: NodeGroup, taken: int, wanted: Share) -> NodeGroup:
    return replace(
        group,
        count=taken,
        cpus=group.cpus - wanted.cpus,
        memory=Mebibytes(group.memory - wanted.memory),
        gpus=group.gpus - wanted.gpus,
    )


def _parts(total: int, nodes: int) -> int:
    return -(-total // nodes)
