from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.core.placement.decide import (
    Bind,
    Considered,
    Held,
    Hindrance,
    Placing,
    SiteNow,
    Waiting,
    consider,
)
from foedus.core.placement.packing import pack, useless

NOW = 10_000_000
PATIENCE = 600
ONE_GPU = Resources(gpus=1)
GPUS = NodeGroup(count=1, cpus=16, memory=65536, gpus=4, gpu_model="a100")
CPUS = NodeGroup(count=1, cpus=8, memory=8192)
HOME = (("jerusalem", False),)
AWAY = (("baku", True),)
BOTH = (("jerusalem", False), ("baku", True))


def lane(name="owner", free=(GPUS, CPUS), whole=(GPUS, CPUS), **changes):
    return Lane(name=name, free=free, whole=whole, **changes)


def site(**changes):
    given = {"capacity": Capacity(owner=lane(), guest=lane("guest")), "reachable": True, "draining": False}
    return SiteNow(**(given | changes))


def waiting(job, resources=ONE_GPU, sites=HOME, *, age=0):
    return Waiting(job=job, resources=resources, sites=sites, since=NOW - age * 1000)


def binds(jobs, sites):
    placing = Placing(sites=sites, patience=PATIENCE, now=NOW)
    return [bind for bind in map(placing.offer, jobs) if bind is not None]


def run(jobs, **sites):
    return [(bind.job, bind.site) for bind in binds(jobs, sites)]


def can(where, *, guest):
    return Considered(site=where, guest=guest, hindrance=None)


def cannot(where, hindrance, detail="", *, guest):
    return Considered(site=where, guest=guest, hindrance=hindrance, detail=detail)


def test_home_first_then_the_guest_lane_and_each_binding_says_what_was_found():
    jobs = [waiting("1", Resources(gpus=4), BOTH), waiting("2", sites=BOTH), waiting("3", sites=BOTH)]
    full = cannot("jerusalem", Hindrance.NO_ROOM, guest=False)
    assert binds(jobs, {"jerusalem": site(), "baku": site()}) == [
        Bind(job="1", site="jerusalem", guest=False, considered=(can("jerusalem", guest=False),)),
        Bind(job="2", site="baku", guest=True, considered=(full, can("baku", guest=True))),
        Bind(job="3", site="baku", guest=True, considered=(full, can("baku", guest=True))),
    ]


@pytest.mark.parametrize(
    ("now", "asked", "found"),
    [
        (None, ONE_GPU, (Hindrance.UNREACHABLE, "")),
        (site(reachable=False), ONE_GPU, (Hindrance.UNREACHABLE, "")),
        (site(capacity=None), ONE_GPU, (Hindrance.UNREACHABLE, "")),
        (site(draining=True), ONE_GPU, (Hindrance.DRAINING, "")),
        (site(capacity=Capacity(owner=None, guest=lane())), ONE_GPU, (Hindrance.NO_LANE, "owners")),
        (site(capacity=Capacity(owner=lane(open=False), guest=None)), ONE_GPU, (Hindrance.CLOSED, "owner")),
        (
            site(capacity=Capacity(owner=lane(time_limit=60), guest=None)),
            Resources(time_limit=61),
            (Hindrance.TOO_LONG, "00:01:01 against 00:01:00 in owner"),
        ),
        (site(capacity=Capacity(owner=lane(time_limit=60), guest=None)), Resources(time_limit=60), (None, "")),
        (site(), Resources(gpus=5), (Hindrance.TOO_LARGE, "owner")),
        (
            site(capacity=Capacity(owner=lane(nodes_per_job=1), guest=None)),
            Resources(nodes=2, tasks=2),
            (Hindrance.TOO_LARGE, "owner"),
        ),
        (
            site(capacity=Capacity(owner=lane(free=(CPUS,), queued=3), guest=None)),
            ONE_GPU,
            (Hindrance.NO_ROOM, "3 wait in owner"),
        ),
        (site(held=(Held(resources=Resources(gpus=4), guest=True),)), ONE_GPU, (Hindrance.NO_ROOM, "")),
        (site(held=(Held(resources=Resources(gpus=3), guest=True),)), ONE_GPU, (None, "")),
    ],
)
def test_what_stands_in_the_way(now, asked, found):
    sites = {} if now is None else {"jerusalem": now}
    expected = Considered(site="jerusalem", guest=False, hindrance=found[0], detail=found[1])
    assert consider(waiting("1", asked), sites) == (expected,)


