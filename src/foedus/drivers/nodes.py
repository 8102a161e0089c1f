"""What drivers share: nodes that look the same, and the login that every job starts from."""

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spread import NodeGroup

LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"
"""``PATH`` of a fresh login."""

Look: TypeAlias = tuple[int, Mebibytes, int, str | None]
"""What one node has: CPUs, memory, GPUs, and their model."""


def grouped(nodes: Iterable[Look]) -> tuple[NodeGroup, ...]:
    """Gather nodes that look the same, the largest first: by GPUs, then CPUs, then memory."""
    counted = Counter(nodes)
    return tuple(
        NodeGroup(count=counted[look], cpus=look[0], memory=look[1], gpus=look[2], gpu_model=look[3])
        for look in sorted(counted, key=lambda look: (-look[2], -look[0], -look[1], look[3] or ""))
    )
