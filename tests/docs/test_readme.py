"""The README says what is so: its session runs, its targets exist, and the demo does what it says."""

import re
import subprocess

import pytest
from doc_pages import README, ROOT


def test_its_length():
    assert 90 <= len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_its_session(reader):
    assert reader.run("foedus login --hub https://hub.example.org < token && cd cybersecurity")[0] == 0
    assert reader.play(README) == 5


def test_its_targets_exist():
    named = set(re.findall(r"^make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert named == {"demo", "test"}
    assert named - targets == set()


def test_it_names_files_that_exist():
    named = re.findall(r"`(src/[^`]+)`", README.read_text(encoding="utf-8"))

    assert named != []
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.timeout(600)
def test_the_demo(tmp_path):
    command = ["make", "-C", str(ROOT), "--no-print-directory", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=590)

    assert done.returncode == 0, done.stderr
    assert "sound" in done.stdout.splitlines()
    for words in ("completed", "refused", "(guest)", "clause personal-registers"):
        assert words in done.stdout
