"""Variables, output patterns, names of nodes."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.spec import ArrayTask, Resources
from foedus.drivers.local.conduct import Conduct
from foedus.drivers.local.environment import Placed, counts, default_output, node_list, output_path, variables
from foedus.drivers.local.nodes import Node, Piece, Portion
from foedus.drivers.local.ticket import Account, Ticket, dump, load

TICKET = Ticket(
    marker=Marker(alliance=AllianceId("pact"), job=JobId("70_4"), attempt=2),
    native_id=42,
    submitted=1000,
    account=Account(name="leyla", uid=1001, gid=1002, home="/home/leyla", shell="/bin/zsh"),
    guest=True,
    folder=Path("/runs/70_4"),
    script="#!/bin/sh\n",
    arguments=("a b",),
    environment=(("PATH", "/mine"), ("SEED", "7"), ("SLURM_JOB_ID", "1")),
    name="şəhər",
    asked=Resources(nodes=2, tasks=3, gpus=3, memory_per_cpu=Mebibytes(100)),
    limit=Seconds(600),
    requeue=None,
    output=None,
    error=None,
    chdir=None,
    task=ArrayTask(array=JobId("70"), index=4, count=3, lowest=0, highest=8, step=4),
    conduct=Conduct(warning=10, exported=(("A", "b"),)),
)
ALONE = replace(TICKET, task=None)


@pytest.mark.parametrize(
    ("pattern", "ticket", "path"),
    [
        ("slurm-%A_%a.out", TICKET, "slurm-70_4.out"),
        ("%3a-%6j-%x-%u-%N-%%-%J-%n-%s-%t", TICKET, "004-000042-şəhər-leyla-n1-%-42.batch-0-batch-0"),
        ("%A_%a", ALONE, "42_4294967294"),
        ("%12j|%3x|%q|50%", ALONE, "0000000042|şəhər|%q|50%"),
        (r"\%j", ALONE, "%j"),
    ],
)
def test_output_patterns(pattern, ticket, path):
    assert output_path(pattern, ticket, "n1") == path


@given(st.text())
def test_a_pattern_without_signs_is_itself(text):
    plain = text.replace("%", "").replace("\\", "")
    assert output_path(plain, TICKET, "n1") == plain


def test_default_outputs():
    assert (default_output(TICKET), default_output(ALONE)) == ("slurm-%A_%a.out", "slurm-%j.out")


def test_variables_are_slurms_on_top_of_the_users_on_top_of_a_login():
    node = Node(name="n1", cpus=4, memory=Mebibytes(1000), gpus=2, guest=Portion(cpus=0, memory=Mebibytes(0), gpus=0))
    nodes = {"n1": node, "n2": replace(node, name="n2", first_cpu=4, first_gpu=2)}
    pieces = (
        Piece(node="n1", cpus=(0, 1), gpus=(0, 1), memory=Mebibytes(200), tasks=2),
        Piece(node="n2", cpus=(3,), gpus=(1,), memory=Mebibytes(100), tasks=1),
    )
    placed = Placed(ticket=TICKET, restart=1, pieces=pieces, nodes=nodes, started=5000)
    assert (placed.cpus, placed.gpus) == ([0, 1, 7], [0, 1, 3])
    assert variables(placed, cluster="baku", path="/venv/bin", mark=("MARK", "m")) == {
        "CUDA_VISIBLE_DEVICES": "0,1,3",
        "ENVIRONMENT": "BATCH",
        "GPU_DEVICE_ORDINAL": "0,1,3",
        "HOME": "/home/leyla",
        "LANG": "C.UTF-8",
        "LOGNAME": "leyla",
        "MARK": "m",
        "PATH": "/mine",
        "ROCR_VISIBLE_DEVICES": "0,1,3",
        "SEED": "7",
        "SHELL": "/bin/zsh",
        "SLURMD_NODENAME": "n1",
        "SLURM_ARRAY_JOB_ID": "70",
        "SLURM_ARRAY_TASK_COUNT": "3",
        "SLURM_ARRAY_TASK_ID": "4",
        "SLURM_ARRAY_TASK_MAX": "8",
        "SLURM_ARRAY_TASK_MIN": "0",
        "SLURM_ARRAY_TASK_STEP": "4",
        "SLURM_CLUSTER_NAME": "baku",
        "SLURM_CPUS_ON_NODE": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_GPUS": "3",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_GTIDS": "0",
        "SLURM_JOBID": "42",
        "SLURM_JOB_CPUS_PER_NODE": "2,1",
        "SLURM_JOB_END_TIME": "5600",
        "SLURM_JOB_GID": "1002",
        "SLURM_JOB_GPUS": "0,1,3",
        "SLURM_JOB_ID": "42",
        "SLURM_JOB_NAME": "şəhər",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_PARTITION": "guest",
        "SLURM_JOB_START_TIME": "5000",
        "SLURM_JOB_UID": "1001",
        "SLURM_JOB_USER": "leyla",
        "SLURM_LOCALID": "0",
        "SLURM_MEM_PER_CPU": "100",
        "SLURM_NNODES": "2",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "n[1-2]",
        "SLURM_NPROCS": "3",
        "SLURM_NTASKS": "3",
        "SLURM_PROCID": "0",
        "SLURM_RESTART_COUNT": "1",
        "SLURM_SUBMIT_DIR": "/runs/70_4/work",
        "SLURM_SUBMIT_HOST": "baku",
        "SLURM_TASKS_PER_NODE": "2,1",
        "TMPDIR": "/tmp",
        "USER": "leyla",
    }


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["node"], "node"),
        (["n3"], "n3"),
        (["n10", "n2", "n1", "n3", "m1", "login"], "login,m1,n[1-3,10]"),
    ],
)
def test_node_lists(names, text):
    assert node_list(names) == text


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_counts_say_the_same_as_the_numbers(numbers):
    parts = [re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups() for part in counts(numbers).split(",")]
    assert [int(number) for number, times in parts for _ in range(int(times or 1))] == numbers
    assert all(one[0] != other[0] for one, other in pairwise(parts))


def test_a_ticket_survives_the_disk():
    assert load(dump(TICKET)) == TICKET
    assert load(dump(ALONE)) == ALONE
