"""The ``[driver]`` table."""

import os
from pathlib import Path

import pytest

from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.units import Mebibytes, Seconds
from foedus.drivers.local.nodes import Node, Portion
from foedus.drivers.local.settings import LocalSettings, read


def faults(settings) -> list[tuple[str, str]]:
    with pytest.raises(BadInput) as caught:
        read(settings)
    return [(fault.path, fault.fault) for fault in caught.value.faults]


def test_everything_is_read(tmp_path):
    table = {
        "state": str(tmp_path),
        "name": "baku",
        "nodes": [
            {"name": "gpu", "count": 2, "cpus": 4, "memory_mib": 1000, "gpus": 2, "gpu_model": "A100"},
            {"name": "cpu", "cpus": 8, "memory_mib": 2000},
        ],
        "guest": {"nodes": ["gpu"], "cpus": 2, "gpus": 9, "preempted": True, "time_limit": 500},
        "time_limit": 60,
        "time_limit_max": 400,
        "path": ["/a", "/b"],
        "grace": 3,
        "poll": 1,
        "bind": False,
        "keep_days": 2,
    }
    portion = Portion(cpus=2, memory=Mebibytes(1000), gpus=2)
    gpu = {"cpus": 4, "memory": Mebibytes(1000), "gpus": 2, "gpu_model": "a100", "guest": portion}
    assert read(table) == LocalSettings(
        state=tmp_path,
        name="baku",
        nodes=(
            Node(name="gpu1", **gpu),
            Node(name="gpu2", **gpu, first_cpu=4, first_gpu=2),
            Node(
                name="cpu",
                cpus=8,
                memory=Mebibytes(2000),
                guest=Portion(cpus=0, memory=Mebibytes(0), gpus=0),
                first_cpu=8,
                first_gpu=4,
            ),
        ),
        guests=True,
        preempted=True,
        time_limit=Seconds(60),
        time_limit_max=Seconds(400),
        guest_time_limit=Seconds(400),
        path="/a:/b",
        grace=3.0,
        poll=1.0,
        keep=Seconds(172800),
        bind=False,
    )


def test_the_state_folder_alone_is_enough():
    found = read({"state": "here"})
    node = found.nodes[0]
    assert (found.state, found.guests, found.guest_time_limit) == (Path("here").absolute(), False, None)
    assert (len(found.nodes), node.name, node.cpus, node.gpus) == (1, "node", len(os.sched_getaffinity(0)), 0)
    assert node.memory > 100
    assert found.bind


def test_all_faults_come_at_once():
    table = {
        "nodes": [{"name": "N!", "cpus": 0, "memory_mib": "4G", "colour": "red"}],
        "guest": {"preempted": "yes", "time_limit": 0},
        "time_limt": 5,
        "grace": -1,
    }
    assert sorted(faults(table)) == [
        ("driver.grace", "-1 is less than 0"),
        ("driver.guest.preempted", "is neither true nor false"),
        ("driver.guest.time_limit", "0 is less than 1"),
        ("driver.nodes[0].colour", "there is no such field"),
        ("driver.nodes[0].cpus", "0 is less than 1"),
        ("driver.nodes[0].memory_mib", "is not a whole number"),
        ("driver.nodes[0].name", "is not written as ^[a-z][a-z0-9-]{0,40}$"),
        ("driver.state", "is missing"),
        ("driver.time_limt", "there is no such field"),
    ]


def test_faults_between_settings_come_at_once(tmp_path):
    table = {
        "state": tmp_path,
        "nodes": [{"name": "n1", "cpus": 1, "memory_mib": 1}, {"name": "n", "count": 2, "cpus": 1, "memory_mib": 1}],
        "guest": {"nodes": ["n", "m"]},
        "time_limit": 9,
        "time_limit_max": 8,
    }
    with pytest.raises(BadInput) as caught:
        read(table)
    assert caught.value.faults == (
        Fault(path="driver.nodes", fault="two nodes have the same name", remedy="give each table a `name` of its own"),
        Fault(path="driver.time_limit", fault="9 is more than time_limit_max, 8", remedy="lower it"),
        Fault(path="driver.guest.nodes", fault="there are no nodes named 'm'", remedy="use one of n, n1"),
    )
    assert faults({"state": tmp_path, "nodes": []}) == [("driver.nodes", "there is no node")]
