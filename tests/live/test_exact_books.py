"""After a mixed day with every kind of trouble the ledger and sacct agree to the second, at both sites.

``FOEDUS_DAY_JOBS`` sets how many jobs the day has (300), ``FOEDUS_DAY_SEED`` which day it is.
"""

import json
import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import datetime
from itertools import zip_longest

import pytest
from alliance_bed import PARTNER, PEOPLE, alliance_on
from day import Day, Used, accounting, marks

from foedus.core.jobs.state import ENDED
from waiting import wait_for

pytestmark = pytest.mark.timeout(1800)

JOBS = int(os.environ.get("FOEDUS_DAY_JOBS", "300"))
SEED = int(os.environ.get("FOEDUS_DAY_SEED", "20261123"))


@pytest.fixture(scope="module")
def evening(slurm_bed, tmp_path_factory):
    """Live through the day; return what the hub, the ledger and the clusters have of it."""
    with alliance_on(slurm_bed, "day", hub_settings={"promise_s": "600"}) as alliance:
        shared = slurm_bed.folder / "day" / "marks"
        shared.mkdir()
        shared.chmod(0o1777)
        day = Day(bed=slurm_bed, alliance=alliance, shared=shared, chance=random.Random(SEED))
        began = time.monotonic()
        live(day)
        found = Evening(day)
        found.seconds = time.monotonic() - began
        found.collect(tmp_path_factory.mktemp("day") / "ledger.jsonl")
        yield found


