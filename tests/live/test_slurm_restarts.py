"""What Slurm does to jobs on its own or by an operator's hand, and what the driver makes of it."""

import time

import pytest
from slurm_site import Site, doubt

from foedus.core.base.errors import SiteTrouble
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase
from foedus.drivers.slurm.driver import build
from waiting import wait_for

_LONG_ONCE = '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || sleep 300'
"""Runs until something befalls it; run again, it ends at once."""


@pytest.fixture(params=["jerusalem", "baku"])
def site(request, slurm_bed):
    slurm_bed.clear(request.param)
    return Site(slurm_bed, request.param)


def outcomes(records):
    return [(record.restart, record.outcome) for record in records]


def booked_first(site, ref):
    """Wait until the accounting has the first run of a job, and say how that ended."""
    return wait_for(lambda: outcomes(site.records(ref))[:1])


def as_sacct_says(site, ref):
    rows = site.rows(ref, "Submit", "ElapsedRaw", "CPUTimeRAW")
    return [
        [str(record.submitted // 1000), str(record.elapsed), str(record.cpu_seconds)] for record in site.records(ref)
    ] == rows


def test_a_running_job_that_is_queued_again_has_a_record_for_each_restart(site):
    ref = site.run(_LONG_ONCE)
    site.until(ref, Phase.RUNNING)
    site.scontrol("requeue", ref.native_id)
    waiting = site.until(ref, Phase.PENDING)
    assert (waiting.restarts, waiting.started) == (1, None)
    assert booked_first(site, ref) == [(0, Outcome.REQUEUED)]
    site.until(ref, Phase.ENDED)
    assert outcomes(site.records(ref)) == [(0, Outcome.REQUEUED), (1, Outcome.COMPLETED)]
    assert (site.look(ref).restarts, site.look(doubt(ref))) == (1, site.look(ref))
    assert as_sacct_says(site, ref)


def test_an_ended_job_that_an_operator_queues_again_comes_back_to_life(site):
    ref = site.run("exit 2")
    site.until(ref, Phase.ENDED)
    site.scontrol("requeue", ref.native_id)
    revived = site.until(ref, Phase.PENDING)
    assert revived.restarts == 1
    site.until(ref, Phase.ENDED)
    assert outcomes(site.records(ref)) == [(0, Outcome.REQUEUED), (1, Outcome.FAILED)]
    assert as_sacct_says(site, ref)


def test_a_job_that_is_queued_again_and_held_waits_and_can_be_stopped(site):
    ref = site.run("sleep 60")
    site.until(ref, Phase.RUNNING)
    site.scontrol("requeuehold", ref.native_id)
    seen = site.until(ref, Phase.PENDING)
    assert (seen.restarts, seen.reason) == (1, "job requeued in held state")
    site.driver.stop(ref)
    record = site.finished(ref)
    assert (record.restart, record.outcome, record.started) == (1, Outcome.CANCELLED, None)


def test_an_owner_displaces_a_guest_which_runs_again(site):
    guest = site.run("#SBATCH --nodes=3 --exclusive", _LONG_ONCE, guest=True)
    site.until(guest, Phase.RUNNING)
    time.sleep(1.5)
    owner = site.run("#SBATCH --gpus=4 --nodes=1", "sleep 1")
    assert site.finished(owner).outcome is Outcome.COMPLETED
    wait_for(lambda: site.look(guest).restarts == 1)
    assert booked_first(site, guest) == [(0, Outcome.PREEMPTED)]
    site.until(guest, Phase.ENDED)
    assert outcomes(site.records(guest)) == [(0, Outcome.PREEMPTED), (1, Outcome.COMPLETED)]
    assert as_sacct_says(site, guest)


def test_a_job_whose_node_fails_is_queued_again(site):
    ref = site.run("#SBATCH --gpus=1", _LONG_ONCE)
    site.until(ref, Phase.RUNNING)
    time.sleep(1.5)
    node = site.rows(ref, "NodeList")[0][0]
    site.bed.kill_node(site.name, node)
    wait_for(lambda: site.look(ref).restarts == 1)
    assert booked_first(site, ref) == [(0, Outcome.NODE_FAIL)]
    free = site.driver.capacity().owner.free
    assert sum(group.count for group in free) == 2
    site.bed.revive_node(site.name, node)
    site.until(ref, Phase.ENDED)
    assert outcomes(site.records(ref)) == [(0, Outcome.NODE_FAIL), (1, Outcome.COMPLETED)]
    assert as_sacct_says(site, ref)


def test_a_job_that_forbids_requeue_is_over_when_its_node_fails(site):
    ref = site.run("#SBATCH --no-requeue", "sleep 60")
    site.until(ref, Phase.RUNNING)
    node = site.rows(ref, "NodeList")[0][0]
    site.bed.kill_node(site.name, node)
    site.until(ref, Phase.ENDED)
    site.bed.revive_node(site.name, node)
    assert outcomes(site.records(ref)) == [(0, Outcome.NODE_FAIL)]


def test_jobs_survive_a_controller_that_is_away(site):
    ref = site.run("sleep 4", "exit 7")
    site.until(ref, Phase.RUNNING)
    site.bed.stop_slurmctld(site.name)
    launch = site.launch("exit 0")
    impatient = build({**site.cluster.settings, "timeout": 2})
    asks = (
        lambda: impatient.look([ref]),
        lambda: impatient.stop(ref),
        impatient.capacity,
        lambda: impatient.start(launch),
    )
    for ask in asks:
        with pytest.raises(SiteTrouble):
            ask()
    site.bed.start_slurmctld(site.name)
    record = site.finished(ref)
    assert (record.outcome, record.exit_code, record.restart) == (Outcome.FAILED, 7, 0)


def test_a_job_handed_over_before_the_controller_is_restarted_is_found(site):
    launch = site.launch("exit 0")
    ref = site.start(launch)
    site.bed.restart_slurmctld(site.name)
    seen = site.look(doubt(ref))
    assert seen.native_id == ref.native_id
    assert site.finished(ref).outcome is Outcome.COMPLETED


def test_without_accounting_an_ended_job_is_trouble_and_a_running_one_is_seen(site):
    running = site.run("sleep 60")
    site.until(running, Phase.RUNNING)
    site.bed.stop_slurmdbd(site.name)
    try:
        assert site.look(running).phase is Phase.RUNNING
        site.driver.stop(running)
        site.bed.wait_gone(site.name, running.native_id)
        with pytest.raises(SiteTrouble):
            site.look(running)
        with pytest.raises(SiteTrouble):
            site.records(running)
    finally:
        site.bed.start_slurmdbd(site.name)
    assert site.finished(running).outcome is Outcome.CANCELLED
