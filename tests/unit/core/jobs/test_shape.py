import pytest

from foedus.core.base.errors import BadInput
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import Resources


def needs(options: str) -> Resources:
    return parse(f"#!/bin/sh\n#SBATCH {options}\n").resources


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", Resources()),
        ("-N2", Resources(nodes=2, tasks=2)),
        ("-N2-4", Resources(nodes=2, nodes_max=4, tasks=2)),
        ("-n4", Resources(tasks=4)),
        ("-n4 -N2", Resources(nodes=2, tasks=4)),
        ("-n3 -N2-8", Resources(nodes=2, nodes_max=3, tasks=3)),
        ("-n2 -N4", Resources(nodes=2, tasks=2)),
        ("-N2 --ntasks-per-node=4", Resources(nodes=2, tasks=8, tasks_per_node=4)),
        ("-N2-3 --ntasks-per-node=4", Resources(nodes=2, nodes_max=3, tasks=8, tasks_per_node=4)),
        ("--tasks-per-node=4", Resources(tasks=4, tasks_per_node=4)),
        ("-n8 --ntasks-per-node=3", Resources(nodes=3, tasks=8, tasks_per_node=3)),
        ("-n2 -c8", Resources(tasks=2, cpus_per_task=8)),
        ("-N2 --sockets-per-node=2 --cores-per-socket=4", Resources(nodes=2, tasks=16)),
        ("-N2 -B 2:4", Resources(nodes=2, tasks=16)),
        ("-B 2:*:1", Resources(tasks=2)),
        ("-n3 -B 2-4:4", Resources(tasks=3)),
        ("--mem=64G", Resources(memory_per_node=Mebibytes(65536))),
        ("--mem=0", Resources(memory_per_node=Mebibytes(0))),
        ("--mem-per-cpu=2000", Resources(memory_per_cpu=Mebibytes(2000))),
        ("--mem=1G --mem=2G", Resources(memory_per_node=Mebibytes(2048))),
        ("-t 1:30:00", Resources(time_limit=Seconds(5400))),
        ("--time=0", Resources()),
        ("--exclusive", Resources(exclusive=True)),
        ("--exclusive=USER", Resources(exclusive=True)),
        ("--exclusive=mcs", Resources(exclusive=True)),
        ("--exclusive -s", Resources()),
        ("-s --exclusive", Resources(exclusive=True)),
        ("--exclusive=oversubscribe", Resources()),
        ("--gpus=2", Resources(gpus=2)),
        ("-G a100:2", Resources(gpus=2, gpu_model="a100")),
        ("-N3 --gres=gpu:H100:2", Resources(nodes=3, tasks=3, gpus=6, gpus_per_node=2, gpu_model="h100")),
        ("-N2 --gpus-per-node=4", Resources(nodes=2, tasks=2, gpus=8, gpus_per_node=4)),
        ("--gpus-per-node=4 --gres=gpu:2", Resources(gpus=2, gpus_per_node=2)),
        ("--gres=gpu:2 --gres=none", Resources()),
        ("--gpus=8 --gpus-per-node=4", Resources(nodes=2, tasks=2, gpus=8, gpus_per_node=4)),
        ("-N1-4 --gpus=8 --gpus-per-node=4", Resources(nodes=2, tasks=2, gpus=8, gpus_per_node=4)),
        ("-N2-8 --gpus=4", Resources(nodes=2, nodes_max=4, tasks=2, gpus=4)),
        ("-n4 --gpus-per-task=2", Resources(tasks=4, gpus=8)),
        ("-N2 --gpus-per-task=1", Resources(nodes=2, tasks=2, gpus=2)),
        (
            "-N2 --ntasks-per-node=4 --gpus-per-task=1",
            Resources(nodes=2, tasks=8, tasks_per_node=4, gpus=8, gpus_per_node=4),
        ),
        ("--gpus=8 --gpus-per-task=2", Resources(tasks=4, gpus=8)),
        ("-n4 --gpus=8 --gpus-per-task=2", Resources(tasks=4, gpus=8)),
        (
            "-N2 --gpus-per-socket=2 --sockets-per-node=2",
            Resources(nodes=2, tasks=4, gpus=8, gpus_per_node=4),
        ),
        ("--gpus=4 --ntasks-per-gpu=2", Resources(tasks=8, gpus=4)),
        ("-n8 --ntasks-per-gpu=2", Resources(tasks=8, gpus=4)),
        ("-n1 --ntasks-per-gpu=2", Resources()),
        ("-n8 --ntasks-per-tres=4", Resources(tasks=8, gpus=2)),
        ("-N2 --ntasks-per-gpu=2", Resources(nodes=2, tasks=4, gpus=2)),
        ("--gpus=4 --cpus-per-gpu=8", Resources(cpus_per_task=32, gpus=4)),
        ("-n2 --gpus-per-task=2 --cpus-per-gpu=8", Resources(tasks=2, cpus_per_task=16, gpus=4)),
        ("--gpus=2 --mem-per-gpu=16G", Resources(gpus=2, memory_per_gpu=Mebibytes(16384))),
    ],
)
def test_what_the_job_needs(options, expected):
    assert needs(options) == expected


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ("--mem=5 --mem-per-cpu=4", ["--mem and --mem-per-cpu"]),
        ("--mem-per-gpu=4", ["--mem-per-gpu"]),
        ("--gpus=1 -c2 --cpus-per-gpu=2", ["--cpus-per-gpu and --cpus-per-task"]),
        ("-S1 --thread-spec=1", ["--core-spec and --thread-spec"]),
        ("--gpus=a100:8 --gpus-per-node=4", ["--gpus and --gpus-per-node"]),
        ("--gpus=a100:2 --gres=gpu:v100:2", ["--gpus and --gres"]),
        ("--gpus=7 --gpus-per-node=4", ["--gpus and --gpus-per-node"]),
        ("-N1 --gpus=8 --gres=gpu:4", ["--gpus and --gres"]),
        ("--gpus=7 --gpus-per-task=2", ["--gpus and --gpus-per-task"]),
        ("-n3 --gpus=8 --gpus-per-task=2", ["--gpus and --gpus-per-task"]),
        ("--gpus-per-task=1", ["--gpus-per-task"]),
        ("-N2 -c2 --gpus-per-task=1", ["--gpus-per-task"]),
        ("--gpus-per-socket=1", ["--gpus-per-socket"]),
        ("--gpus=1 --gpus-per-socket=2 --sockets-per-node=1", ["--gpus and --gpus-per-socket"]),
        ("-n2 --gpus-per-socket=1 --sockets-per-node=2 --gpus-per-task=2", ["--gpus-per-socket and --gpus-per-task"]),
        ("-N2 --gpus=1", ["--gpus and --nodes"]),
        ("--ntasks-per-gpu=2", ["--ntasks-per-gpu"]),
        ("-n3 --ntasks-per-gpu=2", ["--ntasks-per-gpu and --ntasks"]),
        ("--gpus=1 --ntasks-per-gpu=2 --ntasks-per-node=2", ["--ntasks-per-gpu and --ntasks-per-node"]),
        ("--gpus=1 --ntasks-per-gpu=2 --ntasks-per-tres=3", ["--ntasks-per-gpu and --ntasks-per-tres"]),
        ("--exclusive=me", ["--exclusive"]),
        ("-B 1:2:3:4", ["--extra-node-info"]),
        ("-m arbitrary", ["--distribution"]),
        ("-t x -t 5 -N 0 --mem=1P", ["--nodes", "--mem", "--time"]),
    ],
)
def test_what_sbatch_would_not_take_together_is_refused(options, paths):
    with pytest.raises(BadInput) as caught:
        needs(options)
    assert [fault.path for fault in caught.value.faults] == [f"line 2: {path}" for path in paths]


def test_fewer_tasks_than_nodes_are_told():
    spec = parse("#!/bin/sh\n#SBATCH -n2 -N4\n")
    assert spec.notices == ("2 tasks do not fill 4 nodes; sbatch asks for 2 nodes, and so does Foedus",)
