"""What the jobs would do alone is followed beside reality, survives the process that follows it, and has its say."""

import pytest
from alliance import RULES, START, script

from foedus.core.base.instant import Instant
from foedus.core.jobs.state import JobState, Outcome
from foedus.flow.place import place
from foedus.flow.ports import AloneRecord, Waits
from foedus.flow.shadows import LiveShadows
from foedus.flow.why import why

ALL_AT_HOME = {"gpus": 32, "more": ("--nodes=4",)}
"""A job that takes all of jerusalem: four nodes of eight GPUs."""


@pytest.fixture
def shadows(alliance):
    alliance.says("jerusalem", 32)
    alliance.says("baku", 16)
    return Followed(alliance)


class Followed:
    """The shadows of an alliance, in a process that can be replaced."""

    def __init__(self, alliance):
        self.alliance = alliance
        self.live = LiveShadows()

    def follow(self):
        self.live.follow(self.alliance.store.read, self.alliance.do, self.alliance.agreement, self.alliance.now)

    def again(self):
        """Begin in another process."""
        self.live = LiveShadows()
        self.follow()

    def place(self):
        return self.alliance.do(lambda tx: place(tx, self.alliance.agreement, RULES, self.alliance.now, self.live))

    def why(self, user, job):
        one = self.alliance
        who = one.caller(user)
        return one.do(lambda tx: why(tx, who, job, one.agreement, RULES, language="en", now=one.now))

    def alone(self, *jobs):
        """Return by how many seconds after the beginning each job starts and ends alone."""
        with self.alliance.store.read() as tx:
            found = tx.shadows.of(jobs)
        return [(_since(found[job].start), _since(found[job].end)) for job in jobs]


def _since(instant):
    return None if instant is None else (instant - START) / 1000


def test_what_a_job_does_alone_follows_from_what_the_others_did(alliance, shadows):
    first, second = (alliance.submit("noa", script(**ALL_AT_HOME)).id for _ in range(2))
    shadows.follow()
    assert shadows.alone(first, second) == [(0, None), (None, None)]
    shadows.place()
    alliance.later(600)
    alliance.fetch("jerusalem")
    alliance.starting("jerusalem", first)
    alliance.running("jerusalem", first)
    alliance.later(300)
    alliance.ended("jerusalem", first)
    alliance.later(60)
    shadows.follow()

    assert shadows.alone(first, second) == [(0, 300), (300, None)]


def test_another_process_goes_on_where_the_one_before_was(alliance, shadows):
    jobs = [alliance.submit("noa", script(**ALL_AT_HOME)).id for _ in range(3)]
    shadows.follow()
    shadows.place()
    for number, job in enumerate(jobs):
        shadows.again()
        alliance.later(100)
        alliance.says("jerusalem", 32)
        shadows.place()
        alliance.fetch("jerusalem")
        alliance.run("jerusalem", job)
        shadows.again()
        assert shadows.live.is_due(job) is False
        assert [shadows.live.is_due(other) for other in jobs[number + 1 :]][:1] == [True] * (number < 2)

    assert shadows.alone(*jobs) == [(0, 0), (0, 0), (0, 0)]


def test_what_is_cancelled_leaves_at_that_moment(alliance, shadows):
    first, second = (alliance.submit("noa", script(**ALL_AT_HOME)).id for _ in range(2))
    shadows.follow()
    alliance.later(50)
    alliance.cancel("noa", first)
    alliance.later(50)
    shadows.follow()

    assert shadows.alone(first, second) == [(0, 50), (50, None)]


def test_a_job_that_waits_for_others_arrives_when_they_have_ended(alliance, shadows):
    first = alliance.submit("noa", script()).id
    second = alliance.submit("noa", script(more=(f"--dependency=afterok:{first}",))).id
    shadows.follow()
    with alliance.store.read() as tx:
        assert set(tx.shadows.of([first, second])) == {first}
    shadows.place()
    alliance.fetch("jerusalem")
    alliance.later(40)
    alliance.run("jerusalem", first)
    shadows.follow()

    assert shadows.alone(first, second) == [(0, 0), (40, None)]


def test_a_job_that_fits_nowhere_at_home_is_compared_with_nothing(alliance, shadows):
    job = alliance.submit("aysel", script(gpus=0, more=("--gpus-per-node=8",), project="metro")).id
    shadows.follow()
    with alliance.store.read() as tx:
        fresh, found = tx.shadows.fresh(10), tx.shadows.of([job])

    assert fresh == []
    assert found == {job: AloneRecord(job=job, partner="azerbaijan", arrived=START, over=False, home=None)}


