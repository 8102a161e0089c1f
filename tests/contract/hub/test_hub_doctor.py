"""`foedus doctor hub` on a real hub: sound as it is, and each fault is found, with what to do."""

import json
import re
import sqlite3
from dataclasses import dataclass, replace

import pytest
from served import CLOCK, Served, free
from typer.testing import CliRunner

from foedus.cli.main import app
from foedus.core.base.checkup import Finding, Grade, fault, ok
from foedus.core.base.instant import Instant, after, iso
from foedus.flow.recover import begin_recovery
from foedus.hub.begin import begin
from foedus.hub.doctor import CHECKED, HubDoctor
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import build
from foedus.keys import ed25519
from foedus.keys.examples import lay_out


@dataclass
class At:
    """A clock that says what it is told."""

    off_s: float = 0

    def now(self) -> Instant:
        return after(CLOCK.now(), self.off_s)


def settings_of(served: Served) -> HubSettings:
    return served.settings.model_copy(update={"port": int(served.url.rpartition(":")[2])})


def look(settings: HubSettings, *, off_s: float = 0, whole: bool = False) -> list[Finding]:
    return list(HubDoctor(settings=settings, clock=At(off_s), whole=whole).look())


def bad(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.grade is not Grade.OK]


@pytest.fixture
def asleep(tmp_path):
    """A hub that was begun and does not run: its database may be touched."""
    laid_out = lay_out("caspian", tmp_path / "agreement", sign=True)
    settings = HubSettings(state=tmp_path / "hub", port=0)
    begin(settings, laid_out.agreement, "olga", "israel", key=laid_out.keys["hub"])
    return settings


ASLEEP = replace(fault("no hub process places jobs", "start one: `systemctl start foedus-hub`"), check="broker")


def test_a_hub_that_works_has_no_fault(served: Served):
    agent = served.agent("jerusalem")
    agent.report(capacity=free())
    # the first pass may be to come
    for _ in range(100):
        found = look(settings_of(served))
        if not [one for one in found if one.check == "address" and "another process" in one.text]:
            break

    texts = {(one.check, re.sub(r"[0-9a-f]{16,}|[0-9.]+ GiB|[0-9.]+ s ago|http\S+", "*", one.text)) for one in found}
    assert [one for one in found if one.grade is Grade.FAULT] == []
    assert {check for check, _ in texts} == {
        "folder", "key", "database", "agreement", "broker", "address", "sites", "attempts", "ledger"
    }  # fmt: skip
    assert ("broker", "a hub process leads") in texts
    assert ("address", "* answers, and its broker works") in texts
    assert ("sites", "jerusalem reported *") in texts
    assert [one for one in bad(found) if one.check == "sites"] == [
        Finding(
            check="sites",
            grade=Grade.WARNING,
            text="baku is not enrolled",
            remedy="make a code for its operator: `foedus site code baku`",
        )
    ]


def test_a_silent_site_and_what_is_stuck_at_one_that_answers(served: Served):
    agent = served.agent("jerusalem")
    agent.report(capacity=free())
    with served.client("lead") as client:
        job = client.submit("#!/bin/sh\n#SBATCH --gpus=1 --time=10\n#FOEDUS project=shield purpose=finetune\ntrue\n").id
    for _ in range(100):
        starts = agent.orders(wait_s=1)["starts"]
        if any(one["job"] == job for one in starts):
            break
    patient = settings_of(served).model_copy(update={"fresh_s": 10_000, "port": 0})

    stuck = [one for one in look(patient, off_s=700) if one.check == "attempts"]
    silent = [one for one in look(patient.model_copy(update={"fresh_s": 60}), off_s=700) if one.check == "sites"]

    assert job in stuck[0].text
    assert (stuck[0].grade, stuck[0].text.partition(":")[0]) == (
        Grade.WARNING, "bound to jerusalem and not taken over"
    )  # fmt: skip
    assert re.fullmatch(
        r"jerusalem is silent for 00:11:\d\d: nothing is placed there, what runs goes on", silent[0].text
    )


