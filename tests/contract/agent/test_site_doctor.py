"""`foedus doctor site` beside a real agent, a scripted hub and the local driver: each fault is found, with a remedy."""

import json
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from foedus.agent.doctor import SiteDoctor
from foedus.cli.main import app
from foedus.core.base.checkup import Finding, Grade
from foedus.core.base.instant import Instant, after
from foedus.process.clock import SystemClock
from foedus.store.journal import Journal

CHECKS = (
    "folder", "key", "enrolment", "agreement", "policy", "accounts", "journal", "agent", "hub", "standing", "cluster",
    "pools", "work",
)  # fmt: skip


@dataclass
class At:
    """A clock that is off."""

    off_s: float

    def now(self) -> Instant:
        return after(SystemClock().now(), self.off_s)


@pytest.fixture
def look(enrolled, settings):
    def look(*, off_s: float = 0, **more) -> list[Finding]:
        doctor = SiteDoctor(folder=enrolled, settings=settings(**more), own_uid=os.geteuid(), clock=At(off_s))
        return list(doctor.look())

    return look


@pytest.fixture
def agent(run, hub, until):
    """An agent that has greeted the hub and has shown that it lives."""
    agent = run()
    hub.wait(lambda: hub.reports)
    until(lambda: agent.journal.note("beat") and agent.journal.note("epoch"))
    return agent


def of(check: str, found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.grade.value, one.text, one.remedy) for one in found if one.check == check]


def faults(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.grade is Grade.FAULT]


def test_a_site_that_works_has_no_fault(agent, look):
    found = look()

    assert faults(found) == []
    assert sorted({one.check for one in found}) == sorted(CHECKS)
    assert of("agent", found) == [("ok", f"it runs, process {os.getpid()}", "")]
    assert of("standing", found) == [("ok", f"the hub takes this key; epoch {agent.journal.note('epoch')}", "")]
    assert of("journal", found) == [("ok", "sound; nothing open", "")]
    assert of("cluster", found) == [("ok", "the driver local answers", "")]


def test_a_look_is_no_message_to_the_hub(agent, hub, look):
    look()
    with hub.lock:
        called = {series for _, series in hub.calls}
    assert called <= {"hello", "orders", "reports", "heads", "logs", "agreement"}
    agent.agent.context.signals.reports.set()
    seen = len(hub.reports)
    hub.wait(lambda: len(hub.reports) > seen)  # the agent's own epoch and numbers still hold


def test_nothing_is_there(settings, tmp_path, folder):
    found = list(SiteDoctor(folder=folder, settings=settings(), own_uid=os.geteuid()).look())

    assert of("folder", found)[0][:2] == ("fault", f"there is no agent's state in {folder.path}")
    assert {one.check for one in found if one.grade is Grade.SKIPPED} == {
        "key", "enrolment", "agreement", "journal", "agent", "hub", "standing", "pools", "work",
    }  # fmt: skip
    assert not folder.path.exists()


def test_files_with_faults_are_told_all_at_once(enrolled, look, tmp_path):
    (tmp_path / "site.cedar").write_text("permit (principal, action, resource);\n")
    (tmp_path / "accounts.toml").write_text('[[account]]\naccount = "nobody-of-that-name"\n[[account]]\nusr = "x"\n')
    (enrolled.path / "site.key").chmod(0o640)
    enrolled.path.chmod(0o750)

    found = look()

    assert [one.text.replace(str(tmp_path), "") for one in faults(found)] == [
        "/state can be used by others (mode 0750)",
        "/state/site.key: can be used by others (mode 0640)",
        "line 1: a policy without an @id",
        "/accounts.toml: account[1].account: is missing",
        "/accounts.toml: account[1].usr: there is no such field",
        "it does not run: jobs go on, and nothing is reported",
    ]


def test_accounts_that_do_not_exist(look, tmp_path):
    (tmp_path / "accounts.toml").write_text(
        '[[account]]\naccount = "nobody-of-that-name"\n[[account]]\naccount = "{user}"\n'
    )

    assert of("accounts", look()) == [
        (
            "fault",
            "the account 'nobody-of-that-name' of the site's account map does not exist",
            f"make the account, or mend {tmp_path}/accounts.toml",
        ),
        ("ok", "2 lines, 1 of them patterns, which only a job can try", ""),
    ]


def test_a_hub_that_is_gone_is_said_once(agent, hub, look):
    found = look(hub="http://127.0.0.1:1")

    assert [one.check for one in faults(found)] == ["hub"]
    assert of("hub", found)[0][1].startswith("no answer from http://127.0.0.1:1: ")
    assert of("standing", found) == [("skipped", "not looked at: mend hub first", "")]


@pytest.mark.parametrize(("off_s", "grade", "way"), [(600, "fault", "ahead of"), (-60, "warning", "behind")])
def test_clocks_that_differ(agent, hub, look, off_s, grade, way):  # noqa: PLR0917
    found = of("hub", look(off_s=off_s))
    hub.faults.clear()  # what was signed by that clock is refused

    assert found[0][0] == grade
    assert re.fullmatch(rf"this clock is \d+ s {way} the hub's", found[0][1])


