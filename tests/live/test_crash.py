"""Everything dies at random while jobs run on two real Slurm clusters; nothing may be lost, doubled or misbooked.

``make chaos N=50 SEED=1`` runs it by hand. Two hub processes on one PostgreSQL, an agent beside each cluster: each is
killed (``kill -9``) again and again, each controller once; some sbatch carry the job out and never answer, some never
reach the controller, and some are held up before it, so that they outlive an agent that is killed meanwhile; some of
the hub's answers to the submitting client are lost.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from alliance_bed import PARTNER, PEOPLE, PROJECTS, site

from chaos.checker import Accepted, Sources, Verdict, check
from chaos.history import History
from chaos.nemeses import Kill, Nemesis, Restart, Span, Storm, greeted
from chaos.proxy import Proxy
from chaos.sources import at_hub, booked, markers, slurm_runs
from foedus.cli.trial.alliance import Alliance
from foedus.client import Client, Means, Retry
from foedus.core.jobs.state import ENDED

JOBS = int(os.environ.get("FOEDUS_CHAOS_JOBS", "50"))
SEED = int(os.environ.get("FOEDUS_CHAOS_SEED", "1"))
TIMEOUT_S = 4
PATIENCE_S = 240
SETTLED_S = 3
"""Long enough for a job that was handed over twice to show itself."""

SBATCH = """#!/bin/sh
# sbatch as a bad day has it: seeded by its own arguments, it answers too late, or too late without having done anything
draw=$(printf '%s' "{seed} $*" | cksum | cut -d ' ' -f 1)
draw=$((draw % 100))
if [ "$draw" -lt 4 ] && mkdir "{state}/$draw-$(printf '%s' "$*" | cksum | cut -d ' ' -f 1)" 2>/dev/null; then
    echo "never sent" >> {log}
    exec sleep {late}
fi
if [ "$draw" -lt 12 ] && mkdir "{state}/$draw-$(printf '%s' "$*" | cksum | cut -d ' ' -f 1)" 2>/dev/null; then
    echo "held up" >> {log}
    sleep {late} > /dev/null 2>&1
fi
output=$(/usr/bin/sbatch "$@")
code=$?
if [ "$draw" -gt 89 ]; then
    echo "done, never answered" >> {log}
    exec sleep {late}