def test_a_due_job_has_its_home_kept_free_at_once(alliance, shadows):
    """A younger one that would fit into what is left waits, since the older would have started alone by now."""
    alliance.says("jerusalem", 16)
    alliance.says("baku", 0)
    wide = alliance.submit("noa", script(**ALL_AT_HOME)).id
    alliance.submit("noa", script(gpus=8))
    shadows.follow()
    alone = shadows.live.is_due(wide), shadows.place()
    alliance.says("jerusalem", 32)
    shadows.place()

    assert alone == (True, 0)
    assert alliance.job(wide).state is JobState.BOUND


def test_a_job_that_is_not_due_lets_younger_ones_pass_for_a_while(alliance, shadows):
    alliance.says("jerusalem", 16)
    alliance.says("baku", 0)
    busy = alliance.submit("noa", script(gpus=24, more=("--nodes=3",))).id
    wide = alliance.submit("noa", script(**ALL_AT_HOME)).id
    small = alliance.submit("noa", script(gpus=8)).id
    shadows.follow()
    shadows.live.placed([busy])
    alliance.cancel("noa", busy)

    assert (shadows.live.is_due(wide), shadows.place()) == (False, 1)
    assert alliance.job(small).state is JobState.BOUND


def test_the_waits_add_up_by_partner_and_month(alliance, shadows):
    """One runs as alone, one a guest sooner than alone, one later, and one was cancelled."""
    sooner, later, equal, cancelled = (alliance.submit("noa", script(**ALL_AT_HOME)).id for _ in range(4))
    homeless = alliance.submit("aysel", script(gpus=0, more=("--gpus-per-node=8",), project="metro")).id
    shadows.follow()
    with alliance.store.read() as tx:
        found = tx.shadows.of([sooner, later, equal, cancelled, homeless])

    def settled(job, end, ended):
        alone = found[job]
        return AloneRecord(
            job=job,
            partner=alone.partner,
            arrived=alone.arrived,
            over=True,
            home=alone.home,
            start=START,
            run=1,
            end=None if end is None else Instant(START + 1000 * end),
            ended=Instant(START + 1000 * ended),
            month="2026-11",
        )

    alliance.do(
        lambda tx: tx.shadows.write(
            [settled(sooner, 500, 100), settled(later, 500, 750), settled(equal, 500, 560), settled(homeless, None, 9)]
        )
    )
    with alliance.store.read() as tx:
        waits = tx.shadows.waits()

    assert waits == [
        Waits(partner="azerbaijan", month="2026-11", earlier=0, equal=0, later=0, homeless=1, saved=0, worst=0),
        Waits(partner="israel", month="2026-11", earlier=1, equal=1, later=1, homeless=0, saved=90, worst=250),
    ]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMEOUT, Outcome.NODE_FAIL])
def test_however_a_job_ends_by_itself_it_ran_as_long_alone(alliance, shadows, outcome):
    job = alliance.submit("noa", script()).id
    shadows.follow()
    shadows.place()
    alliance.fetch("jerusalem")
    alliance.later(30)
    alliance.starting("jerusalem", job)
    alliance.running("jerusalem", job)
    alliance.later(70)
    alliance.ended("jerusalem", job, outcome=outcome)
    shadows.follow()

    assert shadows.alone(job) == [(0, 70)]


def test_why_says_what_the_alliance_saves(alliance, shadows):
    """Jerusalem is full; the second job is a guest, which alone would still wait."""
    first, second = (alliance.submit("noa", script(gpus=16)).id for _ in range(2))
    filler = alliance.submit("noa", script(**ALL_AT_HOME)).id
    alliance.says("jerusalem", 16)
    shadows.follow()
    shadows.place()
    alliance.later(90)
    shadows.follow()
    told = []
    for site, job in (("jerusalem", first), ("baku", second)):
        alliance.fetch(site)
        alliance.starting(site, job)
        alliance.running(site, job)
        told.append(shadows.why("noa", job))
    waiting = shadows.why("noa", filler)

    assert [(view.alone.home, view.saved) for view in told] == [
        ("jerusalem", "On jerusalem alone it would have started 00:01:30 sooner."),
        ("jerusalem", "On jerusalem alone it would have started 00:01:30 sooner."),
    ]
    assert waiting.saved == "On jerusalem alone it would wait as well."
