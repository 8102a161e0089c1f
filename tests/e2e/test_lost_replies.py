"""Three of ten answers vanish after the hub has done what it was asked, and everybody blindly asks again.

``make chaos`` does it a thousand times each.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.proxy import Proxy
from foedus.cli.trial.alliance import Alliance
from foedus.client import Client, Means, Retry

CALLS = int(os.environ.get("FOEDUS_CHAOS_CALLS", "100"))
LOSS = 0.3
ASKERS = 4
HOUR = 3600
SCRIPT = "#!/bin/sh\n#SBATCH --gpus=1 --time=1\n#FOEDUS project=phishing-watch purpose=evaluate\ntrue\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub without any site, so that jobs wait, and a door before it that loses answers."""
    folder = tmp_path_factory.mktemp("lost")
    alliance = Alliance(folder, [])
    with Proxy([alliance.url], seed="replies") as door:
        try:
            alliance.found()
            alliance.start_hub()
            alliance.add_user("dana", "israel")
            alliance.open_project(
                "phishing-watch", title="Phishing watch", sector="cybersecurity", lead="dana", gpu_hours=100_000
            )
            yield alliance, door
        finally:
            alliance.stop()


@pytest.fixture(scope="module")
def submitted(hub):
    """The id that each submission was answered, by the name that it gave its job."""

    def submit(client, number):
        name = f"job-{number}"
        return name, client.submit(SCRIPT, overrides=[f"--job-name={name}"]).id

    return dict(blindly(hub, "dana", submit))


def blindly(hub, user, act):
    """Do something many times, each until an answer arrives; return the answers."""
    alliance, door = hub
    before, door.lose = door.lost, LOSS

    def some(first):
        means = Means(hub=door.url, retry=Retry(deadline_s=120, first_s=0.02, most_s=0.2))
        with Client(door.url, alliance.token(user), means=means) as client:
            return [act(client, number) for number in range(first, CALLS, ASKERS)]

    try:
        with ThreadPoolExecutor(ASKERS) as pool:
            answers = [answer for found in pool.map(some, range(ASKERS)) for answer in found]
    finally:
        door.lose = 0
    assert door.lost - before > LOSS * CALLS / 2, "answers were lost"
    return answers


def entries(hub, tmp_path, kind):
    alliance, _ = hub
    with alliance.client("office") as office:
        office.ledger_export(tmp_path / "book")
    lines = [json.loads(line) for line in (tmp_path / "book").read_text().splitlines()]
    return [line for line in lines if line.get("kind") == kind]


def test_each_submission_becomes_one_job(hub, submitted):
    alliance, _ = hub
    with alliance.client("dana") as dana:
        there = sorted((view.name, view.id) for view in dana.iter())
        reserved = dana.project("phishing-watch").reserved

    assert there == sorted(submitted.items())
    assert (len(there), reserved) == (CALLS, CALLS * 60)


def test_each_cancel_ends_one_job_once(hub, submitted):
    alliance, _ = hub
    ids = list(submitted.values())

    answers = blindly(hub, "dana", lambda client, number: client.cancel([ids[number]]))

    with alliance.client("dana") as dana:
        told = [[line.kind for line in dana.why(job).story].count("cancelled") for job in ids]
        reserved = dana.project("phishing-watch").reserved
    assert sorted(answer.cancelled[0] for answer in answers) == sorted(ids)
    assert (told, reserved) == ([1] * CALLS, 0)


def test_each_allocation_is_granted_and_booked_once(hub, tmp_path):
    alliance, _ = hub
    booked = len(entries(hub, tmp_path, "allocation"))
    with alliance.client("office") as office:
        granted = office.project("phishing-watch").granted

    blindly(hub, "office", lambda client, number: client.grant("phishing-watch", 1, reason=f"grant {number}"))

    with alliance.client("office") as office:
        assert office.project("phishing-watch").granted - granted == CALLS * HOUR
    found = entries(hub, tmp_path, "allocation")[booked:]
    assert sorted(line["body"]["reason"] for line in found) == sorted(f"grant {number}" for number in range(CALLS))
