"""``foedus simulate`` on small logs."""

import json

import pytest

from foedus.cli.main import main
from foedus.sim.schedules import SCHEDULES

KTH = """; MaxProcs: 4
1 0 0 100 4 -1 -1 4 100 -1 1 1 1 -1 -1 -1 -1 -1
2 10 0 100 4 -1 -1 4 100 -1 1 1 1 -1 -1 -1 -1 -1
3 20 0 -1 4 -1 -1 4 100 -1 1 1 1 -1 -1 -1 -1 -1
"""
CTC = "1 0 0 10 2 -1 -1 2 10 -1 1 1 1 -1 -1 -1 -1 -1\n"


@pytest.fixture
def logs(tmp_path):
    for name, text in (("kth", KTH), ("ctc", CTC)):
        (tmp_path / name).write_text(text)
    return [f"kth={tmp_path / 'kth'}", f"ctc={tmp_path / 'ctc'}:8"]


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["foedus", "simulate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


def test_who_waits_how_long(monkeypatch, capsys, logs):
    code, out, err = run(monkeypatch, capsys, *logs, "--restart", "10")
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:4]] == [
        ["kth", "2", "2000%", "alone", "45", "s", "45", "s", "86", "s", "1.4", "100%"],
        ["pooled", "0", "s", "0", "s", "0", "s", "1.0", "1", "0", "0", "s", "-", "-", "-"],
        ["together", "0", "s", "0", "s", "0", "s", "1.0", "1", "0", "0", "s", "50%", "0", "0"],
    ]
    assert out.splitlines()[-2:] == [
        "Together the mean wait falls from 30 s to 0 s, 100% of what one pooled machine would save.",
        "No job ends later than alone; recalls cost 0.00% of the work.",
    ]
    assert "kth: dropped 1: never ran (line 4)" in err.splitlines()


def test_json_has_every_figure(monkeypatch, capsys, logs):
    code, out, _ = run(monkeypatch, capsys, *logs, "--restart", "10", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["logs"] == [
        {"site": "kth", "capacity": 4, "unit": "processors", "remarks": {"no_run": 1}},
        {"site": "ctc", "capacity": 8, "unit": "processors", "remarks": {}},
    ]
    assert found["results"][2] == {
        "variant": "as-it-is",
        "seed": 1,
        "site": "kth",
        "schedule": "together",
        "jobs": 2,
        "capacity": 4,
        "load": 20.0,
        "mean_wait_s": 0.0,
        "median_wait_s": 0.0,
        "p95_wait_s": 0.0,
        "mean_bounded_slowdown": 1.0,
        "utilisation": 100 / 200,
        "earlier": 1,
        "equal": 1,
        "later": 0,
        "worst_s": 0,
        "gain_share": 1.0,
        "gave_unit_s": 0,
        "took_unit_s": 400,
        "balance_unit_s": -400,
        "recalls": 0,
        "waste": 0.0,
    }


def test_all_faults_at_once(monkeypatch, capsys, logs, tmp_path):
    code, _, err = run(monkeypatch, capsys, "kth", logs[0], logs[0], f"new={tmp_path / 'ctc'}", f"no={tmp_path}/none")
    assert code == 2
    assert err.replace(str(tmp_path), "HERE").splitlines() == [
        "error: kth: not NAME=LOG or NAME=LOG:UNITS",
        "       for example kth=kth.swf.gz:100",
        "error: kth=HERE/kth: a second log of kth",
        "       give each site one name",
        "error: new: the log does not say how large the site is",
        "       write NAME=FILE:UNITS",
        "error: HERE/none: cannot be read: No such file or directory",
        "       give a file that can",
    ]


def test_schedules_are_chosen_by_name_and_alone_is_always_there(monkeypatch, capsys, logs):
    code, out, _ = run(monkeypatch, capsys, *logs, "--json", "--schedules", "pooled", "--schedules", "pooled")
    assert code == 0
    assert [(row["site"], row["schedule"]) for row in json.loads(out)["results"]] == [
        (site, schedule) for site in ("kth", "ctc", "all") for schedule in ("alone", "pooled")
    ]


def test_a_name_that_is_no_schedule(monkeypatch, capsys, logs):
    code, _, err = run(monkeypatch, capsys, *logs, "--schedules", "pooled,fastest")
    assert (code, err.splitlines()) == (
        2,
        ["error: fastest: not a schedule", f"       one of {', '.join(SCHEDULES)}, or all"],
    )
