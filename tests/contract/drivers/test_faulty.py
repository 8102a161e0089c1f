"""The fake cluster's own moves, and what each faulty wrapper does to a sound driver."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_conformance import HandClock

from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.state import Outcome
from foedus.drivers import faulty
from foedus.drivers.base import Launch, Phase, Ref, Sighting
from foedus.drivers.fake import FakeDriver


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def driver(clock):
    return FakeDriver(clock)


def launch(job, body="sleep 5", *, guest=False):
    marker = Marker(alliance=AllianceId("pact"), job=JobId(job), attempt=1)
    spec = parse(f"#!/bin/sh\n{body}\n")
    return Launch(marker=marker, spec=spec, task=None, account="a", guest=guest, folder=Path("/x"))


def ref(one, clock, native_id=None):
    return Ref(marker=one.marker, native_id=native_id, folder=one.folder, since=clock.now())


def phase(driver, one, clock):
    return driver.look([ref(one, clock)])[one.marker].phase


def test_owners_go_before_guests_that_waited_longer(driver, clock):
    first, guest, owner = launch("1"), launch("2", guest=True), launch("3")
    whole = [replace(one, spec=parse("#!/bin/sh\n#SBATCH -c 8\nsleep 5\n")) for one in (first, guest, owner)]
    for one in whole:
        driver.start(one)
    clock.move(5)
    assert [phase(driver, one, clock) for one in whole] == [Phase.ENDED, Phase.PENDING, Phase.RUNNING]


def test_room_that_a_cancelled_job_leaves_is_used_from_then_on(driver, clock):
    first, second = (replace(launch(job), spec=parse("#!/bin/sh\n#SBATCH -c 8\nsleep 9\n")) for job in "12")
    driver.start(first)
    driver.start(second)
    clock.move(3)
    driver.stop(ref(first, clock))
    clock.move(9)
    one, two = (driver.usage([ref(job, clock)])[job.marker][0] for job in (first, second))
    assert (one.elapsed, two.elapsed, two.started) == (3, 9, one.ended)


def test_a_requeued_attempt_has_a_record_for_each_restart(driver, clock):
    one = launch("1")
    driver.start(one)
    clock.move(2)
    driver.requeue(one.marker, Outcome.PREEMPTED)
    assert driver.look([ref(one, clock)])[one.marker].restarts == 1
    clock.move(5)
    records = driver.usage([ref(one, clock)])[one.marker]
    assert [(each.restart, each.outcome, each.elapsed) for each in records] == [
        (0, Outcome.PREEMPTED, 2),
        (1, Outcome.COMPLETED, 5),
    ]


def test_a_lost_attempt_is_unknown(driver, clock):
    one = launch("1")
    driver.start(one)
    driver.lose(one.marker)
    assert phase(driver, one, clock) is Phase.UNKNOWN


def test_a_forgetful_driver_does_what_it_denies(driver, clock):
    one = launch("1")
    forgetful = faulty.ForgetfulDriver(driver, faulty=2)
    with pytest.raises(SiteTrouble):
        forgetful.start(one)
    assert phase(driver, one, clock) is Phase.RUNNING
    with pytest.raises(SiteTrouble):
        forgetful.stop(ref(one, clock))
    assert phase(driver, one, clock) is Phase.ENDED
    assert forgetful.start(launch("2")) == "2"
    assert len(driver.launches) == 2


def test_a_deaf_driver_does_nothing(driver, clock):
    one = launch("1")
    deaf = faulty.DeafDriver(driver, faulty=1)
    with pytest.raises(SiteTrouble):
        deaf.start(one)
    assert driver.launches == ()
    deaf.start(one)
    deaf.faulty = 1
    with pytest.raises(SiteTrouble):
        deaf.stop(ref(one, clock))
    assert phase(driver, one, clock) is Phase.RUNNING


def test_a_blind_driver_answers_nothing(driver, clock):
    blind = faulty.BlindDriver(driver, faulty=3)
    for ask in (lambda: blind.look([]), lambda: blind.usage([]), blind.capacity):
        with pytest.raises(SiteTrouble):
            ask()
    assert blind.capacity() == driver.capacity()


def test_a_refusing_driver_refuses(driver):
    refusing = faulty.RefusingDriver(driver, words="Invalid qos specification")
    with pytest.raises(SchedulerRefused, match="Invalid qos specification"):
        refusing.start(launch("1"))
    assert driver.launches == ()


def test_a_late_driver_hides_ends_and_records(driver, clock):
    one = launch("1", "exit 0")
    late = faulty.LateDriver(driver, faulty=2)
    late.start(one)
    assert phase(late, one, clock) is Phase.RUNNING
    assert late.usage([ref(one, clock)]) == {one.marker: ()}
    assert phase(late, one, clock) is Phase.ENDED


def test_an_amnesic_driver_knows_nothing(driver, clock):
    one = launch("1")
    driver.start(one)
    amnesic = faulty.AmnesicDriver(driver, faulty=1)
    assert amnesic.look([ref(one, clock)]) == {one.marker: Sighting(phase=Phase.UNKNOWN)}
    assert phase(amnesic, one, clock) is Phase.RUNNING


def test_a_slow_driver_waits_first(driver, clock):
    waited = []
    slow = faulty.SlowDriver(driver, pause=waited.append, seconds=2.5)
    one = launch("1")
    slow.start(one)
    slow.look([ref(one, clock)])
    slow.usage([])
    slow.capacity()
    slow.stop(ref(one, clock))
    assert (waited, slow.source) == ([2.5] * 5, "fake")
