"""Which pieces of which nodes a request gets."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup
from foedus.drivers.local.nodes import Node, Piece, Portion, common, empty, fit, groups, take

NONE = Portion(cpus=0, memory=Mebibytes(0), gpus=0)
CPU = Node(name="cpu", cpus=8, memory=Mebibytes(800), guest=NONE)
GPUS = tuple(
    Node(
        name=f"gpu{index}",
        cpus=4,
        memory=Mebibytes(400),
        gpus=4,
        gpu_model="a100",
        guest=Portion(cpus=2, memory=Mebibytes(100), gpus=1),
        first_cpu=8 + 4 * (index - 1),
        first_gpu=4 * (index - 1),
    )
    for index in (1, 2)
)
SITE = empty((CPU, *GPUS))
TWO_NODES = Resources(nodes=2, tasks=3, gpus=2, gpus_per_node=1)


def piece(node, cpus, gpus, memory, tasks) -> Piece:
    return Piece(
        node=node,
        cpus=tuple(range(cpus)),
        gpus=tuple(range(gpus)),
        memory=Mebibytes(memory),
        tasks=tasks,
        gpu_model="a100" if node.startswith("gpu") else None,
    )


@pytest.mark.parametrize(
    ("asked", "guest", "pieces"),
    [
        (Resources(), False, (piece("cpu", 1, 0, 100, 1),)),
        (Resources(tasks=2, cpus_per_task=2), False, (piece("cpu", 4, 0, 400, 2),)),
        (Resources(gpus=2, memory_per_gpu=Mebibytes(50)), False, (piece("gpu1", 1, 2, 100, 1),)),
        (Resources(gpus=1, gpu_model="A100", memory_per_cpu=Mebibytes(7)), False, (piece("gpu1", 1, 1, 7, 1),)),
        (Resources(gpus=1, gpu_model="h100"), False, None),
        (Resources(gpus=6), False, (piece("gpu1", 1, 3, 50, 1), piece("gpu2", 1, 3, 50, 0))),
        (TWO_NODES, False, (piece("gpu1", 2, 1, 100, 2), piece("gpu2", 1, 1, 50, 1))),
        (replace(TWO_NODES, exclusive=True), False, (piece("gpu1", 4, 4, 200, 2), piece("gpu2", 4, 4, 200, 1))),
        (Resources(memory_per_node=Mebibytes(0)), False, (piece("cpu", 1, 0, 800, 1),)),
        (Resources(memory_per_node=Mebibytes(801)), False, None),
        (Resources(nodes=4), False, None),
        (Resources(tasks=5, tasks_per_node=2, nodes=2), False, None),
        (Resources(gpus=1), True, (piece("gpu1", 1, 1, 50, 1),)),
        (Resources(cpus_per_task=2, gpus=1), True, (piece("gpu1", 2, 1, 100, 1),)),
        (Resources(cpus_per_task=3), True, None),
        (Resources(exclusive=True), True, None),
    ],
)  # fmt: skip
def test_a_request_gets_the_emptiest_corner_that_will_do(asked, guest, pieces):
    assert fit(asked, SITE, guest=guest) == pieces


def test_gpus_that_are_tied_to_no_node_go_where_they_are_free():
    busy = take(SITE, (piece("gpu1", 1, 3, 50, 1),), guest=False)
    found = fit(Resources(nodes=2, gpus=5, memory_per_node=Mebibytes(1)), busy, guest=False)
    assert [(each.node, each.gpus) for each in found] == [("gpu2", (0, 1, 2, 3)), ("gpu1", (3,))]


def test_what_is_taken_is_gone_and_the_rest_is_counted():
    owner = take(SITE, (piece("gpu1", 2, 3, 200, 1), piece("gone", 1, 1, 1, 1)), guest=False)
    both = take(owner, (piece("gpu2", 1, 1, 60, 1),), guest=True)
    assert groups(both, guest=False) == (
        NodeGroup(count=1, cpus=3, memory=Mebibytes(340), gpus=3, gpu_model="a100"),
        NodeGroup(count=1, cpus=2, memory=Mebibytes(200), gpus=1, gpu_model="a100"),
        NodeGroup(count=1, cpus=8, memory=Mebibytes(800)),
    )
    assert groups(both, guest=True) == (
        NodeGroup(count=1, cpus=2, memory=Mebibytes(100), gpus=1, gpu_model="a100"),
        NodeGroup(count=1, cpus=1, memory=Mebibytes(40), gpus=0, gpu_model="a100"),
    )
    assert groups(SITE, guest=True) == (NodeGroup(count=2, cpus=2, memory=Mebibytes(100), gpus=1, gpu_model="a100"),)


requests = st.builds(
    Resources,
    tasks=st.integers(1, 6),
    cpus_per_task=st.integers(1, 3),
    gpus=st.integers(0, 8),
    memory_per_node=st.none() | st.integers(0, 500).map(Mebibytes),
    exclusive=st.booleans(),
)


@given(asked=st.lists(st.tuples(requests, st.booleans()), max_size=12))
def test_nothing_is_ever_handed_out_twice(asked):
    rooms = SITE
    held = []
    for request, guest in asked:
        pieces = fit(request, rooms, guest=guest)
        if pieces is not None:
            assert sum(len(each.gpus) for each in pieces) >= request.gpus
            assert sum(len(each.cpus) for each in pieces) >= request.tasks * request.cpus_per_task
            held.extend((each, guest) for each in pieces)
            rooms = take(rooms, pieces, guest=guest)
    cpus = [(each.node, cpu) for each, _ in held for cpu in each.cpus]
    gpus = [(each.node, gpu) for each, _ in held for gpu in each.gpus]
    assert (len(set(cpus)), len(set(gpus))) == (len(cpus), len(gpus))
    for node in (CPU, *GPUS):
        assert sum(each.memory for each, _ in held if each.node == node.name) <= node.memory
        of_guests = [each for each, guest in held if guest and each.node == node.name]
        assert sum(len(each.cpus) for each in of_guests) <= node.guest.cpus
        assert sum(each.memory for each in of_guests) <= node.guest.memory
    assert common(rooms, SITE) == common(SITE, rooms) == rooms


def test_a_room_is_common_only_where_both_have_it():
    one = take(SITE, (replace(piece("cpu", 1, 0, 10, 1), cpus=(0,)),), guest=False)
    other = take(SITE, (replace(piece("cpu", 1, 0, 30, 1), cpus=(7,)),), guest=False)
    room = common(one, other)["cpu"]
    assert (room.cpus, room.memory) == ((1, 2, 3, 4, 5, 6), 770)
