"""Jobs that do nothing, from submission to the verified ledger, through a real hub, a real agent and a real client.

Beside them a bare loop that forks and executes the same script. Only jobs whose usage is in the exported ledger count,
after `foedus ledger verify` has found that ledger sound. The clock runs from the first submission to the time of the
last usage entry.
"""

import argparse
import getpass
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from parts import processor
from parts.figures import SHORT, figure, size

import postgres
from foedus.cli.trial.alliance import Alliance, TrialSite
from foedus.cli.trial.processes import foedus, pause
from foedus.wire.jobs import Submission

GOAL = 100.0
SCRIPT = "#!/bin/sh\n#SBATCH --time=1 --mem=1\n#FOEDUS project=noop purpose=evaluate\n:\n"
SLOTS = 512
"""CPUs that the site hands out: jobs that do nothing do not need one of their own."""
JOBS = 3000
BATCH = 1000
PATIENCE_S = 600.0


def site(folder: Path) -> TrialSite:
    """Describe the one site."""
    driver = {
        "kind": "local",
        "state": str(folder / "cluster"),
        "nodes": [{"name": "node", "cpus": SLOTS, "memory_mib": 64 * SLOTS, "gpus": 0}],
    }
    return TrialSite(
        id="jerusalem",
        partner="israel",
        driver=driver,
        accounts=[{"account": getpass.getuser()}],
        settings={"allow_root": True, "lowest_uid": 1},
    )


@contextmanager
def alliance(database: str) -> Iterator[Alliance]:
    """Bring up a hub, an agent, a person and a project."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        trial = Alliance(folder, [site(folder)], database=database, hub_settings=SHORT)
        try:
            trial.found()
            trial.start_hub()
            trial.add_user("dana", "israel")
            trial.open_project("noop", title="noop", sector="cybersecurity", lead="dana", gpu_hours=1)
            trial.start_site("jerusalem")
            trial.wait_for_sites()
            yield trial
        finally:
            trial.stop()


def run(trial: Alliance, count: int) -> dict[str, float]:
    """Run the jobs; return jobs/s and processor seconds a job."""
    processes = {"hub": trial.hub.pid, "agent": trial.agents["jerusalem"].pid, "client": os.getpid()}
    before = {name: processor.seconds(pid) for name, pid in processes.items()}
    with trial.client("dana") as client, trial.client("office") as office:
        head = office.ledger_head().seq
        began = time.time()
        accepted: list[str] = []
        for first in range(0, count, BATCH):
            views = client.submit_many([Submission(script=SCRIPT)] * min(BATCH, count - first))
            accepted += [view.id for view in views]
        submitted = time.time() - began
        while office.ledger_head().seq < head + count:
            if time.time() > began + PATIENCE_S:
                raise SystemExit(f"only {office.ledger_head().seq - head} of {count} jobs are booked")
            pause(0.5)
        used = {name: processor.seconds(pid) - before[name] for name, pid in processes.items()}
        book = trial.folder / "ledger.jsonl"
        office.ledger_export(book)
    foedus("ledger", "verify", str(book), "--agreement", str(trial.agreement))
    ends = booked(book)
    missing = set(accepted) - ends.keys()
    if missing:
        raise SystemExit(f"accepted, and not booked as completed: {sorted(missing)}")
    last = max(ends[job] for job in accepted)
    return {
        "rate": count / (last - began),
        "submitting": submitted,
        **{name: seconds / count for name, seconds in used.items()},
    }


def booked(book: Path) -> dict[str, float]:
    """Read when each completed job was booked; a second entry of one is an error."""
    found: dict[str, float] = {}
    for line in book.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("kind") == "usage" and entry["body"]["outcome"] == "completed":
            if entry["body"]["job"] in found:
                raise SystemExit(f"job {entry['body']['job']} is booked twice")
            found[entry["body"]["job"]] = datetime.fromisoformat(entry["at"]).timestamp()
    return found


def bare(count: int) -> float:
    """Return how many times a second the same script is started and waited for, two at a time."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        script = Path(name) / "script"
        script.write_text(SCRIPT, encoding="utf-8")
        script.chmod(0o755)
        began = time.perf_counter()
        running: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            if len(running) == 2:
                running.pop(0).wait()
            running.append(subprocess.Popen([script]))
        for one in running:
            one.wait()
        return count / (time.perf_counter() - began)


def measure(name: str, database: str, count: int) -> None:
    """Print the figures of one database."""
    with alliance(database) as trial:
        found = run(trial, count)
    figure(f"noop-jobs-{name}", found["rate"], "jobs/s", least=GOAL)
    for part in ("hub", "agent", "client"):
        figure(f"noop-jobs-{name}-{part}", 1000 * found[part], "ms-of-processor/job")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=max(20, round(JOBS * size())))
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    chosen = parser.parse_args()
    figure("fork-exec-loop", bare(min(chosen.jobs, 2000)), "jobs/s")
    if chosen.database != "postgres":
        measure("sqlite", "", chosen.jobs)
    if chosen.database != "sqlite":
        with postgres.server() as server:
            measure("postgres", server.create("bench"), chosen.jobs)


if __name__ == "__main__":
    main()
