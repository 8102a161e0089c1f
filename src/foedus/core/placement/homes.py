"""What a job is at its home, in units: the one measure of a site that its shadow knows.

The nodes of one kind are a *part* of a site: those with the same model of GPU, or those with none. A unit is one GPU
with its share of the node's CPUs and memory, or one CPU with its share of memory. A job is as wide as the most that it
takes of any of the three, rounded up on each node. So what fits in units may still not fit on nodes as they are filled:
a shadow is never slower than the site alone would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, most_nodes, nodes_needed, share, whole_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where a job runs at its home: in which part, and how wide it is there."""

    part: str
    """The model of the GPUs; empty for nodes without any."""
    width: int
    """Units."""


def parts(groups: Sequence[NodeGroup]) -> Mapping[str, int]:
    """Return the units of each part of a site, from its nodes when they are empty."""
    found: dict[str, int] = {}
    for group in groups:
        found[_part(group)] = found.get(_part(group), 0) + group.count * _units(group)
    return found


def fit(asked: Resources, groups: Sequence[NodeGroup]) -> Fit | None:
    """Return where a job fits with the least waste: on nodes without GPUs if it wants none. `None` if nowhere."""
    fits = [found for group in groups if (found := _fit(asked, group)) is not None]
    wasteful = {_part(group): group.gpus > 0 and not (asked.gpus or asked.gpus_per_node) for group in groups}
    return min(fits, key=lambda one: (wasteful[one.part], one.width, one.part), default=None)


def _fit(asked: Resources, group: NodeGroup) -> Fit | None:
    nodes = nodes_needed(asked, group)
    if nodes is None or nodes > min(group.count, most_nodes(asked)):
        return None
    each, units = share(asked, nodes), _units(group)
    if asked.exclusive or whole_memory(asked):
        return Fit(part=_part(group), width=nodes * units)
    taken = [(each.cpus, group.cpus), (each.memory, group.memory), (each.gpus, group.gpus)]
    return Fit(part=_part(group), width=nodes * max(-(-part * units // whole) for part, whole in taken if part))


def _part(group: NodeGroup) -> str:
    return (group.gpu_model or "gpu") if group.gpus else ""


def _units(group: NodeGroup) -> int:
    return group.gpus or group.cpus
