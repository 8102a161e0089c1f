"""Everything breaks at random while jobs run on two real Slurm clusters; nothing may be lost, doubled or misbooked.

``make chaos N=10000 SEED=1`` runs it by hand, ``make test`` a small part of it. Two hub processes on one PostgreSQL, an
agent beside each cluster. What breaks is in `chaos_storm`, the jobs in `chaos_load`, what is asked when the storm is
over in `chaos_calm`, and what counts as wrong in `chaos.checker`.

The seed gives the jobs, the order and the moments of the strikes; how processes race is up to the machine. A run that
finds something keeps its folder: the history of all strikes, the logs, the state of everybody.
"""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from alliance_bed import PARTNER
from chaos_bed import ChaosBed, chaos_bed
from chaos_calm import a_day_away, recover
from chaos_load import Load, Plan, plans
from chaos_storm import nemeses

from chaos.checker import AtHub, Sources, Verdict, check
from chaos.history import History
from chaos.nemeses import Storm
from chaos.sources import at_hub, booked, markers, slurm_runs, stories
from foedus.cli.trial.processes import foedus
from foedus.core.jobs.state import ENDED

JOBS = int(os.environ.get("FOEDUS_CHAOS_JOBS", "30"))
SEED = int(os.environ.get("FOEDUS_CHAOS_SEED", "1"))
KEEP = Path(tempfile.gettempdir()) / f"foedus-chaos-{SEED}"
"""Where the history and the logs of a run that went wrong are copied."""
MINUTES = float(os.environ.get("FOEDUS_CHAOS_MINUTES", "600"))
"""How long jobs are submitted at most, however many there are to be."""
PACE = float(os.environ.get("FOEDUS_CHAOS_PACE", "3"))
"""Stretches the rests between strikes: a slow or busy machine has to come round in between."""
SHORTEST_S = 30
"""How long a storm lasts at least, however few the jobs are."""
AT_ONCE = 3
"""Strikes under way at the same time."""
PATIENCE_S = 180
SETTLED_S = 3
"""Long enough for a job that was handed over twice to show itself."""
SOUND = "lost 0 doubled 0 misbooked 0 stuck 0"


@pytest.mark.timeout(900 + 3 * JOBS)
def test_nothing_is_lost_doubled_or_misbooked_whatever_breaks(slurm_bed, tmp_path):
    folder = slurm_bed.folder / f"crash-{SEED}"
    folder.mkdir(mode=0o755)
    history = History(tmp_path / "history.jsonl")
    tell(f"seed {SEED}, {JOBS} jobs; again with: make chaos N={JOBS} SEED={SEED}; history in {history.file}")
    with chaos_bed(slurm_bed, folder, SEED, history) as bed:
        try:
            hunt(bed, tmp_path)
        except BaseException:
            keep(bed, KEEP)
            raise


def hunt(bed: ChaosBed, folder: Path) -> None:
    """Run all the parts and say what they found."""
    load = Load(bed, tell)
    storm(bed, load)
    settled(bed)  # what the storm left behind would stand before the jobs that are timed now
    recoveries = recover(bed, load, max(2, min(12, JOBS // 50)))
    away = a_day_away(bed, load, "baku", max(2, min(8, JOBS // 50)), cut_s=max(10, min(40, JOBS // 10)))
    hub = settled(bed)
    time.sleep(SETTLED_S)
    verdict = judge(bed, load, hub, folder)
    checked = verified(bed, folder / "ledger.jsonl")
    tell("\n".join([*figures(bed, load), *map(str, recoveries), str(away), checked, str(verdict)]))
    assert verdict.line == SOUND, f"{verdict}\n{logs(bed)}"
    assert (away.killed, away.seconds is not None) == (0, True)


def tell(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - the figures are what `make chaos` is for


def storm(bed: ChaosBed, load: Load) -> None:
    """Submit all jobs while everything breaks, then mend everything."""
    bed.commands.begin()
    bed.door.lose = 0.1
    for line in bed.lines.values():
        line.lose = 0.03
    try:
        with Storm(nemeses(bed, PACE), SEED, bed.history, at_once=AT_ONCE):
            load.submit_all(in_time(plans(JOBS, SEED), MINUTES), JOBS, patience=30, gap=SHORTEST_S / JOBS)
    finally:
        bed.heal()
    bed.history.note("healed")


def in_time(jobs: Iterator[Plan], minutes: float) -> Iterator[Plan]:
    """Go through the jobs for so many minutes."""
    deadline = time.monotonic() + 60 * minutes
    return takewhile(lambda _: time.monotonic() < deadline, jobs)


def settled(bed: ChaosBed) -> list[AtHub]:
    """Wait until all jobs have ended and are booked; what is not by then is for the checker to tell."""
    ask = {"url": bed.door.url, "askers": 4}
    found = {job.job: job for job in at_hub(bed.alliance, "office", **ask)}
    deadline = time.monotonic() + PATIENCE_S
    while (left := [job.job for job in found.values() if is_open(job)]) and time.monotonic() < deadline:
        tell(f"{bed.history.seconds:6.0f} s: {len(left)} jobs are not over or not booked yet")
        time.sleep(2)
        found |= {job.job: job for job in stories(bed.alliance, "office", left, **ask)}
    return list(found.values())


def is_open(job: AtHub) -> bool:
    return job.state not in ENDED or any(unbooked(one) for one in job.attempts)


def unbooked(told) -> bool:
    return told.outcome is not None and told.entry is None


def judge(bed: ChaosBed, load: Load, hub: list[AtHub], folder: Path) -> Verdict:
    runs = [run for name in PARTNER for run in slurm_runs(bed.slurm, name, bed.work(name))]
    entries = booked(bed.alliance, "office", folder / "ledger.jsonl")
    return check(
        Sources(
            accepted=load.accepted,
            hub=hub,
            markers=markers(bed.began),
            runs=runs,
            booked=entries,
            readings=bed.auditor.readings,
        )
    )


def verified(bed: ChaosBed, ledger: Path) -> str:
    """Have the exported books checked, as a partner would; raises if they are unsound."""
    return foedus("ledger", "verify", str(ledger), "--agreement", str(bed.alliance.agreement))


def figures(bed: ChaosBed, load: Load) -> list[str]:
    """Say what really broke, by kind."""
    history = bed.history
    strikes = Counter(event["by"] for event in history.events("strike"))
    commands = bed.commands.counts()
    lost = bed.door.lost + sum(line.lost for line in bed.lines.values())
    return [
        f"{history.seconds:.0f} s: {len(load.accepted)} jobs, {strikes.total() + commands.total() + lost} faults",
        f"strikes {strikes.total()}: {listed(strikes)}",
        f"commands {commands.total()}: {listed(commands)}",
        f"answers lost after they were given: {bed.door.lost} to clients, {lost - bed.door.lost} to agents",
    ]


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def logs(bed: ChaosBed) -> str:
    processes = [*bed.alliance.hubs, *bed.alliance.agents.values()]
    return "\n".join(f"--- {process.name}\n{process.tail(60)}" for process in processes)


def keep(bed: ChaosBed, folder: Path) -> None:
    """Copy what tells how it went."""
    tell(f"kept in {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    for file in [bed.history.file, *bed.folder.glob("*.log"), *(bed.slurm.folder / "log").glob("*.log")]:
        shutil.copy2(file, folder)
