"""A mixed day on both clusters: what is submitted, what goes wrong meanwhile, and what sacct has of it afterwards."""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slurm_bed import SlurmBed

from foedus.cli.trial.alliance import Alliance
from foedus.client import Client
from foedus.wire.jobs import JobView, Submission
from waiting import wait_for

_SHORT = 60
_LONG_ONCE = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || sleep 300'
"""The body of a job that something is sure to befall while it runs; run again, it ends at once."""
PEOPLE = {"dana": "phishing-watch", "noam": "phishing-watch", "aysel": "form-reader", "kamran": "form-reader"}
OWNERS = {"jerusalem": "noam", "baku": "aysel"}
SHAPES = (
    "--ntasks=1",
    "--cpus-per-task=3",
    "--nodes=2 --ntasks-per-node=2",
    "--ntasks=5 --mem-per-cpu=100",
    "--gpus=1",
    "-G 2",
    "--gres=gpu:1",
    "--gres=gpu:3 --cpus-per-task=2",
    "--gpus-per-node=2 --nodes=2",
    "--gpus-per-task=1 --ntasks=3",
    "--nodes=3 --gpus-per-node=1",
    "--exclusive --nodes=1",
)
ENDINGS = ("exit 0",) * 12 + ("exit 1", "exit 42", "kill -9 $$", "kill -TERM $$; sleep 5")
MARK = r"""
name="{shared}/$SLURM_JOB_NAME.${{SLURM_ARRAY_TASK_ID:-x}}.${{SLURM_RESTART_COUNT:-0}}"
if ! (set -C; echo "$SLURM_JOB_ID" > "$name") 2> /dev/null; then
    echo "$name $SLURM_JOB_ID" >> "{shared}/doubled"
fi
"""
"""``set -C`` opens with O_EXCL: the second run of the same restart would be seen."""


