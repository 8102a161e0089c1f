"""The demo leaves nothing behind, whenever it ends; a kept one is ready to act in, and ends when told to."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOEDUS = Path(sys.executable).with_name("foedus")


@pytest.fixture
def away(tmp_path):
    """A place for the demo's folder, and a home without logins."""
    return {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}


def processes(folder: Path) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
            cwd = str(file.with_name("cwd").readlink())
        except OSError:
            continue
        if str(folder).encode() in words or cwd.startswith(str(folder)):
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_in_the_middle_leaves_nothing(tmp_path, away, number, code):
    with subprocess.Popen([FOEDUS, "demo"], env=away, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if b"Running at both sites" in line:
                break
        time.sleep(3)
        demo.send_signal(number)
        _, told = demo.communicate(timeout=120)
    assert (demo.returncode, told.splitlines()[0]) == (code, b"ending what was started")
    assert (processes(tmp_path), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.timeout(300)
def test_a_kept_demo_can_be_used_and_ended(tmp_path, away):
    shown = subprocess.run([FOEDUS, "demo", "--keep"], env=away, capture_output=True, text=True, check=True).stdout
    (as_aysel,) = re.findall(r"\. (\S+/aysel\.env)", shown)
    (stop,) = re.findall(rf"  {FOEDUS} demo --stop (\S+)", shown)
    try:
        script = f". {as_aysel}; foedus run --project city-flows --time 5 --follow -- echo here; foedus whoami"
        done = subprocess.run(["sh", "-c", script], env=away, capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        assert (lines[0], lines[1], lines[2].partition(" ")[0]) == ("Submitted batch job 5", "here", "aysel")
        assert (tmp_path / as_aysel).stat().st_mode & 0o077 == 0
    finally:
        ended = subprocess.run([FOEDUS, "demo", "--stop", stop], env=away, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"{stop} is ended and removed\n")
    assert (processes(tmp_path), list(tmp_path.iterdir())) == ([], [])


def test_only_a_demos_folder_is_ended(tmp_path, away):
    (tmp_path / "mine").mkdir()
    done = subprocess.run(
        [FOEDUS, "demo", "--stop", tmp_path / "mine"], env=away, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --stop: {tmp_path}/mine holds no demo\n")
    assert (tmp_path / "mine").is_dir()