def test_younger_jobs_pass_until_patience_is_over():
    half = site(capacity=Capacity(owner=lane(free=(replace(GPUS, gpus=2), CPUS)), guest=None))
    old = waiting("1", Resources(gpus=4), age=PATIENCE)
    assert run([old, waiting("2")], jerusalem=half) == [("2", "jerusalem")]
    older = replace(old, since=old.since - 1)
    assert run([older, waiting("2")], jerusalem=half) == []
    assert run([older, waiting("2", Resources())], jerusalem=half) == [("2", "jerusalem")]  # nodes without GPUs
    assert run([older, waiting("2", Resources(tasks=9))], jerusalem=half) == []


def test_room_is_kept_at_the_first_possible_site_alone():
    full = site(capacity=Capacity(owner=lane(free=()), guest=lane(free=())))
    half = site(capacity=Capacity(owner=None, guest=lane(free=(replace(GPUS, gpus=2),))))
    old = waiting("1", Resources(gpus=4), BOTH, age=PATIENCE + 1)
    assert run([old, waiting("2", sites=AWAY)], jerusalem=full, baku=half) == [("2", "baku")]
    down = replace(full, reachable=False)
    assert run([old, waiting("2", sites=AWAY)], jerusalem=down, baku=half) == []


def test_a_guest_that_waited_long_does_not_hold_up_owners():
    half = (replace(GPUS, gpus=2),)
    baku = site(capacity=Capacity(owner=lane(free=half), guest=lane(free=half)))
    old = waiting("1", Resources(gpus=4), AWAY, age=PATIENCE + 1)
    assert run([old, waiting("2", sites=(("baku", False),))], baku=baku) == [("2", "baku")]
    assert run([old, waiting("2", sites=AWAY)], baku=baku) == []


def test_a_job_that_no_site_can_ever_start_keeps_nothing():
    old = waiting("1", Resources(gpus=5), age=PATIENCE + 1)
    assert run([old, waiting("2")], jerusalem=site()) == [("2", "jerusalem")]


def test_what_an_owner_takes_is_gone_for_guests_too():
    both = Capacity(
        owner=lane(free=(replace(GPUS, count=2),), whole=(replace(GPUS, count=2),)), guest=lane(free=(GPUS,))
    )
    owner = waiting("1", Resources(nodes=2, gpus=8, gpus_per_node=4, tasks=2), (("baku", False),))
    assert run([owner, waiting("2", sites=AWAY)], baku=site(capacity=both)) == [("1", "baku")]


def test_a_pass_is_full_when_no_cpu_is_left():
    placing = Placing(sites={"jerusalem": site()}, patience=PATIENCE, now=NOW)
    assert placing.full is False
    assert [placing.offer(waiting(job, Resources(exclusive=True))).job for job in ("1", "2")] == ["1", "2"]
    assert placing.full is True
    assert Placing(sites={"jerusalem": site(draining=True)}, patience=PATIENCE, now=NOW).full is True


@pytest.mark.parametrize("hindrance", Hindrance)
def test_every_hindrance_has_a_sentence(hindrance):
    text = cannot("jerusalem", hindrance, guest=False).text
    assert text
    assert cannot("jerusalem", hindrance, "more", guest=False).text == f"{text}: more"


frees = st.lists(
    st.builds(NodeGroup, count=st.integers(1, 3), cpus=st.integers(1, 8), memory=st.just(100), gpus=st.integers(0, 4)),
    max_size=3,
).map(tuple)
asks = st.builds(
    Resources,
    nodes=st.integers(1, 2),
    tasks=st.integers(1, 8),
    gpus=st.integers(0, 4),
    exclusive=st.booleans(),
)


