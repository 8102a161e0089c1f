"""Owners and guests on one machine: what each may use, and who makes room for whom."""

import time
from dataclasses import replace

import pytest
from local_site import SMALL, Site, ref

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.base import Phase

WAIT = "echo run >> runs; while [ ! -e go ]; do sleep 0.05; done; echo restart ${SLURM_RESTART_COUNT-0}"
ONE_GPU = replace(SMALL, gpus=1)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, guest={"gpus": 2, "cpus": 3, "preempted": True, "time_limit": 600})
    yield site
    site.driver.close()


def test_capacity_shows_both_lanes_and_what_owners_may_displace(site):
    def lane(name, shape, limit, whole) -> Lane:
        cpus, memory, gpus = shape
        free = (NodeGroup(count=1, cpus=cpus, memory=Mebibytes(memory), gpus=gpus, gpu_model="a100"),)
        return Lane(name=name, free=free, whole=whole, time_limit=limit)

    owners = (NodeGroup(count=1, cpus=4, memory=Mebibytes(1024), gpus=4, gpu_model="a100"),)
    guests = (NodeGroup(count=1, cpus=3, memory=Mebibytes(1024), gpus=2, gpu_model="a100"),)
    limit = Seconds(600)
    assert site.driver.capacity() == Capacity(
        owner=lane("owner", (4, 1024, 4), None, owners), guest=lane("guest", (3, 1024, 2), limit, guests)
    )
    site.run("1", WAIT, resources=ONE_GPU)
    site.run("2", WAIT, resources=ONE_GPU, guest=True)
    assert site.driver.capacity() == Capacity(
        owner=lane("owner", (3, 960, 3), None, owners), guest=lane("guest", (2, 896, 1), limit, guests)
    )
    for number in ("1", "2"):
        site.driver.stop(ref(site.launch(number, "")))


def test_guests_stay_within_their_share(site):
    first, second, third = (site.run(str(n), WAIT, resources=ONE_GPU, guest=True) for n in (1, 2, 3))
    site.until(second, Phase.RUNNING)
    assert site.look(third).phase is Phase.PENDING
    with pytest.raises(SchedulerRefused):
        site.driver.start(site.launch("4", WAIT, resources=replace(SMALL, gpus=3), guest=True))
    for launch in (first, second, third):
        (launch.work / "go").touch()
        assert site.finished(launch).outcome is Outcome.COMPLETED


def test_an_owner_displaces_the_youngest_guest_which_then_runs_again(site):
    old = site.run("1", WAIT, resources=ONE_GPU, guest=True)
    site.until(old, Phase.RUNNING)
    time.sleep(1.1)
    young = site.run("2", WAIT, resources=ONE_GPU, guest=True)
    site.until(young, Phase.RUNNING)
    while not (young.work / "runs").exists():
        time.sleep(0.02)
    owner = site.run("3", WAIT, resources=replace(SMALL, gpus=3))
    site.until(owner, Phase.RUNNING)
    assert site.look(old).phase is Phase.RUNNING
    seen = site.look(young)
    assert (seen.phase, seen.restarts) == (Phase.PENDING, 1)
    (owner.work / "go").touch()
    site.finished(owner)
    site.until(young, Phase.RUNNING)
    for launch in (old, young):
        (launch.work / "go").touch()
        site.until(launch, Phase.ENDED)
    assert [[each.outcome for each in site.records(launch)] for launch in (old, young)] == [
        [Outcome.COMPLETED],
        [Outcome.PREEMPTED, Outcome.COMPLETED],
    ]
    assert (young.work / "runs").read_text() == "run\nrun\n"
    assert site.output(young) == "restart 1\n"


def test_a_displaced_guest_that_forbids_requeue_is_over(site):
    guest = site.run("1", WAIT, resources=replace(SMALL, gpus=2), guest=True, requeue=False)
    site.until(guest, Phase.RUNNING)
    owner = site.run("2", "exit 0", resources=replace(SMALL, gpus=4))
    assert site.finished(owner).outcome is Outcome.COMPLETED
    assert site.finished(guest).outcome is Outcome.PREEMPTED
    assert site.look(guest).native_state == "PREEMPTED"


def test_a_guest_that_is_cancelled_while_it_makes_room_stays_over(site):
    stubborn = "trap '' TERM; touch ready; while :; do sleep 0.05; done"
    guest = site.run("1", stubborn, resources=replace(SMALL, gpus=2), guest=True)
    while not (guest.work / "ready").exists():
        time.sleep(0.02)
    owner = site.run("2", "exit 0", resources=replace(SMALL, gpus=4))
    site.driver.stop(ref(guest))
    site.finished(owner)
    assert [each.outcome for each in (site.finished(guest), *site.records(guest))] == [Outcome.PREEMPTED] * 2


def test_guests_are_left_alone_where_the_site_says_so(tmp_path):
    site = Site(tmp_path, guest={})
    guest = site.run("1", WAIT, resources=ONE_GPU, guest=True)
    site.until(guest, Phase.RUNNING)
    owner = site.run("2", "exit 0", resources=replace(SMALL, gpus=4))
    time.sleep(0.3)
    assert (site.look(guest).phase, site.look(owner).phase) == (Phase.RUNNING, Phase.PENDING)
    (guest.work / "go").touch()
    assert [site.finished(each).outcome for each in (guest, owner)] == [Outcome.COMPLETED] * 2
    site.driver.close()
