"""A hub whose database holds a million jobs: submitting many more at once, asking for many, and turning pages.

Everything goes through the hub's API with the Python client, on SQLite and on PostgreSQL. Beside it stands what the
database alone takes for as much: plain rows of the same length written a thousand at a time, and a thousand rows read
by their key.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests/contract/store"))

import psycopg
import store_samples as samples
from parts.figures import figure, size

import postgres
from foedus.cli.trial.alliance import Alliance
from foedus.client import Client
from foedus.client.jobs import Filter
from foedus.core.jobs.job import Job
from foedus.core.jobs.state import JobState
from foedus.store.unit import open_store
from foedus.wire.jobs import Submission

JOBS = 1_000_000
SUBMITTED = 20_000
BATCH = 1000
LEAST_RATE = 2000.0
MOST_STATUS_S = 1.0
MOST_PAGE_MS = 100.0
LOOKS = 15
"""Times that each question is asked in a full run; the median counts."""
SITES = ("jerusalem", "baku")
PROJECTS = ("shield", "metro", "forms", "lights")
SCRIPT = """\
#!/bin/sh
#SBATCH --gpus=1 --time=1:00:00 --mem=16G --cpus-per-task=8
#SBATCH --job-name=train-{number}
#FOEDUS project=shield purpose=finetune
srun python train.py --seed {number}
"""


@contextmanager
def alliance(database: str) -> Iterator[Alliance]:
    """Begin an alliance: a user, their projects, no site that could start anything."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        trial = Alliance(Path(name), [], database=database)
        try:
            trial.found()
            trial.start_hub()
            trial.add_user("noa", "israel")
            for project in PROJECTS:
                trial.open_project(project, title=project, sector="cybersecurity", lead="noa", gpu_hours=10_000_000)
            yield trial
        finally:
            trial.stop()


def made(number: int, dice: random.Random) -> Job:
    """Make up a job as a hub of some age holds it: nearly all are over, most of them well."""
    over = dice.choices((JobState.COMPLETED, JobState.FAILED, JobState.TIMEOUT, JobState.CANCELLED), (90, 7, 1, 2))[0]
    state = over if number % 100 else dice.choice((JobState.RUNNING, JobState.STARTING))
    return samples.job(
        number,
        user=f"user{dice.randrange(200)}" if number % 20 else "noa",
        project=dice.choice(PROJECTS),
        name=f"train-{dice.randrange(1000)}",
        state=state,
        site=dice.choice(SITES),
        attempt=1,
        reserved=0,
        started=samples.NOW,
        ended=None if state in {JobState.RUNNING, JobState.STARTING} else samples.NOW,
    )


def batches(first: int, count: int, length: int) -> Iterator[range]:
    """Cut numbers into stretches."""
    for start in range(first, first + count, length):
        yield range(start, min(start + length, first + count))


def fill(url: str, count: int) -> None:
    """Store jobs as the hub stores those that are submitted, ten thousand in a transaction."""
    store, dice = open_store(url), random.Random(1)
    try:
        with store.begin() as tx:
            (spec,) = tx.jobs.put_specs([samples.SPEC])
            first = tx.jobs.numbers(count)
        for numbers in batches(first, count, 10_000):
            jobs = [replace(made(number, dice), spec=spec) for number in numbers]
            with store.begin() as tx:
                tx.jobs.add(jobs, [])
    finally:
        store.close()


def submit(client: Client, count: int) -> float:
    """Submit scripts that all differ; return how many a second."""
    began = time.perf_counter()
    for numbers in batches(0, count, BATCH):
        scripts = [Submission(script=SCRIPT.format(number=number)) for number in numbers]
        views = client.submit_many(scripts)
        if {view.state for view in views} != {JobState.PENDING}:
            raise SystemExit(f"not all were admitted: {views[0]}")
    return count / (time.perf_counter() - began)


