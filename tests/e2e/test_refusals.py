"""What is refused, by real processes: the words, the exit codes, and that nothing came of it."""

import json
import shutil
import socket
import time

import httpx2
import pytest
from trial_bed import on, script

from foedus.agent.folder import StateFolder
from foedus.core.base.instant import Instant
from foedus.keys.http import sign_request
from waiting import wait_for

pytestmark = on("two-hubs")


def count(running):
    with running.client("office") as office:
        return len(list(office.iter()))


def test_a_clause_refuses_and_is_named(running):
    done = running.foedus("dana", "submit", "-", feed=script("true", gpus=1).replace("purpose=evaluate", ""))

    assert done.code == 3
    assert "at baku: clause declared-purpose forbids it: A job that uses GPUs declares its purpose." in done.err


def test_a_job_larger_than_every_site_names_each_limit(running):
    done = running.foedus("dana", "submit", "--json", "--nodes=500", "-", feed=script("true"))

    assert done.code == 3
    assert {one["site"] for one in done.json["reasons"] if one["code"] == "too-large"} == {"jerusalem", "baku"}


def test_an_empty_budget_refuses_what_costs(running):
    done = running.foedus("dana", "submit", "-", feed=script("true", project="no-budget", gpus=1))

    assert done.code == 3
    assert "no-budget" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (script("true", project="nobody-knows"), "you are in no project 'nobody-knows'"),
        (script("true", project="form-reader"), "you are in no project 'form-reader'"),
        (script("true").replace("#!/bin/sh\n", ""), "#!"),
        (script("true", more="--job-name=a\x1bb"), "control character"),
        (script("true", more="--nonsense=1"), "nonsense"),
        (
            script("true").replace("evaluate", "evaluate output=../../etc"),
            "'../../etc' does not stay in the job's folder",
        ),
        (
            script("true").replace("evaluate", "evaluate output=/etc/passwd"),
            "'/etc/passwd' does not stay in the job's folder",
        ),
        (script("true", more="--dependency=afterok:999999"), "999999"),
    ],
    ids=["project", "foreign project", "shebang", "control character", "option", "escape", "absolute", "dependency"],
)
def test_a_faulty_script_is_refused_with_the_fault(running, text, words):
    before = count(running)

    done = running.foedus("dana", "submit", "-", feed=text)

    assert done.code == 2
    assert words in done.err
    assert count(running) == before


def test_a_script_beyond_all_measure_is_refused(running):
    done = running.foedus("dana", "submit", "-", feed=script("#" * (4 * 1024 * 1024)))

    assert (done.code, "script is larger than 4194304 bytes" in done.err) == (3, True)


def test_the_hub_refuses_what_the_command_line_would_have_caught(running):
    """Whoever speaks to the hub directly meets the same rules."""
    with httpx2.Client(base_url=running.hubs[0], headers={"Authorization": f"Bearer {_token(running)}"}) as http:
        faulty = http.post("/api/v1/jobs", json={"jobs": [{"script": script("true", more="--nonsense")}]})
        endless = http.post("/api/v1/jobs", json={"jobs": [{"script": script("#" * (4 * 1024 * 1024))}]})

    assert (faulty.status_code, faulty.json()["code"]) == (422, "bad-input")
    assert (endless.status_code, endless.json()["code"]) == (413, "too-large")


def _token(running):
    return running.alliance.token("dana")


def test_what_is_absent_or_somebody_elses_is_the_same(running):
    job = running.submit("dana", script("true"))

    for name in ("999999", job):
        done = running.foedus("aysel", "why", name)
        assert (done.code, done.err.splitlines()[0]) == (5, f"error: there is no job {name} that you could see")


def test_a_wrong_token_opens_nothing(running):
    done = running.foedus("dana", "list", FOEDUS_TOKEN="foedus_wrong")

    assert done.code == 6


def test_a_hub_that_is_not_there_is_said_so(running):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"

        done = running.foedus("dana", "list", FOEDUS_HUB=nobody, FOEDUS_DEADLINE_S="1")

    assert done.code == 4
    assert nobody in done.err


def test_an_endless_output_is_cut_and_says_so(running):
    """The agents of this alliance pass on at most 1 MiB of an attempt."""
    job = running.submit("dana", script("head -c 3000000 /dev/zero | tr '\\0' x"))
    running.settled([job])

    shown = running.foedus("dana", "logs", job)

    assert (shown.code, len(shown.out)) == (0, 1024 * 1024)
    assert shown.err == "--- the job wrote more than its site passes on ---\n"


def test_a_link_out_of_the_jobs_folder_does_not_come_back(running):
    text = script("ln -s /etc results", "mkdir real; echo x > real/file; ln -s /etc/hostname real/link").replace(
        "evaluate", "evaluate output=results,real"
    )
    job = running.submit("dana", text)
    (story,) = running.settled([job])

    with running.client("dana") as dana:
        files = [file.path for file in dana.outputs(job).files]

    assert files == ["real/file"]
    assert "not sent, being no regular files" in story.attempts[0].reason


@pytest.mark.parametrize("off", [-121, 180])
def test_an_agent_whose_clock_is_off_is_refused(running, off):
    answer = _hello(running, "baku", off)

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    side = "ahead of" if off > 0 else "behind"
    assert f"s {side} the hub's clock" in answer.json()["message"]


def _hello(running, site, off=0, key=None):
    url = f"{running.hubs[0]}/api/v1/agents/{site}/hello"
    body = json.dumps({"version": "1", "driver": "local"}).encode()
    signed = sign_request(
        key or StateFolder(path=running.state(site)).key(),
        "POST",
        url,
        headers={"content-type": "application/json", "foedus-epoch": "0", "foedus-sequence": "1"},
        body=body,
        created=Instant(int((time.time() + off) * 1000)),
    )
    return httpx2.post(url, content=body, headers=signed)


def test_an_old_message_of_an_agent_is_refused_when_it_comes_again(running):
    answer = _hello(running, "baku")

    assert (answer.status_code, answer.json()["code"]) == (409, "stale")


def test_one_site_cannot_speak_for_another(running):
    answer = _hello(running, "baku", key=StateFolder(path=running.state("jerusalem")).key())

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")


def test_a_revoked_agent_is_refused_until_it_is_enrolled_again(running):
    """Its running job goes on, and is reported by the agent's new enrolment."""
    job = running.submit("aysel", script("sleep 3; echo done", project="form-reader"))
    with running.client("aysel") as aysel:
        wait_for(lambda: aysel.get(job).state == "running", "it runs")

    assert running.foedus("office", "site", "revoke", "baku").code == 0
    agent = running.agent("baku")
    wait_for(lambda: "the hub refuses this agent" in agent.tail(50), "the agent is refused")
    agent.stop()
    running.alliance.start_site("baku")
    running.alliance.wait_for_sites()

    (story,) = running.settled([job])
    assert [(one.number, one.site, one.outcome) for one in story.attempts] == [(1, "baku", "completed")]
    assert running.foedus("aysel", "logs", job).out == "done\n"


def test_a_second_agent_with_the_same_folder_is_refused(running):
    done = running.operate("baku", "run", "--config", str(running.config("baku")))

    assert done.code == 3
    assert "another agent already runs with" in done.err


def test_a_hub_on_an_older_schema_does_not_start(running, tmp_path, postgres_server):
    database = postgres_server.create("e2e_empty")
    state = tmp_path / "hub"
    shutil.copytree(running.alliance.folder / "hub", state)

    done = running.foedus("", "hub", "serve", "--state", state, "--database", database, "--port", 0)

    assert (done.code, "run `foedus hub migrate` first" in done.err) == (3, True)
