"""Which attempts start, wait, or make room."""

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.spec import Resources
from foedus.drivers.local.nodes import Node, Piece, Portion
from foedus.drivers.local.queue import Holding, Wait, Waiting, decide

NODE = Node(name="n", cpus=4, memory=Mebibytes(400), gpus=4, guest=Portion(cpus=4, memory=Mebibytes(400), gpus=4))
NOW = 1000


def piece(first, count) -> Piece:
    cpus = tuple(range(first, first + count))
    return Piece(node="n", cpus=cpus, gpus=(), memory=Mebibytes(100 * count), tasks=1)


def holding(key, first, count, *, ends=NOW + 500, guest=False, started=NOW - 10, stopping=False) -> Holding:
    return Holding(key=key, guest=guest, pieces=(piece(first, count),), started=started, ends=ends, stopping=stopping)


def waiting(key, cpus, *, limit=100, guest=False, order=1) -> Waiting:
    return Waiting(key=key, guest=guest, asked=Resources(cpus_per_task=cpus), limit=limit, order=(NOW, order))


def turn(holdings, queue, *, preempt=False):
    decision = decide((NODE,), holdings, queue, preempt=preempt, now=NOW)
    return [key for key, _ in decision.starts], list(decision.displaced), decision.waits


def test_the_queue_is_first_come_first_served():
    queue = [waiting("c", 1, order=3), waiting("a", 2, order=1), waiting("b", 1, order=2)]
    assert turn([], queue) == (["a", "b", "c"], [], {})
    decision = decide((NODE,), [], queue, preempt=False, now=NOW)
    assert [pieces for _, pieces in decision.starts] == [(piece(0, 2),), (piece(2, 1),), (piece(3, 1),)]


def test_owners_go_before_guests_whoever_came_first():
    queue = [waiting("guest", 3, guest=True, order=1), waiting("owner", 3, order=2)]
    assert turn([], queue) == (["owner"], [], {"guest": Wait.RESOURCES})


def test_a_later_job_starts_early_only_if_it_delays_nobody():
    running = [holding("r", 0, 2, ends=NOW + 50)]
    first = waiting("first", 4, order=1)
    assert turn(running, [first, waiting("short", 2, limit=50, order=2)]) == (["short"], [], {"first": Wait.RESOURCES})
    assert turn(running, [first, waiting("long", 2, limit=51, order=2)]) == (
        [],
        [],
        {"first": Wait.RESOURCES, "long": Wait.PRIORITY},
    )


def test_a_long_job_may_use_what_the_reserved_one_will_leave():
    running = [holding("r", 0, 3, ends=NOW + 50)]
    long = waiting("long", 1, limit=9999, order=2)
    assert turn(running, [waiting("first", 3, order=1), long]) == (["long"], [], {"first": Wait.RESOURCES})
    assert turn(running, [waiting("first", 4, order=1), long]) == (
        [],
        [],
        {"first": Wait.RESOURCES, "long": Wait.PRIORITY},
    )


def test_a_job_that_no_empty_site_could_hold_blocks_nobody():
    assert turn([], [waiting("huge", 5, order=1), waiting("small", 1, order=2)]) == (
        ["small"],
        [],
        {"huge": Wait.TOO_LARGE},
    )


def test_owners_displace_the_fewest_and_youngest_guests():
    guests = [
        holding("old", 0, 2, guest=True, started=NOW - 90),
        holding("young", 2, 1, guest=True, started=NOW - 10),
        holding("younger", 3, 1, guest=True, started=NOW - 5),
    ]
    assert turn(guests, [waiting("owner", 1)], preempt=True) == ([], ["younger"], {"owner": Wait.RESOURCES})
    assert turn(guests, [waiting("owner", 2)], preempt=True) == ([], ["young", "younger"], {"owner": Wait.RESOURCES})
    assert turn(guests, [waiting("one", 1, order=1), waiting("two", 1, order=2)], preempt=True) == (
        [],
        ["young", "younger"],
        {"one": Wait.RESOURCES, "two": Wait.RESOURCES},
    )
    assert turn(guests, [waiting("owner", 2)]) == ([], [], {"owner": Wait.RESOURCES})


def test_guests_that_are_leaving_already_are_enough_and_their_place_is_kept():
    held = [holding("leaving", 0, 2, guest=True, stopping=True), holding("stays", 2, 2, guest=True, ends=NOW + 10)]
    queue = [waiting("owner", 2, order=1), waiting("guest", 1, guest=True, limit=1, order=0)]
    assert turn(held, queue, preempt=True) == (
        [],
        [],
        {"owner": Wait.RESOURCES, "guest": Wait.RESOURCES},
    )


def test_guests_are_not_displaced_for_an_owner_who_would_not_fit_all_the_same():
    held = [holding("mine", 0, 2), holding("guest", 2, 1, guest=True)]
    assert turn(held, [waiting("owner", 3)], preempt=True) == ([], [], {"owner": Wait.RESOURCES})