@dataclass(slots=True, kw_only=True)
class Day:
    """Runs the day; `jobs` has every job and task by its id."""

    bed: SlurmBed
    alliance: Alliance
    shared: Path
    chance: random.Random
    submitted: dict[str, str] = field(default_factory=dict[str, str])
    """Job name -> id of the job or array."""
    tasks: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])

    def script(self, body: str, options: str, user: str) -> str:
        name = f"d{len(self.submitted):04}"
        self.submitted[name] = ""
        head = (
            f"#!/bin/bash\n#SBATCH --time=10 --job-name={name} {options}\n#FOEDUS project={PEOPLE[user]} purpose=rl\n"
        )
        return head + MARK.format(shared=self.shared) + body + "\n"

    def submit(self, user: str, scripts: Sequence[str]) -> list[str]:
        """Submit for a user; the scripts are the newest made by `script`."""
        with self.alliance.client(user) as client:
            done = client.submit_many([Submission(script=script) for script in scripts])
        for script, view in zip(scripts, done, strict=True):
            assert view.state == "pending", view
            self.submitted[script.partition("--job-name=")[2].split()[0]] = view.id
            self.tasks += view.tasks
        return [view.id for view in done]

    def batch(self, count: int) -> None:
        """Submit that many random jobs, tasks of arrays counted, for everybody."""
        until = self.tasks + count
        while self.tasks < until:
            user = self.chance.choice(list(PEOPLE))
            scripts: list[str] = []
            for _ in range(min(10, until - self.tasks)):
                shape, ending = self.chance.choice(SHAPES), self.chance.choice(ENDINGS)
                if self.chance.random() < 0.08:
                    shape = "--array=1-3 --gpus=1" if self.chance.random() < 0.5 else "--array=0-8:2%2"
                seconds = self.chance.choice((0, 0, 0.5, 1, 2, 4))
                scripts.append(self.script(f"sleep {seconds}\n{ending}", shape, user))
            self.submit(user, scripts)

    def running(self, site: str) -> list[JobView]:
        """Return what the hub shows as running at a site, in an order of chance."""
        with self.alliance.client("office") as office:
            found = [job for job in self._ordinary(office) if job.state == "running" and job.site == site]
        self.chance.shuffle(found)
        return found

    def native(self, job: str) -> str:
        """Return Slurm's number of a job's newest attempt."""
        with self.alliance.client("office") as office:
            return office.why(job).attempts[-1].native_id

    # --- what goes wrong ------------------------------------------------------------------------------------------

    def requeue(self) -> None:
        """Let an operator queue running jobs again, well before they end.

        Slurm stretches the record of a job that is queued again after its end up to that moment.
        """
        user = self.chance.choice(["dana", "aysel"])
        jobs = self.submit(user, [self.script(_LONG_ONCE, shape, user) for shape in ("--gpus=1", "--ntasks=2")])
        self.wait_running(jobs)
        with self.alliance.client("office") as office:
            found = [office.why(job).attempts[-1] for job in jobs]
        for attempt in found:
            shown = self.bed.run(attempt.site, "scontrol", "--oneliner", "show", "job", attempt.native_id, ok=False)
            # one that trouble befell already runs for a moment only, the second time
            if {"JobState=RUNNING", "Restarts=0"} <= set(shown.split()):
                self.bed.run(attempt.site, "scontrol", "requeue", attempt.native_id, ok=False)
                self.faults["requeue"] += 1

    def cancel_running(self) -> None:
        """Let users cancel what runs."""
        for job in self.running(self.chance.choice(list(OWNERS)))[:2]:
            self._cancel(job.id)
            self.faults["cancel running"] += 1

    def cancel_waiting(self) -> None:
        """Let users cancel what waits, at the hub or in a site's queue."""
        with self.alliance.client("office") as office:
            waiting = [job for job in self._ordinary(office) if job.state in {"pending", "bound", "starting"}]
        self.chance.shuffle(waiting)
        for job in waiting[:2]:
            self._cancel(job.id)
            self.faults["cancel waiting"] += 1

    def scancel(self) -> None:
        """Let an operator cancel a job at the site, behind the hub's back."""
        site = self.chance.choice(list(OWNERS))
        for job in self.running(site)[:1]:
            self.bed.run(site, "scancel", self.native(job.id), ok=False)
            self.faults["scancel"] += 1

    def kill_node(self) -> None:
        """Let a node die under running jobs, and come back."""
        site = self.chance.choice(list(OWNERS))
        nodes = {node: self._load(site, node) for node in self.bed.clusters[site].nodes}
        node = max(nodes, key=lambda name: nodes[name])
        self.bed.kill_node(site, node)
        time.sleep(1)
        self.bed.revive_node(site, node)
        self.faults["node failure"] += nodes[node] > 0

    def preempt(self) -> None:
        """Fill a home, so that its jobs are guests at the other site, and let the owners come there."""
        for home, other in (("jerusalem", "baku"), ("baku", "jerusalem")):
            user, owner = OWNERS[home], OWNERS[other]
            full = "--nodes=3 --gpus-per-node=4 --ntasks-per-node=8"
            filler = self.submit(user, [self.script("sleep 500", full, user)])
            self.wait_running(filler)
            guests = self.submit(
                user, [self.script(_LONG_ONCE, "--gpus-per-node=4 --ntasks=2", user) for _ in range(3)]
            )
            self.wait_running(guests)
            self._cancel(filler[0])
            time.sleep(1.2)
            self.wait_running(self.submit(owner, [self.script("sleep 1", full, owner)]))
            self.faults["preempted guests"] += len(guests)

    def wait_running(self, jobs: Sequence[str]) -> None:
        """Wait until these jobs run, or have run."""
        with self.alliance.client("office") as office:
            wait_for(lambda: all(job.state not in {"pending", "bound", "starting"} for job in office.status(jobs).jobs))

    def _ordinary(self, office: Client) -> Iterator[JobView]:
        """Go through the jobs, without the few that are there to reach their time limit."""
        return (job for job in office.iter() if (job.time_limit_s or 0) > _SHORT)

    def _cancel(self, job: str) -> None:
        with self.alliance.client("office") as office:
            office.cancel([job])

    def _load(self, site: str, node: str) -> int:
        return len(self.bed.run(site, "squeue", "-h", f"--nodelist={node}", "--states=R", "-o", "%A").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """One run of one job, as the accounting or the ledger has it."""

    native_id: str
    outcome: str
    exit_code: int
    signal: int
    started: int | None
    ended: int
    elapsed: int
    nodes: int
    cpu_seconds: int
    gpu_seconds: tuple[tuple[str, int], ...]


_WORDS = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "TIMEOUT": "timeout",
    "CANCELLED": "cancelled",
    "NODE_FAIL": "node-fail",
    "PREEMPTED": "preempted",
    "REQUEUED": "requeued",
    "OUT_OF_MEMORY": "out-of-memory",
}
_FIELDS = "JobIDRaw,State,ExitCode,Submit,Start,End,ElapsedRaw,NNodes,CPUTimeRAW,AllocTRES,WorkDir"


def accounting(bed: SlurmBed, site: str, work: Path) -> list[Used]:
    """Return every record that sacct has of jobs below a folder, oldest first for each job."""
    text = bed.run(
        site, "sacct", "--duplicates", "-a", "-X", "-n", "--parsable2", "-S", "1970-01-01", f"--format={_FIELDS}"
    )
    rows = [row for row in (line.split("|") for line in text.splitlines()) if row[10].startswith(f"{work}/")]
    return [_used(row) for row in sorted(rows, key=lambda row: (int(row[0]), int(row[3])))]


def _used(row: list[str]) -> Used:
    code, signal = row[2].split(":")
    tres = dict(part.split("=") for part in row[9].split(",") if part)
    gpus = {name.partition(":")[2]: int(count) for name, count in tres.items() if name.startswith("gres/gpu:")}
    # an allocation with GPUs has them by model as well: the bed's Slurm counts each model
    assert sum(gpus.values()) == int(tres.get("gres/gpu", "0"))
    ran = row[4].isdigit() and bool(tres)
    return Used(
        native_id=row[0],
        outcome=_WORDS[row[1].partition(" ")[0]],
        exit_code=int(code),
        signal=int(signal),
        started=int(row[4]) if ran else None,
        ended=int(row[5]),
        elapsed=int(row[6]),
        nodes=int(tres.get("node", "0")),
        cpu_seconds=int(row[8]) if tres else 0,
        gpu_seconds=tuple(sorted((model, count * int(row[6])) for model, count in gpus.items())),
    )


def marks(shared: Path) -> Iterator[tuple[str, str]]:
    """Yield each mark that a job left, with Slurm's number of the job that left it."""
    for path in sorted(shared.iterdir()):
        yield path.name, path.read_text(encoding="utf-8").strip()
