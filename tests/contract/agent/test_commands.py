import json

import pytest
from typer.testing import CliRunner

from foedus.cli.agent import app
from foedus.cli.main import app as foedus
from foedus.core.agreement import vouch
from foedus.core.base.instant import Instant
from foedus.keys import ed25519
from foedus.store.journal import Journal


@pytest.fixture
def call():
    def act(*words):
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return act


def test_key_enrol_and_status(hub, folder, call, tmp_path):
    key = call("key", "--state", folder.path).output.strip()
    words = vouch.Vouch(alliance="pact", site="jerusalem", key=key, not_before=Instant(0))
    (tmp_path / "vouch.json").write_bytes(vouch.make(hub.keys["israel"], words).write())

    enrolled = call(
        "enrol", "--state", folder.path, "--hub", hub.url, "--site", "jerusalem", "--code", "one-time",
        "--vouch", tmp_path / "vouch.json",
    )  # fmt: skip

    assert enrolled.output == "jerusalem is enrolled in pact, version 1 of the agreement (entry 2).\n"
    view = json.loads(call("status", "--state", folder.path, "--json").output)
    assert view == {
        "site": "jerusalem",
        "hub": hub.url,
        "running": False,
        "draining": False,
        "severed": False,
        "talking": False,
        "beat": None,
        "epoch": None,
        "attempts": [],
        "unheard_statuses": 0,
        "unheard_usages": 0,
        "steps": {},
        "alarm": "",
        "refused": "",
        "trouble": {},
    }


def test_enrol_with_the_partners_key(hub, folder, call, tmp_path):
    ed25519.save(hub.keys["israel"], tmp_path / "israel.key")

    found = call(
        "enrol", "--state", folder.path, "--hub", hub.url, "--site", "jerusalem", "--code", "one-time",
        "--partner-key", tmp_path / "israel.key", "--alliance", "pact", "--json",
    )  # fmt: skip

    assert json.loads(found.output) == {
        "site": "jerusalem",
        "key": folder.key().key,
        "alliance": "pact",
        "version": 1,
    }


def test_somebody_has_to_vouch(folder):
    found = CliRunner().invoke(
        foedus, ["agent", "enrol", "--state", str(folder.path), "--hub", "x", "--site", "s", "--code", "c"]
    )

    assert found.exit_code == 2
    assert "nobody vouches for the site's key" in found.output


@pytest.mark.parametrize(
    ("command", "flag", "words"),
    [("drain", "draining", "Draining: nothing new is taken.\n"), ("sever", "severed", "Severed: not a word")],
)
def test_flags_are_set_and_taken_back(enrolled, call, command, flag, words):
    assert call(command, "--state", enrolled.path).output.startswith(words)
    journal = Journal(enrolled.journal)
    assert getattr(journal.flags(), flag)
    back = call({"drain": "resume", "sever": "rejoin"}[command], "--state", enrolled.path, "--json")
    assert json.loads(back.output) == {"draining": False, "severed": False}
    assert not getattr(journal.flags(), flag)
    journal.close()
    told = call(command, "--state", enrolled.path, "--json")
    assert json.loads(told.output) == {"draining": False, "severed": False, flag: True}


def test_status_shows_the_attempts_of_a_running_agent(hub, run, order, enrolled, call):
    run()
    hub.order(order("1", "sleep 300"))
    hub.wait_state("1", "running")

    lines = call("status", "--state", enrolled.path).output.splitlines()

    assert lines[0].startswith("jerusalem: the agent runs, ")
    assert lines[-1].startswith("1 attempt 1: running 1 ")
    hub.stop("1", 1, "cancel")
    hub.wait_state("1", "ended")


def test_status_of_nothing_is_told(tmp_path):
    found = CliRunner().invoke(foedus, ["agent", "status", "--state", str(tmp_path / "absent")])

    assert found.exit_code == 5