def test_nothing_is_there(tmp_path):
    found = look(HubSettings(state=tmp_path / "none", port=0))

    assert [(one.check, one.grade.value) for one in found] == [
        ("folder", "fault"), ("key", "skipped"), ("database", "skipped"), ("agreement", "skipped"),
        ("broker", "skipped"), ("sites", "skipped"), ("attempts", "skipped"), ("ledger", "skipped"),
        ("seals", "skipped"),
    ]  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_a_hub_that_does_not_run(asleep):
    found = bad(look(asleep.model_copy(update={"port": 1})))

    (address,) = [one for one in found if one.check == "address"]
    assert address.text.startswith("no hub answers at http://127.0.0.1:1: ")
    assert [one for one in found if one.check == "broker"] == [ASLEEP]


def test_a_schema_that_is_behind_and_a_database_that_is_gone(asleep):
    file = asleep.state / "hub.db"
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM alembic_version")
    (behind,) = [one for one in look(asleep) if one.check == "database" and one.grade is Grade.FAULT]
    file.unlink()
    (gone,) = [one for one in look(asleep) if one.check == "database"]

    assert re.fullmatch(r"the schema lacks 0001.*", behind.text)
    assert gone.text == f"there is no database {file}"
    assert not file.exists()


def test_files_that_others_may_use(asleep):
    (asleep.state / "hub.key").chmod(0o644)
    asleep.state.chmod(0o755)

    found = [one for one in bad(look(asleep)) if one.check in {"folder", "key"}]

    assert found == [
        replace(
            fault(f"{asleep.state} can be used by others (mode 0755)", f"chmod go= {asleep.state}"), check="folder"
        ),
        replace(
            fault(
                f"{asleep.state}/hub.key: can be used by others (mode 0644)",
                f"take that away: chmod 600 {asleep.state}/hub.key",
            ),
            check="key",
        ),
    ]


def test_another_key_than_the_agreements(asleep):
    (asleep.state / "hub.key").unlink()
    ed25519.save(ed25519.make(), asleep.state / "hub.key")

    (found,) = [one for one in bad(look(asleep)) if one.check == "agreement"]

    assert found.text == "the hub's key is not the one in the agreement: no site believes its heads"


def test_the_end_of_the_term(asleep):
    day = 86_400

    def agreement(off_s: float) -> list[Finding]:
        return [one for one in look(asleep, off_s=off_s) if one.check == "agreement"]

    (now,) = agreement(0)
    ends = re.search(r"until (\d+)-(\d+)-(\d+)$", now.text)
    import datetime as dt

    left = (dt.date(*map(int, ends.groups())) - dt.datetime.now(dt.UTC).date()).days
    near, over = agreement((left - 10) * day), agreement((left + 2) * day)

    assert (near[0].grade, near[0].text) == (
        Grade.WARNING, f"the term ends on {'-'.join(ends.groups())}, in 10 days: no job is admitted after it"
    )  # fmt: skip
    assert (over[0].grade, over[0].remedy) == (Grade.FAULT, "agree on an amendment with a later end")


def test_the_ledger_is_checked_on_from_where_the_last_look_ended(asleep):
    first = [one for one in look(asleep) if one.check == "ledger"]
    again = [one for one in look(asleep) if one.check == "ledger"]
    held = json.loads((asleep.state / CHECKED).read_text())
    (asleep.state / CHECKED).write_text(json.dumps({**held, "hash": "0" * 64}))
    other = [one for one in look(asleep) if one.check == "ledger"]
    whole = [one for one in look(asleep, whole=True) if one.check == "ledger"]

    head = held["hash"][:16]
    assert first == whole == [replace(ok(f"the chain leads to entry 1, {head}"), check="ledger")]
    assert again == [replace(ok(f"the chain leads from entry 1 to entry 1, {head}"), check="ledger")]
    assert [one.grade for one in other] == [Grade.FAULT]


