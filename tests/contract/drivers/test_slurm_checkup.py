"""The Slurm part of `foedus doctor site`, with commands that answer as recorded, fail, or are not there."""

import getpass
from pathlib import Path

import pytest

from foedus.drivers.slurm.checkup import COMMANDS, findings
from foedus.drivers.slurm.settings import LaneSettings, Settings

RECORDED = Path(__file__).parent / "recorded"
SOUND = {
    "sbatch": "echo slurm-wlm 22.05.8",
    "squeue": "true",
    "scancel": "true",
    "sinfo": "true",
    "sacct": "true",
    "sacctmgr": "printf 'guests\\nnormal\\n'",
    "scontrol": f"""case "$*" in
*node) cat {RECORDED}/scontrol-nodes.txt;;
*partition) cat {RECORDED}/scontrol-partitions.txt;;
*config) echo 'PreemptType             = preempt/partition_prio';;
esac""",
}


@pytest.fixture
def look(tmp_path):
    def look(owner=None, guest=None, accounts=(), **scripts):
        for name, script in {**SOUND, **scripts}.items():
            if script:
                (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
                (tmp_path / name).chmod(0o755)
        settings = Settings(
            owner=owner or LaneSettings(partition="owner"), guest=guest or LaneSettings(partition="guest")
        )
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        if not all(scripts.values()):
            env["PATH"] = str(tmp_path)
        return [(one.grade.value, one.text, one.remedy) for one in findings(settings, env, accounts)]

    return look


def test_a_slurm_that_works(look):
    me = getpass.getuser()

    assert look(guest=LaneSettings(partition="guest", account="guests", qos="normal"), accounts=[me]) == [
        ("ok", "slurm-wlm 22.05.8", ""),
        ("ok", "slurmctld answers squeue and scontrol", ""),
        ("ok", "owners' jobs go to partition owner", ""),
        ("ok", "guests' jobs go to partition guest", ""),
        ("ok", "slurmdbd answers sacct", ""),
        ("ok", "account guests: known", ""),
        ("ok", "qos normal: known", ""),
        ("ok", f"sbatch can be run as {me}", ""),
    ]


def test_commands_that_are_not_there(look, tmp_path):
    assert look(squeue="", sacct="") == [
        (
            "fault",
            f"not found on {tmp_path}: squeue, sacct",
            "install Slurm's client commands, or name their folder as `path` in [driver]",
        )
    ]
    assert set(SOUND) - {"sacctmgr"} == set(COMMANDS)


def test_daemons_that_do_not_answer_are_told_apart(look):
    found = look(sacct="echo 'Connection refused' >&2; exit 1", squeue="echo 'Unable to contact' >&2; exit 1")

    assert [one for one in found if one[0] != "ok"] == [
        (
            "fault",
            "squeue failed with 1: Unable to contact",
            "see slurmctld on its machine: `systemctl status slurmctld`, `scontrol ping`",
        ),
        (
            "fault",
            "sacct failed with 1: Connection refused",
            "see slurmdbd and its database: `systemctl status slurmdbd`; usage waits for it, nothing is lost",
        ),
    ]


def test_names_that_slurm_does_not_know(look):
    found = look(owner=LaneSettings(partition="gold"), guest=LaneSettings(partition="guest", account="a", qos="q"))

    assert [one for one in found if one[0] != "ok"] == [
        ("fault", "driver.owner: Slurm has no partition 'gold'", "name one that it has: guest, owner"),
        ("fault", "Slurm's accounting has no account 'a'", "add it (`sacctmgr add account a`), or mend [driver]"),
        ("fault", "Slurm's accounting has no qos 'q'", "add it (`sacctmgr add qos q`), or mend [driver]"),
    ]


def test_owners_that_would_wait_behind_guests(look):
    config = SOUND["scontrol"].replace("preempt/partition_prio", "preempt/none")

    assert [one for one in look(scontrol=config) if one[0] != "ok"] == [
        (
            "warning",
            "guests_preempted is true, and Slurm preempts nothing (preempt/none): owners wait behind guests",
            "set PreemptType in slurm.conf, or guests_preempted = false in [driver]",
        )
    ]


def test_an_account_that_cannot_submit(look):
    me = getpass.getuser()
    broken = 'case "$1" in --version) [ -e /nowhere ] || { echo denied >&2; exit 1; };; esac'

    found = look(sbatch=broken, accounts=[me])

    assert found[-1][:2] == ("fault", f"sbatch cannot be run as {me}: denied")
