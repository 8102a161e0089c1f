"""``foedus ledger`` on files: no hub, no network."""

import csv
import json

import pytest
from books import FILE, KEYS, a_ledger
from typer.testing import CliRunner

from foedus.cli.ledger import app
from foedus.core.base.errors import BadInput
from foedus.core.ledger.chain import SignedHead, head_of, sign_head


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agreement.toml").write_text(FILE)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(a_ledger().export()))

    def command(*arguments):
        found = CliRunner().invoke(app, list(arguments))
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return command


def spoil(path):
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[20]
    path.write_bytes(b"".join(lines))


def test_verify_a_sound_ledger(run):
    found = run("verify", "ledger.jsonl", "--agreement", "agreement.toml")
    head = a_ledger().head
    kinds = "2 agreement, 3 site-key, 1 site-key-revoked, 1 project, 1 allocation, 22 usage, 2 correction"
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        f"ledger of caspian: 32 entries ({kinds})",
        "from 2026-11-23T08:00:01Z to 2026-11-23T08:00:32Z, agreement version 2",
        f"head: entry 32, {head.hash}",
        "sealed by baku up to entry 31 (2026-11-23T08:00:31Z)",
        "sealed by jerusalem up to entry 13 (2026-11-23T08:00:13Z)",
        "sound",
    ]


def test_verify_names_what_is_wrong_and_where(run, tmp_path):
    spoil(tmp_path / "ledger.jsonl")
    found = run("verify", "ledger.jsonl", "--agreement", "agreement.toml")
    assert found.exit_code == 1
    assert found.stderr.splitlines() == [
        "line 21: entry 19 stands where entry 18 belongs",
        "line 21: does not follow from the entry before it",
        "line 36: the lines before it are not the ones that the hub signed",
    ]
    assert found.stdout.splitlines()[-1] == "NOT SOUND: 3 faults"


def test_verify_as_json(run, tmp_path):
    spoil(tmp_path / "ledger.jsonl")
    found = run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--json")
    report = json.loads(found.stdout)
    assert (found.exit_code, report["sound"], report["entries"], report["faults"][0]) == (
        1,
        False,
        31,
        {"line": 21, "fault": "entry 19 stands where entry 18 belongs"},
    )
    assert report["head"] == a_ledger().head.json()


def test_verify_against_a_head_that_one_kept(run, tmp_path):
    entry = a_ledger().entries[9]
    kept = head_of("caspian", entry)
    (tmp_path / "head.json").write_bytes(SignedHead(head=kept, signature=sign_head(KEYS["hub"], kept)).write())
    assert run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--head", "head.json").exit_code == 0
    (tmp_path / "head.json").write_bytes((tmp_path / "head.json").read_bytes().replace(b'"hash":"', b'"hash":"f')[:-1])
    with pytest.raises(BadInput) as refusal:
        run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--head", "head.json")
    assert [fault.path for fault in refusal.value.faults] == ["head.json.hash"]
    (tmp_path / "head.json").write_bytes(b"{")
    with pytest.raises(BadInput):
        run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--head", "head.json")


def test_verify_with_several_processes_says_the_same(run, tmp_path):
    spoil(tmp_path / "ledger.jsonl")
    alone = run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--json", "--processes", "1")
    together = run("verify", "ledger.jsonl", "--agreement", "agreement.toml", "--json", "--processes", "2")
    assert (alone.exit_code, alone.stdout) == (together.exit_code, together.stdout)


def test_show_as_a_table(run):
    lines = run("show", "ledger.jsonl").stdout.splitlines()
    assert len(lines) == 33
    assert lines[0].split() == ["ENTRY", "BOOKED", "KIND", "WHAT", "SIGNED", "BY"]
    third = " ".join(lines[25].split())
    key = KEYS["baku"].key[:16]
    assert third == (
        "25 2026-11-23T08:00:25Z correction 3/1 of noa (israel) at baku: 0.05 GPU-hours, completed; "
        f"instead of entry 8: the clock of one node was wrong {key}"
    )


def test_show_as_json_is_the_entries_themselves(run):
    shown = [json.loads(line) for line in run("show", "ledger.jsonl", "--json").stdout.splitlines()]
    assert shown == [entry.json() for entry in a_ledger().entries]
    last = run("show", "ledger.jsonl", "--json", "--kind", "usage", "--last", "2").stdout.splitlines()
    assert [json.loads(line)["body"]["job"] for line in last] == ["41", "42"]


def test_show_refuses_what_it_cannot_read(run, tmp_path):
    with pytest.raises(BadInput) as refusal:
        run("show", "ledger.jsonl", "--kind", "gift")
    assert [fault.path for fault in refusal.value.faults] == ["--kind"]
    (tmp_path / "ledger.jsonl").write_bytes(b'{"kind":"usage"}\n')
    with pytest.raises(BadInput) as refusal:
        run("show", "ledger.jsonl")
    assert refusal.value.faults[0].path == "line 1.at"
    (tmp_path / "ledger.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(BadInput):
        run("show", "ledger.jsonl")


@pytest.mark.parametrize(("more", "count"), [((), 22), (("--every",), 24)])
def test_convert_to_csv(run, tmp_path, more, count):
    run("convert", "ledger.jsonl", "-o", "usage.csv", *more)
    with (tmp_path / "usage.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == count
    assert {row["elapsed_s"] for row in found if row["job"] == "3"} == ({"95"} if count == 22 else {"180", "90", "95"})


@pytest.mark.parametrize(("kind", "begins"), [("parquet", b"PAR1"), ("xml", b"<?xml")])
def test_convert_to_other_formats(run, tmp_path, kind, begins):
    told = run("convert", "ledger.jsonl", "-o", "usage", "--to", kind, "--json")
    assert json.loads(told.stdout) == {"file": "usage", "format": kind}
    assert (tmp_path / "usage").read_bytes().startswith(begins)
