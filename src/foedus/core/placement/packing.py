"""Whether a job fits on nodes as they are, and what is left of them afterwards."""

from collections.abc import Sequence
from dataclasses import replace

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, Share, most_nodes, nodes_needed, share, shortages, whole_memory


def pack(
    asked: Resources, groups: Sequence[NodeGroup], empty: Sequence[NodeGroup], nodes_per_job: int | None = None
) -> tuple[NodeGroup, ...] | None:
    """Return what is left of `groups` when the job has taken its nodes, or `None` if it does not fit.

    `empty` are the same nodes without any job: an exclusive job takes only nodes that look like one of them. The
    fewest nodes that do are taken, and of these the ones with the least to spare.
    """
    usable = [group for group in groups if group.count and _untouched(asked, group, empty)]
    most = min(most_nodes(asked), sum(group.count for group in usable))
    for nodes in range(_fewest(asked, usable), min(most, nodes_per_job or most) + 1):
        wanted = share(asked, nodes)
        fitting = [group for group in usable if not shortages(wanted, group)]
        if sum(group.count for group in fitting) >= nodes:
            return _take(asked, wanted, nodes, fitting=fitting, groups=groups)
    return None


def without(asked: Resources, groups: Sequence[NodeGroup], empty: Sequence[NodeGroup]) -> tuple[NodeGroup, ...]:
    """Return what is left of `groups` when the job is there, whether or not it still finds all of its room in them."""
    left = pack(asked, groups, empty)
    if left is not None:
        return left
    nodes = _fewest(asked, empty)
    wanted = share(asked, nodes)
    return _take(asked, wanted, nodes, fitting=[one for one in groups if not shortages(wanted, one)], groups=groups)


def useless(asked: Resources, groups: Sequence[NodeGroup], empty: Sequence[NodeGroup]) -> tuple[NodeGroup, ...]:
    """Return those of `groups` that the job could not use even if they were empty: others may have them meanwhile."""
    smallest = share(asked, most_nodes(asked))
    kinds = [kind for kind in empty if not shortages(smallest, kind)]
    return tuple(group for group in groups if not any(_could_be(group, kind) for kind in kinds))


def _fewest(asked: Resources, groups: Sequence[NodeGroup]) -> int:
    """Return the smallest number of nodes that is worth a try: fewer would not do even on the best of them."""
    needed = (nodes_needed(asked, group) for group in groups)
    return min((nodes for nodes in needed if nodes is not None), default=most_nodes(asked) + 1)


def _untouched(asked: Resources, group: NodeGroup, empty: Sequence[NodeGroup]) -> bool:
    """Say whether a node is as empty as the job wants it: one that shares with nobody, or takes all its memory."""
    if asked.exclusive:
        return any(replace(group, count=kind.count) == kind for kind in empty)
    return not whole_memory(asked) or any(_could_be(group, kind) and group.memory == kind.memory for kind in empty)


def _could_be(group: NodeGroup, kind: NodeGroup) -> bool:
    """Say whether nodes that have so much left may be, when empty, of this kind."""
    return (
        group.gpu_model == kind.gpu_model
        and group.cpus <= kind.cpus
        and group.memory <= kind.memory
        and group.gpus <= kind.gpus
    )


def _take(
    asked: Resources, wanted: Share, nodes: int, *, fitting: Sequence[NodeGroup], groups: Sequence[NodeGroup]
) -> tuple[NodeGroup, ...]:
    left = [group for group in groups if group not in fitting]
    for group in sorted(fitting, key=lambda one: (one.gpus, one.cpus, one.memory)):
        taken = min(nodes, group.count)
        nodes -= taken
        if group.count > taken:
            left.append(replace(group, count=group.count - taken))
        if taken and not asked.exclusive:
            left.append(_rest(group, taken, wanted, whole=whole_memory(asked)))
    return tuple(left)


def _rest(group: NodeGroup, taken: int, wanted: Share, *, whole: bool) -> NodeGroup:
    return replace(
        group,
        count=taken,
        cpus=group.cpus - wanted.cpus,
        memory=Mebibytes(0 if whole else group.memory - wanted.memory),
        gpus=group.gpus - wanted.gpus,
    )
