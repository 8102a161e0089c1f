"""Whether a job fits the nodes of a pool when all are empty, and what is missing if it does not, in words."""

from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, most_nodes, nodes_needed, shortages, smallest_share


def shortfall(asked: Resources, each: NodeGroup) -> tuple[str, ...]:
    """Say what is missing for the job to run on these nodes when all are empty; nothing if it fits."""
    needed = nodes_needed(asked, each)
    if needed is None:
        return shortages(smallest_share(asked), each)
    if needed > each.count:
        return (f"needs {needed} nodes, has {each.count}",)
    most = most_nodes(asked)
    if needed > most:
        return (f"needs {needed} nodes, and the job takes at most {most}",)
    return ()
