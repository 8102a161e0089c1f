"""What has to hold at every moment, whatever went wrong; and what has to hold once everything has healed."""

import json
from collections import Counter
from typing import NamedTuple

from foedus.client.bundle import read_manifest
from foedus.core.jobs.state import (
    AT_SITE,
    ENDED,
    FINAL,
    LIVE_ATTEMPT,
    MOVES,
    AttemptState,
    JobState,
    Move,
    Outcome,
    target,
)
from foedus.core.ledger.entry import entry_from_json
from foedus.core.ledger.usage_json import usage_from_body
from foedus.core.ledger.verify import verify
from foedus.flow.books import ledger_file
from foedus.keys import ed25519
from foedus.store.unit import SqlStore
from vopr.alliance import alliance, key
from vopr.cluster import Cluster, TrueRun, saved
from vopr.hub import HubProcess
from vopr.people import People
from vopr.site import Site

_AT_ONCE = 4
"""How many moves of one job one transaction may hold: as many as a report has statuses about it, and some."""


class Broken(AssertionError):
    """An invariant does not hold."""


class _Job(NamedTuple):
    id: str
    name: str
    number: int
    state: JobState
    attempt: int
    site: str | None
    reserved: int
    project: str


class _Attempt(NamedTuple):
    job: str
    number: int
    site: str
    state: AttemptState
    outcome: str | None
    entry: int | None


def _steps() -> dict[JobState, frozenset[JobState]]:
    """Return where each state may lead to within one transaction, by the table of moves."""
    one: dict[JobState, set[JobState]] = {state: {state} for state in JobState}
    for move, states in MOVES.items():
        ends = {target(move, outcome) for outcome in Outcome} if move is Move.END else {target(move)}
        for state in states:
            one[state] |= ends
    reach = one
    for _ in range(_AT_ONCE - 1):
        reach = {state: set().union(*(one[then] for then in found)) for state, found in reach.items()}
    return {state: frozenset(found) for state, found in reach.items()}


_REACH = _steps()
_OVER = frozenset(AttemptState) - LIVE_ATTEMPT