def median(ask: Callable[[], object]) -> float:
    """Return the median of the seconds that a question takes."""
    times: list[float] = []
    for _ in range(max(3, int(LOOKS * size()))):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def pages(client: Client, count: int) -> dict[str, float]:
    """Return the seconds of a page of a hundred: the newest, one in the middle, and by each filter."""
    middle = f"{count // 2}.-1"
    asked = {
        "newest": (Filter(), None),
        "middle": (Filter(), middle),
        "state": (Filter(states=("failed",)), middle),
        "rare-state": (Filter(states=("running",)), None),
        "states": (Filter(states=("timeout", "cancelled")), middle),
        "project": (Filter(project="forms"), middle),
        "site": (Filter(site="baku"), middle),
        "user": (Filter(user="noa"), middle),
        "name": (Filter(name="train-7"), middle),
        "project-state-site": (Filter(project="metro", states=("failed",), site="baku"), middle),
    }
    return {
        name: median(lambda which=which, cursor=cursor: client.list(which, cursor=cursor, limit=100))
        for name, (which, cursor) in asked.items()
    }


def ask(name: str, trial: Alliance, url: str) -> None:
    """Print the figures of one database."""
    count = max(2000, int(JOBS * size()))
    fill(url, count)
    more = max(BATCH, int(SUBMITTED * size()))
    with trial.client("noa") as noa, trial.client("office") as office:
        figure(f"submit-{name}", submit(noa, more), "jobs/s", least=LEAST_RATE)
        dice = random.Random(2)
        ids = [str(number) for number in dice.sample(range(1, count + 1), BATCH)]
        if len(office.status(ids).jobs) != BATCH:
            raise SystemExit("not all jobs were found")
        figure(f"rows-by-key-{name}", median(lambda: rows(url, ids)), "s")
        figure(f"status-of-{BATCH}-{name}", median(lambda: office.status(ids)), "s", most=MOST_STATUS_S)
        for who, client in (("office", office), ("user", noa)):
            for kind, seconds in pages(client, count).items():
                figure(f"page-{name}-{who}-{kind}", 1000 * seconds, "ms", most=MOST_PAGE_MS)


def rows(url: str, ids: list[str]) -> None:
    """Read rows by their key with the driver alone."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            found = connection.execute(f"SELECT * FROM jobs WHERE id IN ({','.join('?' * len(ids))})", ids).fetchall()
    else:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT * FROM jobs WHERE id = ANY(%s)", [ids]).fetchall()
    if len(found) != len(ids):
        raise SystemExit("not all rows were found")


def plain_sqlite(count: int) -> float:
    """Write plain rows, a thousand in a transaction that is on disk before the next; return how many a second."""
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        connection = sqlite3.connect(Path(name) / "plain.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, text TEXT)")
        began = time.perf_counter()
        for numbers in batches(0, count, BATCH):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO plain VALUES (?, ?)", [(one, ROW) for one in numbers])
            connection.execute("COMMIT")
        rate = count / (time.perf_counter() - began)
        connection.close()
        return rate


def plain_postgres(url: str, count: int) -> float:
    """Do the same with PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE plain (id BIGINT PRIMARY KEY, text TEXT)")
        began = time.perf_counter()
        for numbers in batches(0, count, BATCH):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany("INSERT INTO plain VALUES (%s, %s)", [(one, ROW) for one in numbers])
        rate = count / (time.perf_counter() - began)
        connection.execute("DROP TABLE plain")
        return rate


ROW = "x" * 1000
"""About as long as what is stored of a job: its row, its script, its story."""


def main() -> None:
    """Measure."""
    plain = max(BATCH, int(SUBMITTED * size()))
    figure("plain-rows-sqlite", plain_sqlite(plain), "rows/s")
    with alliance("") as trial:
        ask("sqlite", trial, f"sqlite:///{trial.folder / 'hub' / 'hub.db'}")
    with postgres.server() as server:
        url = server.create("bench")
        figure("plain-rows-postgres", plain_postgres(url, plain), "rows/s")
        with alliance(url) as trial:
            ask("postgres", trial, url)


if __name__ == "__main__":
    main()
