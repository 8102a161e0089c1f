"""How a request spreads over nodes: the one rule behind admission, placement and the words of a refusal.

A job takes the same share of each of its nodes, rounded up. On how many nodes it may run follows from the request: the
number or range that it names; the one that follows from tasks or GPUs that are tied to a node; else any number up to
one node for each task or GPU, so that the GPUs that were admitted are never fewer than those that are used.

GPU models are equal if they are spelled alike, whatever the case: ``a100`` is not ``nvidia-a100``, since the site's own
scheduler takes only its own spelling.
"""

from bisect import bisect_left
from dataclasses import dataclass

from foedus.core.base.units import Mebibytes, mebibytes
from foedus.core.jobs.spec import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroup:
    """Nodes that look the same: as they are when empty, or as they are at this moment."""

    count: int
    cpus: int
    memory: Mebibytes
    gpus: int = 0
    gpu_model: str | None = None
    """Lower case, as the site's Slurm spells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a job takes of each of its nodes."""

    cpus: int
    gpus: int
    gpu_model: str | None
    memory: Mebibytes
    """0 also where the job wants all memory of the node: see `whole_memory`."""


def share(asked: Resources, nodes: int) -> Share:
    """Spread a request evenly over `nodes` nodes, rounding up."""
    tasks = asked.tasks_per_node or _parts(asked.tasks, nodes)
    cpus = max(1, tasks * asked.cpus_per_task)
    gpus = asked.gpus_per_node if asked.gpus_per_node is not None else _parts(asked.gpus, nodes)
    if asked.memory_per_node is not None:
        memory = asked.memory_per_node
    elif asked.memory_per_gpu is not None:
        memory = asked.memory_per_gpu * gpus
    else:
        memory = (asked.memory_per_cpu or 0) * cpus
    return Share(cpus=cpus, gpus=gpus, gpu_model=asked.gpu_model, memory=Mebibytes(memory))


def whole_memory(asked: Resources) -> bool:
    """Say whether the job takes all memory of its nodes, however much they have (``--mem=0``)."""
    return asked.memory_per_node == 0


def most_nodes(asked: Resources) -> int:
    """Return the largest number of nodes that the job may run on."""
    tied = asked.nodes > 1 or asked.tasks_per_node is not None or asked.gpus_per_node is not None
    return asked.nodes_max or (asked.nodes if tied else _widest(asked))


def nodes_needed(asked: Resources, each: NodeGroup) -> int | None:
    """Return the fewest nodes of this kind whose shares hold the job; `None` if even its smallest share is too large.

    It may be more than there are, and more than `most_nodes`.
    """
    fewest = max(asked.nodes, _parts(asked.tasks, asked.tasks_per_node) if asked.tasks_per_node else 1)
    numbers = range(fewest, max(fewest, _widest(asked)) + 1)
    at = bisect_left(numbers, True, key=lambda nodes: not shortages(share(asked, nodes), each))  # noqa: FBT003
    return numbers[at] if at < len(numbers) else None


def shortfall(asked: Resources, each: NodeGroup) -> tuple[str, ...]:
    """Say what is missing for the job to run on these nodes when all are empty; nothing if it fits."""
    needed = nodes_needed(asked, each)
    if needed is None:
        return shortages(share(asked, _widest(asked)), each)
    if needed > each.count:
        return (f"needs {needed} nodes, has {each.count}",)
    most = most_nodes(asked)
    if needed > most:
        return (f"needs {needed} nodes, and the job takes at most {most}",)
    return ()


def shortages(wanted: Share, each: NodeGroup) -> tuple[str, ...]:
    """Say what a node of this kind lacks for a share; nothing if it holds it."""
    faults: list[str] = []
    if wanted.cpus > each.cpus:
        faults.append(f"needs {wanted.cpus} CPUs on a node, has {each.cpus}")
    if wanted.memory > each.memory:
        faults.append(f"needs {mebibytes(wanted.memory)} of memory on a node, has {mebibytes(each.memory)}")
    if wanted.gpus > each.gpus:
        faults.append(f"needs {wanted.gpus} GPU{'s' if wanted.gpus > 1 else ''} on a node, has {each.gpus or 'none'}")
    elif wanted.gpus and not _same_model(wanted.gpu_model, each.gpu_model):
        faults.append(f"needs GPUs of model {wanted.gpu_model}, has {each.gpu_model or 'no named model'}")
    return tuple(faults)


def _same_model(asked: str | None, found: str | None) -> bool:
    """Compare models; no model asked for is content with any."""
    return asked is None or asked.lower() == (found or "").lower()


def _widest(asked: Resources) -> int:
    return max(asked.tasks, asked.gpus, asked.nodes)


def _parts(total: int, parts: int) -> int:
    return -(-total // parts)