def test_a_changed_entry_is_found(asleep):
    with sqlite3.connect(asleep.state / "hub.db") as db:
        (line,) = db.execute("SELECT line FROM ledger").fetchone()
        text = line if isinstance(line, str) else line.decode()
        changed = (
            text.replace('"version"', '"versiom"', 1) if '"version"' in text else text.replace("caspian", "caspiam", 1)
        )
        db.execute("UPDATE ledger SET line = ?", (changed if isinstance(line, str) else changed.encode(),))

    (found,) = [one for one in look(asleep) if one.check == "ledger"]

    assert found.grade is Grade.FAULT
    assert not (asleep.state / CHECKED).exists()


def test_a_database_that_was_put_back_is_noticed_by_its_seals(asleep):
    with sqlite3.connect(asleep.state / "hub.db") as db:
        db.execute("INSERT OR IGNORE INTO sites (site, epoch, draining) VALUES ('baku', 1, 0)")
        db.execute(
            "INSERT INTO seals (site, seq, alliance, hash, at, keyid, sig)"
            " VALUES ('baku', 7, 'caspian', ?, ?, 'k', 's')",
            ("ab" * 32, CLOCK.now()),
        )

    (found,) = [one for one in look(asleep) if one.check == "seals"]

    assert found == replace(
        fault(
            f"baku has sealed entry 7 with hash {'ab' * 8}, which is not here",
            "the database is older than what the sites saw: restore the newest backup",
        ),
        check="seals",
    )


def test_a_hub_in_recovery(asleep):
    begun = CLOCK.now()
    hub = build(asleep)
    hub.write(lambda tx: begin_recovery(tx, begun, "restored", begun))
    hub.store.close()

    recovery = fault(
        f"in recovery since {iso(begun)}: nothing is taken, placed or booked",
        "see what it waits for, and end it: `foedus hub recovery`",
    )
    assert [one for one in bad(look(asleep)) if one.check == "broker"] == [ASLEEP, replace(recovery, check="broker")]


def test_a_clock_that_was_set_back(asleep):
    found = [
        one for one in look(asleep, off_s=-3600) if one.grade is Grade.FAULT and one.check in {"ledger", "database"}
    ]

    assert [(one.check, re.sub(r"[0-9T:.-]{4,}Z?", "*", one.text)) for one in found] == [
        ("database", "its clock is * s off this machine's"),
        ("ledger", "its newest entry is of *, in the future"),
    ]


def test_the_command_ends_with_one_and_tells_programs(asleep):
    runner = CliRunner()
    shown = runner.invoke(app, ["doctor", "hub", "--state", str(asleep.state), "--port", "0"])
    told = runner.invoke(app, ["doctor", "hub", "--state", str(asleep.state), "--port", "0", "--json"])

    lines = shown.output.splitlines()
    assert (shown.exit_code, told.exit_code) == (1, 1)
    at = lines.index("fault    broker     no hub process places jobs")
    assert lines[at + 1] == "                    -> start one: `systemctl start foedus-hub`"
    assert lines[-1] == "1 fault, 2 warnings"
    found = json.loads(told.output)
    assert (found["sound"], ASLEEP.json() in found["findings"]) == (False, True)


def test_settings_with_faults_are_findings(tmp_path):
    (tmp_path / "hub.toml").write_text("port = 'x'\nfresh_s = 0\n")

    found = CliRunner().invoke(app, ["doctor", "hub", "--config", str(tmp_path / "hub.toml"), "--json"])

    assert found.exit_code == 1
    assert [(one["check"], one["text"].partition(":")[0]) for one in json.loads(found.output)["findings"]] == [
        ("settings", "port"), ("settings", "fresh_s")
    ]  # fmt: skip
