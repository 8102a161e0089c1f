import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

DAY_MS = 86_400_000
SCRIPT = """#!/bin/sh
echo kept > result; mkdir -p deep/er; echo x > deep/er/file; ln -s {outside} way; ln -s {outside}/kept link
chmod 500 deep/er; chmod 0 deep
"""


def closed(journal, job):
    row = journal.row(job, 1)
    return row is not None and row.step == "closed" and not journal.unheard() and not journal.due(1, 1).usages


def age(folder, days, *jobs):
    """Let attempts have been over for so many days."""
    with sqlite3.connect(folder.journal) as db:
        for job in jobs:
            db.execute("UPDATE attempts SET changed = changed - ? WHERE job = ?", (days * DAY_MS, job))


def test_folders_have_an_end_and_nothing_beside_them(hub, run, order, until, enrolled, tmp_path):  # noqa: PLR0917
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("kept")
    agent = run(keep_days=3, keep_work_days=7)
    for job in ("1", "2", "3"):
        hub.order(order(job, SCRIPT.format(outside=tmp_path / "outside")))
    until(lambda: all(closed(agent.journal, job) for job in ("1", "2", "3")))
    agent.stop()
    run.release()
    age(enrolled, 8, "1")
    age(enrolled, 6, "2")

    agent = run(keep_days=3, keep_work_days=7)

    until(lambda: agent.journal.row("1", 1) is None)
    left = sorted(found.relative_to(tmp_path / "work").as_posix() for found in (tmp_path / "work").glob("*/*"))
    assert left == ["transit/2", "transit/3"]
    # what still has its folder is still known
    assert [agent.journal.row(job, 1).step for job in ("2", "3")] == ["closed", "closed"]
    assert (tmp_path / "outside" / "kept").read_text() == "kept"


def test_a_folder_stays_while_the_hub_has_not_heard_everything(hub, run, order, until, enrolled, tmp_path):  # noqa: PLR0917
    agent = run()
    hub.order(order("1", "true"), order("2", "true"))
    until(lambda: all(closed(agent.journal, job) for job in ("1", "2")))
    agent.stop()
    run.release()
    age(enrolled, 90, "1", "2")
    with sqlite3.connect(enrolled.journal) as db:
        db.execute("UPDATE usages SET heard = 0 WHERE job = '1'")
    hub.down = True

    agent = run()

    until(lambda: agent.journal.row("2", 1) is None)
    assert [found.name for found in (tmp_path / "work" / "transit").iterdir()] == ["1"]
    assert agent.journal.row("1", 1).step == "closed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as another account")
def test_a_folder_is_emptied_with_the_rights_of_its_account(hub, run, order, until, enrolled):
    with tempfile.TemporaryDirectory() as name:
        site = Path(name)
        site.chmod(0o755)
        (site / "accounts.toml").write_text('[[account]]\naccount = "nobody"\n')
        (site / "own").mkdir()
        (site / "own" / "kept").write_text("kept")
        table = {"kind": "local", "state": str(site / "driver"), "grace": 1}
        how = {"table": table, "accounts": site / "accounts.toml", "work": site / "work", "allow_root": False}
        agent = run(**how)
        hub.order(order("1", SCRIPT.format(outside=site / "own")))
        until(lambda: closed(agent.journal, "1"))
        agent.stop()
        run.release()
        age(enrolled, 90, "1")
        agent = run(**how)

        until(lambda: agent.journal.row("1", 1) is None)

        assert list((site / "work").iterdir()) == []
        assert (site / "own" / "kept").read_text() == "kept"
