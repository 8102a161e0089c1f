import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup, nodes_needed, shortfall

GPU = NodeGroup(count=2, cpus=16, memory=65536, gpus=4, gpu_model="a100")
CPU = NodeGroup(count=3, cpus=8, memory=8192)


@pytest.mark.parametrize(
    ("asked", "each", "missing"),
    [
        (Resources(), CPU, ()),
        (Resources(nodes=3), CPU, ()),
        (Resources(nodes=4), CPU, ("needs 4 nodes, has 3",)),
        (Resources(tasks=24), CPU, ()),
        (Resources(tasks=25), CPU, ("needs 4 nodes, has 3",)),
        (Resources(tasks=24, nodes_max=2), CPU, ("needs 3 nodes, and the job takes at most 2",)),
        (Resources(tasks=5, cpus_per_task=5), CPU, ("needs 5 nodes, has 3",)),
        (Resources(cpus_per_task=9), CPU, ("needs 9 CPUs on a node, has 8",)),
        (Resources(tasks_per_node=3, cpus_per_task=3), CPU, ("needs 9 CPUs on a node, has 8",)),
        (Resources(tasks=7, tasks_per_node=2), CPU, ("needs 4 nodes, has 3",)),
        (Resources(memory_per_node=8193), CPU, ("needs 8193M of memory on a node, has 8G",)),
        (Resources(memory_per_cpu=2048, tasks=12), CPU, ()),
        (Resources(memory_per_cpu=2048, tasks=13), CPU, ("needs 4 nodes, has 3",)),
        (Resources(memory_per_cpu=2048, cpus_per_task=5), CPU, ("needs 10G of memory on a node, has 8G",)),
        (Resources(gpus=1), CPU, ("needs 1 GPU on a node, has none",)),
        (Resources(gpus=8), GPU, ()),
        (Resources(gpus=9), GPU, ("needs 3 nodes, has 2",)),
        (Resources(gpus=5, gpus_per_node=5), GPU, ("needs 5 GPUs on a node, has 4",)),
        (Resources(gpus=8, gpus_per_node=4, nodes=2), GPU, ()),
        (Resources(gpus=4, memory_per_gpu=32768), GPU, ()),
        (Resources(gpus=5, memory_per_gpu=32768), GPU, ("needs 3 nodes, has 2",)),
        (Resources(gpus=3, gpus_per_node=3, memory_per_gpu=32768), GPU, ("needs 96G of memory on a node, has 64G",)),
        (Resources(gpus=1, gpu_model="A100"), GPU, ()),
        (Resources(gpus=1, gpu_model="h100"), GPU, ("needs GPUs of model h100, has a100",)),
        (
            Resources(cpus_per_task=17, memory_per_node=65537, gpus=5, gpus_per_node=5),
            GPU,
            (
                "needs 17 CPUs on a node, has 16",
                "needs 65537M of memory on a node, has 64G",
                "needs 5 GPUs on a node, has 4",
            ),
        ),
    ],
)
def test_what_is_missing(asked, each, missing):
    assert shortfall(asked, each) == missing


@given(
    asked=st.builds(
        Resources,
        nodes=st.integers(1, 4),
        tasks=st.integers(1, 40),
        cpus_per_task=st.integers(1, 20),
        memory_per_cpu=st.none() | st.integers(0, 9000),
        gpus=st.integers(0, 12),
        memory_per_gpu=st.none() | st.integers(0, 70000),
    ),
    each=st.sampled_from([GPU, CPU]),
)
def test_the_fewest_nodes_hold_the_job_and_one_less_does_not(asked, each):
    needed = nodes_needed(asked, each)
    if needed is None:
        assert shortfall(asked, each) != ()
        return

    def holds(nodes: int) -> bool:
        tasks = each.cpus // asked.cpus_per_task
        if asked.memory_per_cpu and asked.memory_per_gpu is None:
            tasks = min(tasks, each.memory // (asked.memory_per_cpu * asked.cpus_per_task))
        gpus = min(each.gpus, each.memory // asked.memory_per_gpu) if asked.memory_per_gpu else each.gpus
        return nodes >= asked.nodes and nodes * tasks >= asked.tasks and nodes * gpus >= asked.gpus

    assert holds(needed)
    assert not holds(needed - 1)