class Checker:
    """Looks at the database after everything that the hub did, and at the clusters after everything."""

    def __init__(self, hub: HubProcess, sites: list[Site], people: People) -> None:
        self._hub, self._sites, self._people = hub, sites, people
        self._clusters: dict[str, Cluster] = {site.name: site.cluster for site in sites}
        self._changes = -1
        self._jobs: dict[str, _Job] = {}
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._used: Counter[str] = Counter()
        self._seq, self._hash = 0, ""
        self.booked: dict[tuple[str, int], int] = {}
        self.rerun: set[str] = set()
        """Jobs that an operator has queued again after they had ended."""
        hub.looked = self.after_hub

    # -- at every moment

    def after_step(self) -> None:
        """No job is in two places of any cluster at once."""
        live = [job for cluster in self._clusters.values() for job in cluster._jobs if job.newest.ended is None]
        if len(live) != len({job.launch.marker.job for job in live}):
            for cluster in self._clusters.values():
                cluster._advance()
            count = Counter(job.launch.marker.job for job in live if job.newest.ended is None)
            twice = sorted(job for job, number in count.items() if number > 1)
            if twice:
                raise Broken(f"job {twice[0]}: runs or waits {count[twice[0]]} times at once")

    def after_hub(self, what: str) -> None:
        """Everything about the database."""
        database = self._hub.database
        if database.total_changes == self._changes:
            return
        self._changes = database.total_changes
        jobs = {row[0]: _Job(row[0], row[1], row[2], JobState(row[3]), *row[4:]) for row in database.execute(_JOBS)}
        attempts = {
            (row[0], row[1]): _Attempt(row[0], row[1], row[2], AttemptState(row[3]), *row[4:])
            for row in database.execute(_ATTEMPTS)
        }
        self._books()
        self._moves(jobs, attempts)
        self._fits(jobs, attempts)
        self._budgets(jobs)
        self._jobs, self._attempts = jobs, attempts

    def _moves(self, jobs: dict[str, _Job], attempts: dict[tuple[str, int], _Attempt]) -> None:
        for name, old in self._jobs.items():
            job = jobs.get(name)
            if job is None:
                raise Broken(f"job {name}: is gone")
            if job.state not in _REACH[old.state] or job.attempt < old.attempt:
                raise Broken(f"job {name}: went from {old.state} to {job.state}")
            if old.state in ENDED and job.state is not old.state and job.attempt == old.attempt:
                raise Broken(f"job {name}: was over as {old.state} and is {job.state} without a new attempt")
        for place, old in self._attempts.items():
            if old.state in _OVER and attempts[place].state is not old.state:
                raise Broken(f"job {place[0]}: attempt {place[1]} was {old.state} and is {attempts[place].state}")

    def _fits(self, jobs: dict[str, _Job], attempts: dict[tuple[str, int], _Attempt]) -> None:
        for name, job in jobs.items():
            mine = [attempts.get((name, number)) for number in range(1, job.attempt + 1)]
            if None in mine:
                raise Broken(f"job {name}: an attempt before {job.attempt} is missing")
            live = [one.number for one in mine if one.state in LIVE_ATTEMPT]
            if live != ([job.attempt] if job.state in AT_SITE else []):
                raise Broken(f"job {name}: is {job.state} and its attempts {live} live")
        for attempt in attempts.values():
            if self.booked.get((attempt.job, attempt.number)) != attempt.entry:
                raise Broken(f"job {attempt.job}: attempt {attempt.number} does not know its entry of the ledger")

    def _budgets(self, jobs: dict[str, _Job]) -> None:
        for name, used, reserved in self._hub.database.execute("SELECT id, used, reserved FROM projects"):
            held = sum(job.reserved for job in jobs.values() if job.project == name and job.state not in ENDED)
            if (used, reserved) != (self._used[name], held):
                raise Broken(
                    f"project {name}: {used} used, {reserved} reserved; it should be {self._used[name]}, {held}"
                )

    def _books(self) -> None:
        """Each new entry follows from the one before, and says what the cluster knows to be true."""
        for seq, kind, line in self._hub.database.execute(_LEDGER, (self._seq,)):
            entry = entry_from_json(json.loads(line))
            if self._seq and (seq, entry.prev) != (self._seq + 1, self._hash):
                raise Broken(f"ledger: entry {seq} does not follow")
            self._seq, self._hash = seq, entry.hash
            if kind == "usage":
                usage = usage_from_body(entry.body)
                self._true(usage)
                self.booked[usage.job, usage.attempt] = seq
                self._used[usage.project] += sum(usage.gpu_seconds.values())

    def _true(self, usage) -> None:
        what = f"job {usage.job}: attempt {usage.attempt} at {usage.site}"
        if (usage.job, usage.attempt) in self.booked:
            raise Broken(f"{what} is booked twice")
        runs = [
            run for run in self._clusters[usage.site].runs() if (run.job, run.attempt) == (usage.job, usage.attempt)
        ]
        if usage.source == "none":
            if runs and not any(run.forgotten for run in runs):
                raise Broken(f"{what} is booked as lost, and the cluster knows it")
            return
        said = (usage.native_id, usage.outcome, usage.elapsed, dict(usage.gpu_seconds), usage.started, usage.ended)
        if said not in [figures for run in runs if run.record is not None for figures in self._figures(run)]:
            raise Broken(f"{what} is booked as {said}, and the cluster says {runs}")

    def _figures(self, run: TrueRun) -> list[tuple]:
        """Return what may be booked of a run: one that was called home was preempted, if it did not end well."""
        one = run.record
        return [
            (one.native_id, outcome, one.elapsed, dict(one.gpu_seconds), one.started, one.ended)
            for outcome in self._outcomes(run)
        ]

    def _outcomes(self, run: TrueRun) -> set[Outcome]:
        ended = run.record.outcome
        due = run.job in self._hub.called and run.started and ended in {Outcome.CANCELLED, Outcome.FAILED}
        return {ended, Outcome.PREEMPTED} if due else {ended}

    # -- in the end

    def chain(self) -> None:
        """The books verify, for anybody who has the agreement."""
        lines = list(ledger_file(SqlStore(alliance().database), key("hub")))
        found = verify(lines, agreement=alliance().agreement, check=ed25519.verify)
        if not found.sound:
            raise Broken(f"ledger: {found.faults}")
        for site in self._sites:
            for process in site.running:
                alarm = process.journal.note("alarm")
                if alarm:
                    raise Broken(f"{process.name}: {alarm}")

    def open_ends(self) -> list[str]:
        """Say what has not come to its end yet."""
        found = [f"{self._people.busy} users still wait for an answer"] if self._people.busy else []
        found += [f"job {job.id}: is {job.state}" for job in self._jobs.values() if job.state not in ENDED]
        for run in self._runs():
            if run.live:
                found.append(f"job {run.job}: attempt {run.attempt} lives at a cluster")
            elif (run.job, run.attempt) not in self.booked and not run.forgotten:
                found.append(f"job {run.job}: attempt {run.attempt} ran, and is not booked: {run}")
        # what a cluster has forgotten is booked as lost, if anybody had heard of it by then
        found += [
            f"job {one.job}: attempt {one.number} is over, and is not booked"
            for one in self._attempts.values()
            if one.state is AttemptState.ENDED and one.entry is None
        ]
        for site in self._sites:
            for process in site.running:
                rows = process.journal.open_rows()
                found += [f"job {row.order.job}: {process.name} has it as {row.step}" for row in rows]
                due = process.journal.due(100, 100)
                found += [f"job {one.item.job}: {process.name} has not told that" for one in due.statuses]
                found += [f"job {one.body['job']}: {process.name} has usage to tell" for one in due.usages]
        return found

    def ended_well(self) -> None:
        """Nothing is lost, and everything that ran is booked."""
        for name, job in self._people.accepted.items():
            if not any(one == job or one.startswith(f"{job}_") for one in self._jobs):
                raise Broken(f"job {job}: was accepted as {name}, and is lost")
        numbers: dict[str, set[int]] = {}
        for job in self._jobs.values():
            numbers.setdefault(job.name, set()).add(job.number)
        for name, found in numbers.items():
            if len(found) > 1:
                raise Broken(f"submission {name} became the jobs {sorted(found)}")
        self._fates()

    def _fates(self) -> None:
        """The state of a job is what became of its newest attempt."""
        outcomes = {(one.job, one.number): one.outcome for one in self._attempts.values()}
        runs = {(run.job, run.attempt): run for run in self._runs() if run.record is not None and not run.forgotten}
        for job in self._jobs.values():
            outcome, run = outcomes.get((job.id, job.attempt)), runs.get((job.id, job.attempt))
            if outcome is not None and FINAL[Outcome(outcome)] is not job.state:
                raise Broken(f"job {job.id}: is {job.state} after {outcome}")
            if outcome is not None and run is not None and outcome not in self._outcomes(run):
                raise Broken(f"job {job.id}: ended as {run.record.outcome}, and the hub says {outcome}")
            if job.state is JobState.COMPLETED and run is None and not self._forgotten(job):
                raise Broken(f"job {job.id}: is said to be completed, and never ran")

    def progress(self) -> None:
        """Each attempt goes on from what the hub had of those before it, and what was saved came to the hub."""
        kept: dict[tuple[str, int], int] = {}
        for job, number, project, manifest in self._hub.database.execute(_CHECKPOINTS):
            (entry,) = read_manifest(self._hub.pieces.get(project, manifest), manifest).files
            kept[job, number] = int(self._hub.pieces.get(project, entry.pieces[0]))
        for cluster in self._clusters.values():
            for job, attempt, done in cluster.begun:
                before = [kept[job, number] for number in range(1, attempt) if (job, number) in kept]
                if done != (before[-1] if before else 0):
                    raise Broken(f"job {job}: attempt {attempt} went on from {done} s, and {before} were kept")
        for job, data in self._hub.database.execute("SELECT job, data FROM stories WHERE kind = 'ended'"):
            told = json.loads(data)
            if told.get("home") and not told["checkpoint"]:
                folders = self._clusters[told["site"]].folders
                left = [
                    saved(at)
                    for marker, at in folders.items()
                    if (marker.job, marker.attempt) == (job, told["attempt"])
                ]
                if any(left):
                    raise Broken(f"job {job}: attempt {told['attempt']} saved {left} s, which were left behind")

    def completions(self) -> None:
        """A job that has completed never runs again, unless an operator has it run."""
        runs = Counter(run.job for run in self._runs() if run.record and run.record.outcome is Outcome.COMPLETED)
        twice = [job for job, number in runs.items() if number > 1 and job not in self.rerun]
        if twice:
            raise Broken(f"job {twice[0]}: completed {runs[twice[0]]} times")

    def _forgotten(self, job: _Job) -> bool:
        return any(run.forgotten and run.job == job.id for run in self._runs())

    def _runs(self) -> list[TrueRun]:
        return [run for cluster in self._clusters.values() for run in cluster.runs()]


_JOBS = "SELECT id, name, number, state, attempt, site, reserved, project FROM jobs"
_ATTEMPTS = "SELECT job, number, site, state, outcome, entry FROM attempts"
_CHECKPOINTS = (
    "SELECT job, attempts.number, project, checkpoint FROM attempts JOIN jobs ON id = job WHERE checkpoint IS NOT NULL"
)
_LEDGER = "SELECT seq, kind, line FROM ledger WHERE seq > ? ORDER BY seq"
