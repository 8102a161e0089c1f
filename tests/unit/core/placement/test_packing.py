from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, most_nodes, nodes_needed, share
from foedus.core.placement.packing import pack, useless, without

GPU = NodeGroup(count=2, cpus=16, memory=65536, gpus=4, gpu_model="a100")
CPU = NodeGroup(count=3, cpus=8, memory=8192)
SITE = (GPU, CPU)


def gpu(count: int, cpus: int, memory: int, gpus: int) -> NodeGroup:
    return NodeGroup(count=count, cpus=cpus, memory=memory, gpus=gpus, gpu_model="a100")


def cpu(count: int, cpus: int, memory: int) -> NodeGroup:
    return NodeGroup(count=count, cpus=cpus, memory=memory)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (Resources(), (GPU, cpu(2, 8, 8192), cpu(1, 7, 8192))),
        (Resources(nodes=3, tasks=3), (GPU, cpu(3, 7, 8192))),
        (Resources(nodes=4, tasks=4), (gpu(1, 16, 65536, 4), gpu(1, 15, 65536, 4), cpu(3, 7, 8192))),
        (Resources(tasks=20), (CPU, gpu(2, 6, 65536, 4))),
        (Resources(tasks=40, cpus_per_task=1), (gpu(2, 8, 65536, 4), cpu(3, 0, 8192))),
        (Resources(gpus=1, gpu_model="A100"), (CPU, gpu(1, 16, 65536, 4), gpu(1, 15, 65536, 3))),
        (Resources(gpus=6, memory_per_gpu=1024), (CPU, gpu(2, 15, 65536 - 3072, 1))),
        (Resources(gpus=8, gpus_per_node=4, nodes=2, tasks=2), (CPU, gpu(2, 15, 65536, 0))),
        (Resources(memory_per_node=0), (GPU, cpu(2, 8, 8192), cpu(1, 7, 0))),
        (Resources(exclusive=True), (GPU, cpu(2, 8, 8192))),
        (Resources(exclusive=True, gpus=1), (CPU, gpu(1, 16, 65536, 4))),
        (Resources(nodes=6, tasks=6), None),
        (Resources(gpus=9), None),
        (Resources(gpus=1, gpu_model="h100"), None),
        (Resources(gpus=5, gpus_per_node=5), None),
        (Resources(nodes=2, tasks=80), None),
        (Resources(tasks=32, nodes_max=2), (CPU, gpu(2, 0, 65536, 4))),
        (Resources(tasks=33, nodes_max=2), None),
    ],
)
def test_what_is_left(asked, left):
    found = pack(asked, SITE, SITE)
    assert found == left if left is None else Counter(found) == Counter(left)


def test_a_lane_that_gives_a_job_few_nodes():
    assert pack(Resources(tasks=20), SITE, SITE, nodes_per_job=2) == (CPU, gpu(2, 6, 65536, 4))
    assert pack(Resources(tasks=20), SITE, SITE, nodes_per_job=1) is None
    assert pack(Resources(nodes=3, tasks=3), SITE, SITE, nodes_per_job=2) is None


def test_who_shares_with_nobody_takes_untouched_nodes_only():
    busy = (gpu(2, 15, 65536, 4), cpu(1, 8, 8000), cpu(1, 8, 8192))
    assert pack(Resources(exclusive=True), busy, SITE) == busy[:2]
    assert pack(Resources(exclusive=True, gpus=1), busy, SITE) is None


def test_who_wants_all_memory_takes_nodes_whose_memory_nobody_has():
    busy = (gpu(1, 10, 65536, 0), cpu(3, 8, 8000))
    assert pack(Resources(memory_per_node=0), busy, SITE) == (cpu(3, 8, 8000), gpu(1, 9, 0, 0))
    assert pack(Resources(memory_per_node=0, gpus=1), busy, SITE) is None


def test_a_job_whose_room_is_partly_gone_takes_what_there_is():
    assert without(Resources(nodes=2, tasks=32), (gpu(1, 16, 65536, 4), CPU), SITE) == (CPU, gpu(1, 0, 65536, 4))
    assert without(Resources(gpus=9), (CPU,), SITE) == (CPU,)


def test_nodes_that_a_job_could_never_use():
    full = (gpu(2, 3, 0, 0), cpu(3, 1, 0))
    assert useless(Resources(gpus=2), full, SITE) == (cpu(3, 1, 0),)
    assert useless(Resources(cpus_per_task=9), full, SITE) == (cpu(3, 1, 0),)
    assert useless(Resources(), full, SITE) == ()


groups = st.lists(
    st.builds(
        NodeGroup,
        count=st.integers(1, 4),
        cpus=st.integers(0, 16),
        memory=st.integers(0, 64),
        gpus=st.integers(0, 4),
        gpu_model=st.sampled_from([None, "a100", "h100"]),
    ),
    max_size=4,
)
requests = st.builds(
    Resources,
    nodes=st.integers(1, 4),
    nodes_max=st.none() | st.integers(4, 6),
    tasks=st.integers(1, 24),
    tasks_per_node=st.none(),
    cpus_per_task=st.integers(1, 6),
    memory_per_node=st.none() | st.integers(0, 64),
    gpus=st.integers(0, 8),
    gpu_model=st.sampled_from([None, "a100", "h100"]),
    exclusive=st.booleans(),
)


def total(nodes, field):
    return sum(group.count * getattr(group, field) for group in nodes)


@given(asked=requests, free=groups)
def test_packing_takes_exactly_one_share_of_each_node(asked, free):
    left = pack(asked, free, free)
    if left is None:
        return
    if asked.exclusive:
        taken = sum(group.count for group in free) - sum(group.count for group in left)
        assert asked.nodes <= taken <= most_nodes(asked)
        return
    assert all(min(group.cpus, group.memory, group.gpus) >= 0 and group.count > 0 for group in left)
    assert sum(group.count for group in left) == sum(group.count for group in free)
    exact = [
        nodes
        for nodes in range(asked.nodes, most_nodes(asked) + 1)
        if total(free, "cpus") - total(left, "cpus") == nodes * share(asked, nodes).cpus
        and total(free, "gpus") - total(left, "gpus") == nodes * share(asked, nodes).gpus
        and (
            asked.memory_per_node == 0
            or total(free, "memory") - total(left, "memory") == nodes * share(asked, nodes).memory
        )
    ]
    assert exact


@given(asked=requests, kind=groups.filter(bool).map(lambda found: found[0]))
def test_admission_and_placement_agree_on_empty_nodes_of_one_kind(asked, kind):
    needed = nodes_needed(asked, kind)
    fits = needed is not None and needed <= min(kind.count, most_nodes(asked))
    assert (pack(asked, (kind,), (kind,)) is not None) == fits


@given(asked=requests, free=groups, extra=st.integers(1, 3))
def test_more_free_nodes_never_make_a_job_wait(asked, free, extra):
    more = [replace(group, count=group.count + extra) for group in free]
    if pack(asked, free, free) is not None:
        assert pack(asked, more, free) is not None