@given(frees=st.tuples(frees, frees), asked=st.lists(st.tuples(asks, st.integers(0, 2000), st.booleans()), max_size=12))
def test_never_over_committed_and_never_starved(frees, asked):
    sites = {
        name: site(capacity=Capacity(owner=lane(free=free, whole=free), guest=lane(free=free, whole=free)))
        for name, free in zip(("jerusalem", "baku"), frees, strict=True)
    }
    homes = (BOTH, (("baku", False), ("jerusalem", True)))
    jobs = {
        str(number): waiting(str(number), resources, homes[home], age=age)
        for number, (resources, age, home) in enumerate(asked, start=1)
    }
    room = dict(zip(("jerusalem", "baku"), frees, strict=True))
    bound: dict[str, str] = {}
    for bind in binds(jobs.values(), sites):
        left = pack(jobs[bind.job].resources, room[bind.site], sites[bind.site].capacity.owner.whole)
        assert left is not None, "over-committed"
        room[bind.site] = left
        bound[bind.job] = bind.site
    assert list(bound) == sorted(bound, key=int)
    for number, one in enumerate(jobs.values()):
        if one.job in bound or NOW - one.since <= PATIENCE * 1000:
            continue
        # While an older job waits that its home could start when empty, younger ones get there only nodes that it
        # could never use.
        home = one.sites[0][0]
        whole = sites[home].capacity.owner.whole
        if pack(one.resources, whole, whole) is None:
            continue
        for later in list(jobs.values())[number + 1 :]:
            if bound.get(later.job) == home:
                assert pack(later.resources, useless(one.resources, whole, whole), whole) is not None, "starved"


BUSY = Capacity(owner=lane(free=()), guest=lane("guest", free=()))


def test_where_short_jobs_follow_one_another_the_next_ones_are_given_ahead():
    jobs = [waiting(str(number), sites=BOTH) for number in range(1, 5)]
    found = binds(jobs, {"jerusalem": site(capacity=BUSY, ahead=1), "baku": site(capacity=BUSY, ahead=2)})
    assert [(bind.job, bind.site, bind.ahead) for bind in found] == [
        ("1", "jerusalem", True),
        ("2", "baku", True),
        ("3", "baku", True),
    ]
    assert [(one.site, one.hindrance) for one in found[1].considered] == [
        ("jerusalem", Hindrance.NO_ROOM),
        ("baku", None),
    ]
    assert found[1].considered[-1].text.startswith("it has no room now, and its jobs are so short")


def test_room_goes_before_what_is_given_ahead():
    found = binds([waiting("1", sites=BOTH)], {"jerusalem": site(capacity=BUSY, ahead=9), "baku": site()})
    assert [(bind.site, bind.ahead) for bind in found] == [("baku", False)]


@pytest.mark.parametrize(
    "now",
    [
        site(capacity=BUSY, ahead=9, draining=True),
        site(capacity=BUSY, ahead=9, reachable=False),
        site(capacity=Capacity(owner=lane(free=(), open=False), guest=None), ahead=9),
        site(capacity=Capacity(owner=lane(free=(), whole=(CPUS,)), guest=None), ahead=9),
    ],
)
def test_nothing_is_given_ahead_to_a_site_that_lacks_more_than_room(now):
    assert run([waiting("1")], jerusalem=now) == []


def test_nothing_is_given_ahead_where_room_is_kept_or_to_recall_a_job():
    tight = site(capacity=Capacity(owner=lane(free=(CPUS,)), guest=None), ahead=9)
    placing = Placing(sites={"jerusalem": tight}, patience=PATIENCE, now=NOW)
    assert placing.offer(waiting("1"), ahead=False) is None
    assert placing.offer(waiting("2", age=2 * PATIENCE), ahead=False) is None
    assert placing.offer(waiting("3")) is None
    assert not placing.full