def live(day: Day) -> None:
    """Submit everything, with trouble in between."""
    day.preempt()
    day.submit("dana", [day.script("sleep 200", "--time=0:20", "dana") for _ in range(2)])
    day.submit("aysel", [day.script("sleep 200", "--time=1 --gpus=1", "aysel")])
    trouble = [day.requeue, day.cancel_running, day.cancel_waiting, day.scancel, day.kill_node]
    rounds = 12
    for number in range(rounds):
        day.batch(JOBS // rounds)
        time.sleep(1)
        trouble[number % len(trouble)]()
    day.batch(max(0, JOBS - day.tasks))
    settled(day)


def settled(day: Day, patience: float = 400) -> None:
    """Wait until every job has ended and every attempt that a cluster had is booked."""
    with day.alliance.client("office") as office:
        wait_for(lambda: all(job.state in ENDED for job in office.iter()), patience=patience)
        wait_for(
            lambda: (
                not any(
                    one.outcome and one.entry is None for job in office.iter() for one in office.why(job.id).attempts
                )
            )
        )


class Evening:
    """What is there when all is over."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.seconds = 0.0

    def collect(self, book) -> None:
        day = self.day
        with day.alliance.client("office") as office:
            self.jobs = {job.id: office.why(job.id) for job in office.iter()}
            office.ledger_export(book)
            self.balance = office.balance()
        self.verified = subprocess.run(
            [sys.executable, "-m", "foedus", "ledger", "verify", book, "--agreement", day.alliance.agreement],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        bodies = [
            found["body"]
            for found in map(entry_of, book.read_text().splitlines())
            if found and found["kind"] == "usage"
        ]
        self.usage = {site: [body for body in bodies if body["site"] == site] for site in PARTNER}
        logs = [(day.alliance.folder / f"{site}.log").read_text().splitlines() for site in PARTNER]
        self.refused = [line for lines in logs for line in lines if "the hub does not" in line]
        self.marks = dict(marks(day.shared))
        self.sacct = {}
        for site in PARTNER:
            work = day.bed.folder / "day" / f"{site}-work"
            self.sacct[site] = accounting(day.bed, site, work)


def entry_of(line: str):
    """Return the entry in a line of the exported ledger, if it has one."""
    found = json.loads(line)
    return found.get("entry", found) if "kind" in found.get("entry", found) else None


def seconds(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp())


def used(body) -> Used:
    """Read a usage record of the ledger."""
    return Used(
        native_id=body["native_id"],
        outcome=body["outcome"],
        exit_code=body["exit_code"],
        signal=body["signal"],
        started=seconds(body["started"]),
        ended=seconds(body["ended"]),
        elapsed=body["elapsed"],
        nodes=body["nodes"],
        cpu_seconds=body["cpu_seconds"],
        gpu_seconds=tuple(sorted((model, count) for model, count in body["gpu_seconds"].items())),
    )


def totals(records):
    found = Counter()
    for one in records:
        found["records"] += 1
        found["elapsed"] += one.elapsed
        found["cpu_seconds"] += one.cpu_seconds
        found.update({f"gpu_seconds of {model}": count for model, count in one.gpu_seconds})
    return found


def test_the_day_had_every_kind_of_trouble(evening):
    outcomes = Counter(one.outcome for records in evening.sacct.values() for one in records)
    never = sum(one.started is None for records in evening.sacct.values() for one in records)
    figures = (evening.day.tasks, evening.seconds, dict(outcomes), never, dict(evening.day.faults))
    logging.getLogger(__name__).info("%d jobs, %.0f s; records: %s, %d never ran; trouble: %s", *figures)
    assert evening.day.tasks >= JOBS
    kinds = {"completed", "failed", "timeout", "cancelled", "node-fail", "preempted", "requeued"}
    assert kinds <= outcomes.keys()
    assert {body["user_partner"] == PARTNER[site] for site in PARTNER for body in evening.usage[site]} == {True, False}


@pytest.mark.parametrize("site", PARTNER)
def test_the_ledger_and_sacct_agree_to_the_second(site, evening):
    booked = sorted(evening.usage[site], key=lambda body: (int(body["native_id"]), body["attempt"]))
    ledger = [used(body) for body in booked]
    pairs = zip_longest(ledger, evening.sacct[site])
    assert [f"ledger {mine}\nsacct  {theirs}" for mine, theirs in pairs if mine != theirs] == []
    assert totals(ledger) - totals(evening.sacct[site]) == Counter()
    assert totals(evening.sacct[site]) - totals(ledger) == Counter()
    assert totals(ledger)["records"] > JOBS / 10
    assert ledger == evening.sacct[site]
    assert {body["source"] for body in booked} == {"sacct"}


def test_every_attempt_that_a_cluster_had_is_booked_once(evening):
    handed = {(job.job.id, one.number) for job in evening.jobs.values() for one in job.attempts if one.outcome}
    booked = Counter((body["job"], body["attempt"]) for site in PARTNER for body in evening.usage[site])
    assert booked == Counter(handed)


def test_the_balance_is_the_sum_of_the_records(evening):
    sums = defaultdict(Counter)
    for site, partner in PARTNER.items():
        for body in evening.usage[site]:
            spent = sum(body["gpu_seconds"].values())
            if body["user_partner"] == partner:
                sums[partner]["own"] += spent
            else:
                sums[partner]["gave"] += spent
                sums[body["user_partner"]]["took"] += spent
    lines = {line.partner: line for line in evening.balance.lines}
    shown = {partner: Counter(own=line.own, gave=line.gave, took=line.took) for partner, line in lines.items()}
    assert shown == sums
    assert all(figure for partner in sums.values() for figure in partner.values())


def test_the_ledger_is_sound_offline(evening):
    assert (evening.verified.returncode, evening.verified.stderr) == (0, "")


def test_no_job_is_lost_or_doubled(evening):
    assert "doubled" not in evening.marks
    assert len(evening.jobs) == evening.day.tasks
    expected, possible = {}, {}
    for job in evening.jobs.values():
        task = job.job.id.partition("_")[2] or "x"
        runs = [one for one in job.attempts if one.outcome]
        for number, one in enumerate(runs):
            restart = sum(earlier.native_id == one.native_id for earlier in runs[:number])
            mark = f"{job.job.name}.{task}.{restart}"
            # of one that began in the very second in which one of its nodes died Slurm keeps no start
            if one.started is not None or one.outcome == "node-fail":
                possible[mark] = one.native_id
            if one.outcome in {"completed", "failed", "timeout"}:
                expected[mark] = one.native_id
    assert {mark: native for mark, native in expected.items() if evening.marks.get(mark) != native} == {}
    assert {mark: native for mark, native in evening.marks.items() if possible.get(mark) != native} == {}
    completed = [job for job in evening.jobs.values() if job.job.state == "completed"]
    assert len(completed) > JOBS / 4
    assert {job.job.user for job in completed} == PEOPLE.keys()


def test_the_hub_took_everything_that_the_sites_had_to_say(evening):
    assert evening.refused == []
