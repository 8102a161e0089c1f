"""The bed itself: built by hand, used from another process, and gone without a trace."""

import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import slurm_bed as module
import slurm_bed_config as config
from chaos_operator import Operator
from slurm_bed import BedError, SlurmBed, check_machine
from slurm_bed_daemons import BIRTHMARK, wait_until

from chaos.history import History


def by_hand(action, folder):
    argv = [sys.executable, str(Path(module.__file__)), action, str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=200, check=True).stdout


def left_over(folder):
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(BIRTHMARK) == str(folder):
                found.append(process.name())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.live
def test_a_bed_by_hand_comes_up_is_shared_and_leaves_nothing():
    folder = Path(tempfile.mkdtemp(prefix="foedus-bed-hand-")) / "bed"
    folder.parent.chmod(0o755)
    printed = by_hand("up", folder)
    bed = SlurmBed.attach(folder)
    try:
        assert [line.partition(":")[0] for line in printed.splitlines()] == ["jerusalem", "baku"]
        clusters = {
            name: bed.run(name, "sacctmgr", "-nP", "list", "cluster", "format=cluster") for name in bed.clusters
        }
        assert clusters == {"jerusalem": "jerusalem\n", "baku": "baku\n"}  # neither knows the other
        alice = bed.clusters["jerusalem"].people["alice"]
        job = bed.sbatch("jerusalem", "#!/bin/sh\nsleep 300\n", account=alice)
        assert bed.wait("jerusalem", job, "RUNNING") == "RUNNING"
    finally:
        by_hand("down", folder)
        folder.parent.rmdir()
    assert (left_over(folder), folder.exists()) == ([], False)
    with pytest.raises(KeyError):
        pwd.getpwnam(alice)
    assert not [process for process in psutil.process_iter(["username"]) if process.info["username"] == alice]


def test_an_operator_puts_back_the_nodes_that_slurm_has_drained(slurm_bed, tmp_path):
    history = History(tmp_path / "history.jsonl")
    drain = ("scontrol", "update", "nodename=j1,j3", "state=drain", "reason=Duplicate jobid")
    with Operator(slurm_bed, history):
        slurm_bed.run("jerusalem", *drain)
        wait_until("both are put back", lambda: history.counts["resumed"] == 2)
    wait_until("both work", lambda: all(slurm_bed.usable("jerusalem", node) for node in ("j1", "j3")))
    assert [(event["who"], event["why"]) for event in history.events("resumed")] == [
        ("j1 of jerusalem", "Duplicate jobid"),
        ("j3 of jerusalem", "Duplicate jobid"),
    ]


def test_a_machine_without_slurm_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "PATH", "/nowhere")
    with pytest.raises(BedError) as caught:
        check_machine()
    assert str(caught.value) == (
        f"missing {', '.join(config.PROGRAMS)}: apt-get install --no-install-recommends {config.PACKAGES}"
    )
