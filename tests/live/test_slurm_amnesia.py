"""A controller that was killed goes on with what it had saved: a job that has ended runs for it, without a process."""

import shutil
from dataclasses import replace

from chaos_auditor import Auditor
from slurm_site import Site

from chaos.checker import Accepted, AtHub, Booked, Marker, Sources, Told, check
from chaos.sources import slurm_runs
from foedus.drivers.base import Phase
from waiting import until_there, wait_for


def saved_while_it_runs(site, copy):
    """Copy what the controller saves next."""
    state = site.bed.folder / site.name / "state"
    before = (state / "job_state").stat().st_mtime_ns
    site.run("true")  # it saves soon after it has taken a job
    wait_for(lambda: (state / "job_state").exists() and (state / "job_state").stat().st_mtime_ns > before)
    shutil.copytree(state, copy)


def put_back(site, copy):
    """Kill the controller and start it on what it had saved then."""
    state = site.bed.folder / site.name / "state"
    site.bed.stop_slurmctld(site.name, hard=True)
    shutil.rmtree(state)
    shutil.copytree(copy, state)
    site.bed.start_slurmctld(site.name)


def test_an_accounting_that_is_written_over_is_told_from_a_wrong_booking(slurm_bed):
    site = Site(slurm_bed, "jerusalem")
    folder = slurm_bed.folder / "amnesia"  # where every local account may look
    folder.mkdir()
    work = slurm_bed.folder / site.name / "attempts" / "amnesia"
    launch = site.launch("#SBATCH --gpus=1", until_there(folder / "go"))
    job = launch.marker.job
    ref = site.start(
        replace(launch, folder=slurm_bed.attempt_folder(site.name, site.person, f"amnesia/shield/{job}/1"))
    )
    site.until(ref, Phase.RUNNING)
    saved_while_it_runs(site, folder / "saved")
    (folder / "go").touch()
    record = site.finished(ref)
    auditor = Auditor(slurm_bed, {site.name: work})
    auditor.read(site.name)

    put_back(site, folder / "saved")
    assert site.look(ref).phase is Phase.RUNNING
    node = record.node_names
    site.scontrol("update", f"nodename={node}", "state=down", "reason=it knows nothing of the job")
    later = wait_for(lambda: [run for run in slurm_runs(slurm_bed, site.name, work) if run.state == "NODE_FAIL"])[0]
    (first,) = [run for run in auditor.readings if run.job == job]

    seconds = record.gpu_seconds[site.model]
    assert (first.gpu_seconds, first.state) == (seconds, "COMPLETED")
    assert later == replace(first, gpu_seconds=later.gpu_seconds, state="NODE_FAIL")
    told = Told(number=1, site=site.name, state="ended", outcome="completed", entry=1)
    sources = Sources(
        accepted=[Accepted(tag="a", job=job)],
        hub=[AtHub(job=job, tag="a", state="completed", attempts=(told,))],
        markers=[Marker(tag="a", attempt=1, native=first.native)],
        runs=[later],
        booked=[Booked(site=site.name, job=job, attempt=1, native=first.native, gpu_seconds=seconds)],
        readings=auditor.readings,
    )
    assert check(sources).line == "lost 0 doubled 0 misbooked 0 stuck 0"
    assert check(replace(sources, readings=[])).line == "lost 0 doubled 0 misbooked 1 stuck 0"
    slurm_bed.run(site.name, "scancel", first.native)
    slurm_bed.revive_node(site.name, node)