fi
printf '%s\\n' "$output"
exit $code
"""

SCRIPT = """#!/bin/sh
#SBATCH --gpus={gpus} --time=00:10:00 --mem=64
#FOEDUS project={project} purpose=evaluate
began={folder}/$1.$(basename "$(dirname "$PWD")").${{SLURM_RESTART_COUNT:-0}}
set -C
(echo "$SLURM_JOB_ID" > "$began") || {{ echo "$SLURM_JOB_ID" > "$began.again.$$"; exit 99; }}
sleep $2
"""


@pytest.mark.timeout(900 + 3 * JOBS)
def test_nothing_is_lost_doubled_or_misbooked_whatever_dies(slurm_bed, postgres_server, tmp_path):
    database = postgres_server.create(f"crash{SEED}_{os.getpid()}")
    history = History(tmp_path / "history.jsonl")
    folder = slurm_bed.folder / f"crash-{SEED}"
    folder.mkdir(mode=0o755)
    began = folder / "began"
    began.mkdir()
    began.chmod(0o1777)
    wrapped = _wrap_sbatch(folder)
    with Proxy([], seed=str(SEED)) as door, Proxy([]) as first, Proxy([]) as second:
        alliance = _alliance(slurm_bed, folder, database, {"jerusalem": first, "baku": second}, wrapped)
        try:
            hubs = _bring_up(alliance, (door, first, second))
            door.lose = 0.1
            with Storm(_nemeses(slurm_bed, alliance, hubs), SEED, history):
                accepted = _submit_all(alliance, door, began, history)
                _wait(alliance, door, accepted, booked_too=False, seconds=40)
            door.lose = 0.0
            _wait(alliance, door, accepted, booked_too=True, seconds=PATIENCE_S)
            time.sleep(SETTLED_S)
            verdict = check(
                Sources(
                    accepted=accepted,
                    hub=at_hub(alliance, "office"),
                    markers=markers(began),
                    runs=[run for name in PARTNER for run in slurm_runs(slurm_bed, name, folder / f"{name}-work")],
                    booked=booked(alliance, "office", tmp_path / "ledger.jsonl"),
                )
            )
            story = _story(history, verdict, wrapped / "log", door)
            print(f"\n{story}")  # noqa: T201 - the figures are what `make chaos` is for
            assert verdict.line == "lost 0 doubled 0 misbooked 0 stuck 0", f"{story}\n{_logs(alliance)}"
        finally:
            alliance.stop()
            for name in PARTNER:
                slurm_bed.clear(name)


def _wrap_sbatch(folder: Path) -> Path:
    wrapped = folder / "bin"
    state = wrapped / "state"
    state.mkdir(parents=True)
    state.chmod(0o1777)
    log = wrapped / "log"
    log.touch()
    log.chmod(0o666)
    program = wrapped / "sbatch"
    program.write_text(SBATCH.format(seed=SEED, state=state, log=log, late=TIMEOUT_S + 2))
    program.chmod(0o755)
    return wrapped


def _alliance(bed, folder: Path, database: str, doors: dict[str, Proxy], wrapped: Path) -> Alliance:
    sites = []
    for name, door in doors.items():
        bed.clear(name)
        plain = site(bed, name, folder / f"{name}-work")
        driver = {**plain.driver, "path": f"{wrapped}:/usr/local/bin:/usr/bin:/bin", "timeout": TIMEOUT_S}
        settings = {**plain.settings, "hub": door.url, "poll_s": 5}
        sites.append(replace(plain, driver=driver, settings=settings))
    return Alliance(folder, sites, database=database, hub_settings={"pass_s": "0.2"})


def _bring_up(alliance: Alliance, doors: tuple[Proxy, ...]) -> list[str]:
    alliance.found()
    alliance.start_hub()
    hubs = [alliance.url, alliance.add_hub()]
    for number, door in enumerate(doors):
        door.aim(hubs if number % 2 == 0 else hubs[::-1])
    for user, partner in PEOPLE.items():
        alliance.add_user(user, partner)
    for name, (sector, lead) in PROJECTS.items():
        alliance.open_project(name, title=name, sector=sector, lead=lead, gpu_hours=100_000)
    for name in alliance.sites:
        alliance.start_site(name)
    alliance.wait_for_sites()
    return hubs


def _nemeses(bed, alliance: Alliance, hubs: list[str]) -> list[Nemesis]:
    often, seldom = Span(least=2, most=8), Span(least=8, most=15)
    down = Span(least=0, most=3)
    killed: list[Nemesis] = [
        Kill(victim=hub, every=often, down=down, ready=partial(alliance.wait_for_hub, hub, url))
        for hub, url in zip(alliance.hubs, hubs, strict=True)
    ]
    killed += [
        Kill(victim=agent, every=often, down=down, ready=partial(greeted, agent)) for agent in alliance.agents.values()
    ]
    for name in PARTNER:
        killed.append(
            Restart(
                name=f"slurmctld of {name}",
                stop=lambda name=name: bed.stop_slurmctld(name),
                start=lambda name=name: bed.start_slurmctld(name),
                every=seldom,
                down=down,
            )
        )
    return killed


def _patient(alliance: Alliance, door: Proxy, user: str) -> Client:
    means = Means(hub=door.url, retry=Retry(deadline_s=120, most_s=1))
    return Client(door.url, alliance.token(user), means=means)


def _submit_all(alliance: Alliance, door: Proxy, began: Path, history: History) -> list[Accepted]:
    """Submit from several clients at once, each job a few moments after the one before."""
    chance = random.Random(f"{SEED}/jobs")
    users = [("dana", "phishing-watch"), ("aysel", "form-reader"), ("noam", "phishing-watch")]
    with alliance.client("office") as office:
        office.add_member("phishing-watch", "noam")
    plans = [
        (f"job-{number}", *chance.choice(users), chance.choice((0, 1, 1, 2)), chance.choice((0.1, 1, 3, 8)))
        for number in range(JOBS)
    ]
    found: list[Accepted] = []
    lock = threading.Lock()

    def submit(plan: tuple[str, str, str, int, float]) -> None:
        tag, user, project, gpus, length = plan
        script = SCRIPT.format(gpus=gpus, project=project, folder=began)
        with _patient(alliance, door, user) as client:
            view = client.submit(script, overrides=[f"--job-name={tag}"], arguments=[tag, str(length)])
        history.note("accepted", tag=tag, job=view.id)
        with lock:
            found.append(Accepted(tag=tag, job=view.id))

    with ThreadPoolExecutor(4) as pool:
        waiting = []
        for plan in plans:
            waiting.append(pool.submit(submit, plan))
            time.sleep(chance.uniform(0, 0.8))
        for one in waiting:
            one.result()
    return found


def _wait(alliance: Alliance, door: Proxy, accepted: list[Accepted], *, booked_too: bool, seconds: float) -> None:
    """Wait until all have ended, and are booked; what is not by then is for the checker to tell."""
    deadline = time.monotonic() + seconds
    ids = [one.job for one in accepted]
    with _patient(alliance, door, "office") as office:
        while time.monotonic() < deadline:
            live = [job.id for job in office.status(ids).jobs if job.state not in ENDED]
            if not live and (not booked_too or all(_is_booked(office, job) for job in ids)):
                return
            time.sleep(1)


def _is_booked(office: Client, job: str) -> bool:
    return all(one.entry is not None for one in office.why(job).attempts if one.outcome is not None)


def _story(history: History, verdict: Verdict, log: Path, door: Proxy) -> str:
    strikes = Counter(event["by"] for event in history.events("strike"))
    words = ", ".join(f"{name} {count}" for name, count in sorted(strikes.items()))
    bad = Counter(log.read_text().splitlines())
    return "\n".join(
        (
            f"seed {SEED}, {JOBS} jobs, {history.seconds:.0f} s: {words}",
            f"sbatch: {', '.join(f'{count} {name}' for name, count in sorted(bad.items())) or 'all answered'}",
            f"answers to clients lost: {door.lost}",
            str(verdict),
        )
    )


def _logs(alliance: Alliance) -> str:
    processes = [*alliance.hubs, *alliance.agents.values()]
    return "\n".join(f"--- {process.name}\n{process.tail(150)}" for process in processes)
