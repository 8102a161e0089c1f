"""Waiting jobs of one site in the order of arrival, found by what fits without looking at what does not.

A tree over all places in that order. Its leaves are the jobs; every node keeps the least width and the least limit that
wait below it. So the next job that fits costs the logarithm of the queue, however many wait that do not. The trees of
all sites lie in one table; node 1, the root, is at `base + 1`.
"""

from collections.abc import Sequence

from foedus.core.placement.kernels import NEVER, kernel
from foedus.core.placement.tables import put_column, table


class Node:
    """The least that waits below; `NEVER` for nothing."""

    __slots__ = ("limit", "width")
    width: int
    """Units."""
    limit: int
    """Seconds."""


def trees(leaves: int) -> Sequence[Node]:
    """Plant empty trees with so many leaves together."""
    found = table(Node, 2 * leaves)
    put_column(found, "width", NEVER)
    put_column(found, "limit", NEVER)
    return found


def leaves_for(count: int) -> int:
    """Return how many leaves a tree for so many jobs has."""
    return 1 << max(0, count - 1).bit_length()


@kernel
def put(nodes: Sequence[Node], base: int, leaves: int, leaf: int, width: int, limit: int) -> None:
    """Let a job wait; with `NEVER` twice: take it out."""
    node = leaf + leaves
    here = nodes[base + node]
    here.width = width
    here.limit = limit
    node >>= 1
    while node:
        here = nodes[base + node]
        left = nodes[base + 2 * node]
        right = nodes[base + 2 * node + 1]
        wide = min(left.width, right.width)
        long = min(left.limit, right.limit)
        if here.width == wide and here.limit == long:
            return
        here.width = wide
        here.limit = long
        node >>= 1


@kernel
def take(nodes: Sequence[Node], base: int, leaves: int, leaf: int) -> None:
    """Take a job out, if it is in."""
    if nodes[base + leaves + leaf].width != NEVER:
        put(nodes, base, leaves, leaf, NEVER, NEVER)


@kernel
def first(nodes: Sequence[Node], base: int, leaves: int, leaf: int, free: int, spare: int, slack: int) -> int:
    """Return the first job from `leaf` on that fits in `free`, and in `spare` or ends within `slack`; -1 if none."""
    if leaf >= leaves:
        return -1
    node = leaf + leaves
    while True:
        here = nodes[base + node]
        if here.width <= free and (here.width <= spare or here.limit <= slack):
            if node >= leaves:
                return node - leaves
            node *= 2
            continue
        while node & 1:
            node >>= 1
        if node == 0:
            return -1
        node += 1


@kernel
def oldest(nodes: Sequence[Node], base: int, leaves: int, leaf: int) -> int:
    """Return the first job from `leaf` on; -1 if none."""
    return first(nodes, base, leaves, leaf, NEVER - 1, NEVER - 1, 0)
