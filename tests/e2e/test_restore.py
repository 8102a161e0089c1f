"""An older backup is restored into a running alliance: nothing starts twice, and what the sites know is not lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial_bed import BEGAN, Bed, bed, script, wait_for

from waiting import until_there

KINDS = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("restore")
    database = ""
    if request.param == "postgres":
        database = request.getfixturevalue("postgres_server").create("restore")
    with bed(folder, database=database) as up:
        yield up


@pytest.mark.parametrize("alone", KINDS, indirect=True)
def test_a_restored_hub_learns_back_what_it_lost(alone: Bed, request: pytest.FixtureRequest):
    folder, marks = alone.alliance.folder, alone.folder
    state, saved = folder / "hub", marks / "hub.backup"

    def lasting(tag: str) -> str:
        lines = (BEGAN.format(folder=marks), until_there(marks / "go"))
        return script(*(line.replace("$1", tag) for line in lines))

    def began(tag: str) -> list[Path]:
        return sorted(marks.glob(f"{tag}.*"))

    old = alone.submit("dana", lasting("old"))
    wait_for(lambda: began("old"), "a job runs before the backup")
    done = alone.foedus("", "hub", "backup", saved, "--with-key", *database(alone, state))
    assert (done.code, "can sign as the hub" in done.out) == (0, True), done

    quick = alone.submit("dana", script("true"))
    running = alone.submit("aysel", lasting("new").replace("phishing-watch", "form-reader"))
    alone.settled([quick])
    wait_for(lambda: began("new"), "a job runs after the backup")
    waiting = alone.submit("aysel", script("true", project="form-reader", more=f"--dependency=afterok:{running}"))
    before = exported(alone, "before.jsonl")
    newest = before[-1]["seq"]
    wait_for(lambda: sealed(alone) >= newest, "a site has countersigned what the backup lacks")

    alone.alliance.hub.kill()
    state.rename(folder / "hub.lost")
    fresh = moved(alone, request)
    done = alone.foedus("", "hub", "restore", saved, *fresh)
    assert (done.code, "chain checked" in done.out) == (0, True), done
    alone.restart_hub()

    refused = alone.foedus("dana", "submit", "-", feed=script("true"), FOEDUS_DEADLINE_S="1")
    assert "restored from a backup" in refused.err
    wait_for(lambda: recovery(alone, fresh)["ready"], "both sites have told what they have")
    assert recovery(alone, fresh)["head"] >= newest
    done = alone.foedus("", "hub", "recovery", "--finish", *fresh)
    assert (done.code, "the hub is whole" in done.out) == (0, True), done

    # the site brings back what it was given; what no site had heard of is lost, and its number is never given again
    wait_for(lambda: state_of(alone, quick) == "completed", "the job that ended meanwhile is known again")
    wait_for(lambda: state_of(alone, running) == "running", "the job that began meanwhile runs on")
    assert alone.foedus("aysel", "status", waiting).code == 5
    later = alone.submit("dana", script("true"))
    assert int(later) > int(waiting)
    (marks / "go").touch()
    stories = alone.settled([old, quick, running, later])

    assert [one.attempts[-1].outcome for one in stories] == ["completed"] * 4
    assert [len(one.attempts) for one in stories] == [1] * 4
    assert (len(began("old")), len(began("new"))) == (1, 1)
    after = exported(alone, "after.jsonl")
    booked = [entry["body"]["job"] for entry in after if entry["kind"] == "usage"]
    assert sorted(booked) == sorted([old, quick, running, later])
    assert after[: len(before)] == before
    for site in ("jerusalem", "baku"):
        assert alone.desk(site)["alarm"] == ""


def database(up: Bed, state: Path) -> list[str]:
    """Name the hub's state, and its database if it has one of its own."""
    arguments = list(up.alliance.hub.arguments)
    found = ["--database", arguments[arguments.index("--database") + 1]] if "--database" in arguments else []
    return ["--state", str(state), *found]


def moved(up: Bed, request: pytest.FixtureRequest) -> list[str]:
    """Give the hub an empty place for its data."""
    hub = up.alliance.hub
    words = database(up, up.alliance.folder / "hub")
    if len(words) == 2:
        return words
    url = request.getfixturevalue("postgres_server").create("restored")
    hub.arguments = tuple(url if word == words[3] else word for word in hub.arguments)
    return [*words[:3], url]


def recovery(up: Bed, where: list[str]) -> dict:
    return up.foedus("", "hub", "recovery", "--json", *where).json


def exported(up: Bed, name: str) -> list[dict]:
    """Export the ledger, have it verified offline, and return its entries."""
    place = up.folder / name
    done = up.foedus("office", "ledger", "export", "-o", place)
    assert done.code == 0, done
    done = up.foedus("", "ledger", "verify", place, "--agreement", up.alliance.agreement)
    assert done.code == 0, done
    return [entry for line in place.read_text().splitlines() if "prev" in (entry := json.loads(line))]


def sealed(up: Bed) -> int:
    exported(up, "seals.jsonl")
    words = ("ledger", "verify", up.folder / "seals.jsonl", "--agreement", up.alliance.agreement, "--json")
    seals = up.foedus("", *words).json["seals"]
    (up.folder / "seals.jsonl").unlink()
    return max((one["seq"] for one in seals), default=0)


def state_of(up: Bed, job: str) -> str:
    found = up.foedus("dana" if job else "", "status", job, "--json")
    if found.code == 5:
        found = up.foedus("aysel", "status", job, "--json")
    return found.json["jobs"][0]["state"] if found.code == 0 else ""


@pytest.mark.parametrize("alone", KINDS[:1], indirect=True)
def test_an_agent_restored_from_an_old_journal_starts_nothing_again(alone: Bed):
    marks = alone.folder
    saved = marks / "agent.backup"
    first = alone.submit("dana", script(BEGAN.format(folder=marks).replace("$1", "first"), "sleep 1"))
    done = alone.operate("jerusalem", "backup", str(saved))
    assert (done.code, "keys: left out" in done.out) == (0, True), done
    later = [
        alone.submit("dana", script(BEGAN.format(folder=marks).replace("$1", f"later{number}"))) for number in range(3)
    ]
    alone.settled([first, *later])
    held = alone.submit("dana", script(BEGAN.format(folder=marks).replace("$1", "held"), "sleep 3"))
    wait_for(lambda: list(marks.glob("held.*")), "a job runs while the agent dies")

    agent = alone.agent("jerusalem")
    agent.kill()
    state = alone.state("jerusalem")
    state.rename(marks / "lost")
    done = alone.operate("jerusalem", "restore", str(saved))
    assert (done.code, "the site's key is not here" in done.out) == (0, True), done
    (marks / "lost" / "site.key").rename(state / "site.key")
    agent.start()

    stories = alone.settled([first, *later, held])
    assert [one.attempts[-1].outcome for one in stories] == ["completed"] * 5
    assert [len(one.attempts) for one in stories] == [1] * 5
    assert sorted(path.name.split(".")[0] for path in marks.glob("*.*.0")) == sorted(
        ["first", "held", "later0", "later1", "later2"]
    )
    booked = [entry["body"]["job"] for entry in exported(alone, "end.jsonl") if entry["kind"] == "usage"]
    assert sorted(booked) == sorted([first, held, *later])
