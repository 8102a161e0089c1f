"""Whether a job fits nodes of one kind: the one place where requests meet machines.

It takes plain facts, so that it serves the pools of an agreement as well as what a site says is free. GPU models are
equal if they are spelled alike, whatever the case: ``a100`` is not ``nvidia-a100``, since the site's own scheduler
takes only its own spelling.
"""

from dataclasses import dataclass

from foedus.core.base.units import Mebibytes, mebibytes
from foedus.core.jobs.spec import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Nodes of one kind: how many, and what each has."""

    count: int
    cpus: int
    memory: Mebibytes
    gpus: int = 0
    gpu_model: str | None = None


def nodes_needed(asked: Resources, each: Nodes) -> int | None:
    """Return the fewest nodes of this kind that hold the job; `None` if one of its parts fits no such node.

    It may be more than there are: tasks and GPUs are spread over as many nodes as it takes, unless the request fixes
    the spread.
    """
    if _too_small(asked, each):
        return None
    needed = asked.nodes
    if asked.tasks_per_node is None:
        needed = max(needed, _ceiling(asked.tasks, _tasks_held(asked, each)))
    else:
        needed = max(needed, _ceiling(asked.tasks, asked.tasks_per_node))
    if asked.gpus and asked.gpus_per_node is None:
        needed = max(needed, _ceiling(asked.gpus, _gpus_held(asked, each)))
    return needed


def shortfall(asked: Resources, each: Nodes) -> tuple[str, ...]:
    """Say what is missing for the job to run on these nodes when all are empty; nothing if it fits."""
    faults = _too_small(asked, each)
    if faults:
        return faults
    needed = nodes_needed(asked, each) or 0
    if needed > each.count:
        return (f"needs {needed} nodes, has {each.count}",)
    if asked.nodes_max is not None and needed > asked.nodes_max:
        return (f"needs {needed} nodes, and the job takes at most {asked.nodes_max}",)
    return ()


def _too_small(asked: Resources, each: Nodes) -> tuple[str, ...]:
    faults: list[str] = []
    cpus = (asked.tasks_per_node or 1) * asked.cpus_per_task
    if cpus > each.cpus:
        faults.append(f"needs {cpus} CPUs on a node, has {each.cpus}")
    memory = _memory_of_smallest_part(asked, cpus)
    if memory > each.memory:
        faults.append(f"needs {mebibytes(memory)} of memory on a node, has {mebibytes(each.memory)}")
    if asked.gpus:
        gpus = asked.gpus_per_node or 1
        if gpus > each.gpus:
            faults.append(f"needs {gpus} GPU{'s' if gpus > 1 else ''} on a node, has {each.gpus or 'none'}")
        elif asked.gpu_model and asked.gpu_model.lower() != (each.gpu_model or "").lower():
            faults.append(f"needs GPUs of model {asked.gpu_model}, has {each.gpu_model or 'no named model'}")
    return tuple(faults)


def _memory_of_smallest_part(asked: Resources, cpus: int) -> int:
    if asked.memory_per_node is not None:
        return asked.memory_per_node
    if asked.memory_per_gpu is not None:
        return asked.memory_per_gpu * (asked.gpus_per_node or 1)
    return (asked.memory_per_cpu or 0) * cpus


def _tasks_held(asked: Resources, each: Nodes) -> int:
    held = each.cpus // asked.cpus_per_task
    if asked.memory_per_cpu and asked.memory_per_node is None and asked.memory_per_gpu is None:
        held = min(held, each.memory // (asked.memory_per_cpu * asked.cpus_per_task))
    return held


def _gpus_held(asked: Resources, each: Nodes) -> int:
    if asked.memory_per_gpu and asked.memory_per_node is None:
        return min(each.gpus, each.memory // asked.memory_per_gpu)
    return each.gpus


def _ceiling(amount: int, part: int) -> int:
    return -(-amount // part)
