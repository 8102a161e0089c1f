"""An agent is killed while its sbatch waits for the controller: the sbatch lives on, and there must be one job."""

import multiprocessing

import pytest
from slurm_site import Site

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.ids import Marker
from foedus.drivers.slurm.driver import build
from foedus.drivers.slurm.run import is_running, login
from waiting import wait_for

SLOW = """#!/bin/sh
sleep 3 > /dev/null 2>&1
exec /usr/bin/sbatch "$@"
"""


def hand_over(settings, launch):
    build(settings).start(launch)


def test_an_attempt_waits_for_the_sbatch_of_a_killed_agent_and_becomes_its_job(slurm_bed):
    site = Site(slurm_bed, "jerusalem")
    slow = slurm_bed.folder / "slow"
    slow.mkdir()
    (slow / "sbatch").write_text(SLOW)
    (slow / "sbatch").chmod(0o755)
    launch = site.launch("sleep 1")
    marker: Marker = launch.marker
    word, account = f"--comment={marker.text}", login(launch.account)
    settings = {**site.cluster.settings, "path": f"{slow}:/usr/bin:/bin"}
    agent = multiprocessing.get_context("spawn").Process(target=hand_over, args=(settings, launch))
    agent.start()
    wait_for(lambda: is_running(word, account))
    agent.kill()
    agent.join()

    with pytest.raises(SiteTrouble, match="an earlier sbatch"):
        site.driver.start(launch)
    wait_for(lambda: not is_running(word, account))
    native_id = site.driver.start(launch)

    known = slurm_bed.run("jerusalem", "squeue", "--noheader", "--states=all", "--format=%A %k").splitlines()
    assert [line for line in known if line.split()[1] == marker.text] == [f"{native_id} {marker.text}"]


def test_an_sbatch_that_fails_after_its_work_without_a_word_of_slurms_is_no_refusal(slurm_bed):
    site = Site(slurm_bed, "jerusalem")
    broken = slurm_bed.folder / "broken"
    broken.mkdir()
    (broken / "sbatch").write_text('#!/bin/sh\n/usr/bin/sbatch "$@" > /dev/null\necho "bus error" >&2\nexit 1\n')
    (broken / "sbatch").chmod(0o755)
    launch = site.launch("true")

    native_id = build({**site.cluster.settings, "path": f"{broken}:/usr/bin:/bin"}).start(launch)

    known = slurm_bed.run("jerusalem", "squeue", "--noheader", "--states=all", "--format=%A %k").splitlines()
    assert [line for line in known if line.split()[1] == launch.marker.text] == [f"{native_id} {launch.marker.text}"]
