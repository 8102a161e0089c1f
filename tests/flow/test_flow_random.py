"""Random histories: whatever comes in whatever order, twice, late or wrongly, the books of the hub stay right."""

import tempfile
from functools import cache
from pathlib import Path

from alliance import Alliance, Signed, script, signed
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from foedus.core.jobs.job import Job, StopReason
from foedus.core.jobs.state import ENDED, LIVE_ATTEMPT, AttemptState, JobState, Outcome
from foedus.flow.ports import JobFilter, Transaction, Visible
from foedus.flow.release import sweep

SITES = ("jerusalem", "baku")
EVERYTHING = JobFilter(visible=Visible(everything=True))


@cache
def agreed() -> Signed:
    return signed(Path(tempfile.mkdtemp(prefix="foedus-random-")))


class Histories(RuleBasedStateMachine):
    """What users, the broker and two sites may do, sites also wrongly."""

    @initialize()
    def begin(self) -> None:
        self.alliance = Alliance(agreed())
        self.ended: dict[str, tuple[JobState, int]] = {}
        self.used = 0

    def teardown(self) -> None:
        if hasattr(self, "alliance"):
            self.alliance.store.close()

    def jobs(self) -> list[Job]:
        with self.alliance.store.read() as tx:
            return list(tx.jobs.page(EVERYTHING, None, 1000))

    def pick(self, number: int) -> Job | None:
        jobs = self.jobs()
        return jobs[number % len(jobs)] if jobs else None

    @rule(gpus=st.integers(0, 3), hours=st.sampled_from([1, 40]))
    def submit(self, gpus: int, hours: int) -> None:
        self.alliance.submit(text=script(gpus=gpus, time=f"{hours}:00:00"))

    @rule(tasks=st.integers(1, 4), at_once=st.integers(1, 3))
    def submit_array(self, tasks: int, at_once: int) -> None:
        self.alliance.submit(text=script(more=[f"--array=1-{tasks}%{at_once}"]))

    @rule(number=st.integers(0, 50), condition=st.sampled_from(["afterok", "afterany", "afternotok"]))
    def submit_dependent(self, number: int, condition: str) -> None:
        job = self.pick(number)
        if job is not None:
            self.alliance.submit(text=script(more=[f"--dependency={condition}:{job.id}"]))

    @rule(number=st.integers(0, 50), whole=st.booleans())
    def cancel(self, number: int, whole: bool) -> None:
        job = self.pick(number)
        if job is not None:
            self.alliance.cancel("noa", str(job.number) if whole else job.id)

    @rule(site=st.sampled_from(SITES), free=st.integers(0, 4))
    def say(self, site: str, free: int) -> None:
        self.alliance.says(site, free)

    @rule()
    def place(self) -> None:
        self.alliance.place()

    @rule(seconds=st.sampled_from([1, 31, 61]))
    def wait(self, seconds: int) -> None:
        self.alliance.later(seconds)

    @rule(site=st.sampled_from(SITES))
    def fetch(self, site: str) -> None:
        self.alliance.fetch(site)

    @rule(number=st.integers(0, 50))
    def recall(self, number: int) -> None:
        job = self.pick(number)
        if job is not None:
            self.alliance.do(lambda tx: tx.attempts.ask_stop(job.id, job.attempt, StopReason.RECALL))

    @rule()
    def sweep(self) -> None:
        self.alliance.do(lambda tx: sweep(tx, 100, self.alliance.now))

    @rule(
        number=st.integers(0, 50),
        attempt=st.integers(1, 3) | st.none(),
        wrong_site=st.booleans(),
        state=st.sampled_from(AttemptState),
        outcome=st.sampled_from(Outcome) | st.none(),
        final=st.booleans(),
        requeued=st.booleans(),
    )
    def report(self, *, number, attempt, wrong_site, state, outcome, final, requeued) -> None:
        job = self.pick(number)
        if job is None:
            return
        site = job.site or "jerusalem"
        if wrong_site:
            site = SITES[1 - SITES.index(site)]
        at = attempt or max(job.attempt, 1)
        again = at + 1 if requeued and state is AttemptState.ENDED else None
        self.alliance.report(site, job.id, at, state, outcome=outcome, final=final, requeued_as=again)

    @rule(number=st.integers(0, 50), elapsed=st.integers(0, 5000))
    def book(self, number: int, elapsed: int) -> None:
        job = self.pick(number)
        if job is None or not job.attempt or job.site is None:
            return
        usage = self.alliance.usage(job.id, job.attempt, elapsed=elapsed)
        before = self.alliance.attempts(job.id)[-1].entry
        item = self.alliance.record(usage)
        answer = self.alliance.book(item, usage.site)
        if answer.accepted and before is None:
            self.used += sum(usage.gpu_seconds.values())

    @invariant()
    def budgets_add_up(self) -> None:
        if not hasattr(self, "alliance"):
            return
        _, used, reserved = self.alliance.budget()
        assert reserved == sum(job.reserved for job in self.jobs() if job.state not in ENDED)
        assert used == self.used

    @invariant()
    def at_most_one_attempt_lives(self) -> None:
        if not hasattr(self, "alliance"):
            return
        for job in self.jobs():
            attempts = self.alliance.attempts(job.id)
            live = [attempt for attempt in attempts if attempt.state in LIVE_ATTEMPT]
            assert [attempt.number for attempt in attempts] == list(range(1, job.attempt + 1))
            waits = job.state is JobState.PENDING or job.state in ENDED
            assert [(one.number, one.site) for one in live] == ([] if waits else [(job.attempt, job.site)])
            assert not (waits and job.cancel), "a cancel that nobody answers"

    @invariant()
    def what_is_over_stays_over_unless_its_site_revives_it(self) -> None:
        if not hasattr(self, "alliance"):
            return
        jobs = {job.id: job for job in self.jobs()}
        for name, (state, attempt) in self.ended.items():
            job = jobs[name]
            assert job.state is state or job.attempt > attempt, f"{name} changed from {state} to {job.state}"
            assert state is not JobState.REFUSED or job.state is JobState.REFUSED
        self.ended = {job.id: (job.state, job.attempt) for job in jobs.values() if job.state in ENDED}

    @invariant()
    def throttles_hold(self) -> None:
        if not hasattr(self, "alliance"):
            return

        def look(tx: Transaction) -> None:
            numbers = {str(job.number) for job in jobs if job.task is not None}
            for array in tx.jobs.arrays(sorted(numbers)).values():
                loose = [job for job in jobs if job.number == int(array.id) and job.state not in ENDED and not job.held]
                revived = sum(job.id in self.revived(tx, loose) for job in loose)
                assert len(loose) - revived <= (array.at_once or len(loose))

        jobs = self.jobs()
        self.alliance.do(look)

    def revived(self, tx: Transaction, jobs: list[Job]) -> set[str]:
        """Tasks that their site ran again after they had ended: nobody could hold them back."""
        return {job.id for job in jobs if any(line.kind == "revived" for line in tx.jobs.story(job.id))}


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