def test_a_key_that_the_hub_does_not_take(agent, hub, enrolled, look):
    agent.stop()
    enrolled.new_key()

    (found,) = of("standing", look())
    hub.faults.clear()

    assert found[0] == "fault"
    assert found[1].startswith("the hub does not take this site's key: ")
    assert found[2] != ""


def test_another_agent_has_taken_over(agent, hub, look):
    agent.stop()
    with hub.lock:
        hub.epoch += 1

    (found,) = of("standing", look())

    assert (found[0], found[2]) == ("fault", "find the other agent of this site and stop it; then start this one")


def test_a_severed_site_says_nothing(agent, hub, look, until):
    agent.journal.write_note("severed", "yes")
    until(lambda: agent.agent.context.flags.severed)
    with hub.lock:
        calls = len(hub.calls)

    found = look()

    assert of("hub", found) == [("ok", "not asked: the site is severed", "")]
    assert of("agent", found)[0][:2] == ("warning", "severed by its operator: not a word to the hub")
    assert of("standing", found) == []
    with hub.lock:
        assert len(hub.calls) == calls


def test_an_agent_that_hangs(agent, enrolled, look):
    beat = json.loads(agent.journal.note("beat"))
    agent.stop()  # this process still holds the lock
    with closing(Journal(enrolled.journal)) as journal:
        journal.write_note("beat", json.dumps({**beat, "at": "2020-01-01T00:00:00Z"}))

    assert of("agent", look()) == [
        ("fault", "it hangs: last sign of life 2020-01-01T00:00:00Z", "start it again, and keep its log")
    ]


def test_an_agent_that_has_trouble(agent, enrolled, look):
    beat = json.loads(agent.journal.note("beat"))
    agent.stop()
    with closing(Journal(enrolled.journal)) as journal:
        journal.write_note("beat", json.dumps({**beat, "trouble": {"looks": "SiteTrouble: squeue failed"}}))

    assert [one[:2] for one in of("agent", look())] == [
        ("warning", "trouble with looks: SiteTrouble: squeue failed"),
        ("ok", f"it runs, process {os.getpid()}"),
    ]


def test_a_journal_that_is_damaged(agent, enrolled, look):
    with closing(Journal(enrolled.journal)) as journal:
        for number in range(50):
            journal.write_note(f"filler{number}", "x" * 900)
    agent.stop()
    data = bytearray(enrolled.journal.read_bytes())
    data[-8192:] = b"\xff" * 8192
    enrolled.journal.write_bytes(bytes(data))

    (found, *_) = of("journal", look())

    assert found[0] == "fault"


def test_alarms_and_records_that_were_refused(agent, look):
    agent.journal.write_note("alarm", "two heads")
    agent.journal.write_note("refused", "job 7")

    assert [one[:2] for one in of("journal", look())] == [
        ("fault", "ALARM two heads"),
        ("warning", "not booked by the hub: job 7"),
        ("ok", "sound; nothing open"),
    ]


def test_folders_that_nobody_knows_and_folders_that_should_be_gone(agent, hub, order, until, enrolled, look, tmp_path):  # noqa: PLR0917
    hub.order(order("1", "true"))
    until(
        lambda: (row := agent.journal.row("1", 1)) is not None and row.step == "closed" and not agent.journal.unheard()
    )
    until(lambda: not agent.journal.due(1, 1).usages)
    (tmp_path / "work" / "transit" / "99" / "1").mkdir(parents=True)
    with closing(sqlite3.connect(enrolled.journal)) as db, db:
        db.execute("UPDATE attempts SET changed = 0")

    found = of("work", look())

    assert [one[:2] for one in found if one[0] == "warning"] == [
        ("warning", f"folders of no attempt that the journal knows: {tmp_path}/work/transit/99/1"),
        ("warning", f"folders that should be gone: {tmp_path}/work/transit/1/1"),
    ]


def test_less_than_the_agreement_says(agent, look, tmp_path):
    nodes = [{"name": "n", "cpus": 1, "memory_mib": 4096, "gpus": 1, "gpu_model": "h100"}]

    assert of("pools", look(table={"kind": "local", "state": str(tmp_path / "other"), "nodes": nodes})) == [
        (
            "warning",
            "the agreement says 4 CPUs, the cluster's lanes have 1",
            "see the partitions, GPU types and `gpu_models`; or let the agreement be amended",
        ),
        (
            "warning",
            "the agreement lets guests in, and no lane for guests is set",
            "set [driver.guest]",
        ),
        ("ok", "1 CPUs, 1 h100 GPUs", ""),
    ]


def test_the_command(enrolled, tmp_path):
    (tmp_path / "agent.toml").write_text("look_s = 0\n")
    shown = CliRunner().invoke(
        app, ["doctor", "site", "--state", str(enrolled.path), "--config", str(tmp_path / "agent.toml")]
    )

    assert shown.exit_code == 1
    assert re.fullmatch(r"(fault    settings  .*\n +-> .*\n){4}4 faults, 0 warnings\n", shown.output)
