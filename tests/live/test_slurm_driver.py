"""The Slurm driver against two real clusters: allocations, identities, restarts, and what scripts may say."""

import shutil
import time
from dataclasses import replace

import pytest
from slurm_site import Site, doubt, work

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.ids import JobId
from foedus.core.base.instant import Instant
from foedus.core.jobs.signals import EndSignal
from foedus.core.jobs.spec import ArrayTask
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase
from foedus.drivers.slurm.driver import build
from foedus.drivers.slurm.states import OUTCOMES


@pytest.fixture(params=["jerusalem", "baku"])
def site(request, slurm_bed):
    slurm_bed.clear(request.param)
    return Site(slurm_bed, request.param)


@pytest.fixture
def jerusalem(slurm_bed):
    slurm_bed.clear("jerusalem")
    return Site(slurm_bed, "jerusalem")


def test_every_spelling_of_gpus_is_booked_as_allocated(site):
    model = site.model
    spellings = {
        "--gpus=2": 2,
        f"--gpus={model}:2": 2,
        "-G 3": 3,
        "--gpus-per-node=2": 2,
        f"--gpus-per-node={model}:1 --nodes=2": 2,
        "--gpus-per-task=1 --ntasks=3": 3,
        "--gres=gpu:2": 2,
        f"--gres=gpu:{model}:1": 1,
        "--gres=gpu": 1,
        "--gres=gpu:1 --nodes=3": 3,
        "--sockets-per-node=1 --gpus-per-socket=2": 2,
        "--nodes=1": 0,
    }
    refs = {spelling: site.run(f"#SBATCH {spelling}", "sleep 1") for spelling in spellings}
    found = {spelling: site.finished(ref) for spelling, ref in refs.items()}
    wanted = {spelling: {model: number} if number else {} for spelling, number in spellings.items()}
    assert {spelling: dict(record.gpus) for spelling, record in found.items()} == wanted
    assert {spelling: dict(record.gpu_seconds) for spelling, record in found.items()} == {
        spelling: {model: number * found[spelling].elapsed} if number else {} for spelling, number in spellings.items()
    }


def test_a_look_at_a_cluster_that_works_finds_nothing_wrong(site):
    found = list(site.driver.checkup([site.account]))
    assert {one.grade.value for one in found} == {"ok"}, found
    assert found[-1].text == f"sbatch can be run as {site.account}"


def test_a_look_names_the_partition_and_the_account_that_are_missing(site):
    wrong = {**site.cluster.settings, "guest": {"partition": "nowhere", "account": "nobody", "qos": "none"}}
    faults = [one.text for one in build(wrong).checkup([]) if one.grade.value == "fault"]
    assert faults == [
        "driver.guest: Slurm has no partition 'nowhere'",
        "Slurm's accounting has no account 'nobody'",
        "Slurm's accounting has no qos 'none'",
    ]


def test_a_record_says_what_sacct_says(site):
    ref = site.run("#SBATCH --nodes=2 --ntasks=4 --mem=200 --gpus-per-node=1", "srun hostname | wc -l", "sleep 1")
    record = site.finished(ref)
    row = site.rows(ref, "ElapsedRaw", "AllocCPUS", "CPUTimeRAW", "NNodes", "NodeList", "Start", "End", "Submit")
    wanted = [record.elapsed, record.cpus, record.cpu_seconds, record.nodes, record.node_names]
    times = [(each or 0) // 1000 for each in (record.started, record.ended, record.submitted)]
    assert row == [[str(each) for each in (*wanted, *times)]]
    assert (record.memory, record.outcome, record.nodes) == (400, Outcome.COMPLETED, 2)
    assert site.output(ref) == "4\n"


def test_a_job_runs_as_its_account_with_a_clean_login(site, monkeypatch):
    monkeypatch.setenv("SBATCH_TIMELIMIT", "0:00:01")
    monkeypatch.setenv("SLURM_LEAK", "1")
    monkeypatch.setenv("AGENT_SECRET", "1")
    ref = site.run("id -un; echo $HOME $LOGNAME; pwd; umask; env | grep -cE 'LEAK|SECRET|SBATCH_TIME'; id -G")
    home = site.bed.folder / "home" / site.account
    lines = site.output(ref).splitlines()
    assert lines[:5] == [site.account, f"{home} {site.account}", str(work(ref)), "0022", "0"]
    assert "0" not in lines[5].split()


def test_the_script_reaches_slurm_byte_for_byte(jerusalem):
    body = "printf 'tab\\there  \\n' # שלום, salam\n#SBATCH --account=too-late\n\ncat \"$0\""
    ref = jerusalem.run("#SBATCH --array=1-3 --qos='' -J 'two  words'", body)
    script = f"#!/bin/bash\n#SBATCH --array=1-3          -J 'two  words'\n{body}\n"
    assert jerusalem.output(ref) == "tab\there  \n" + script
    assert jerusalem.rows(ref, "JobName") == [["two  words"]]


def test_what_foedus_decides_wins_over_the_script(site):
    ref = site.run(
        "#SBATCH --array=1-5%2 --dependency=afterok:99999 --comment=mine",
        "#SBATCH --partition=guest --account=nobody --qos nothing",
        "#SBATCH --reservation=theirs --job-name=kept --time=7",
        "echo ran",
    )
    assert site.output(ref) == "ran\n"
    account = "owners" if site.cluster.enforced else ""
    row = site.rows(ref, "JobID", "Partition", "JobName", "TimelimitRaw", "Account")
    assert row == [[ref.native_id, "owner", "kept", "7", account]]


def test_a_guest_goes_where_guests_go(site):
    ref = site.run("exit 0", guest=True)
    site.finished(ref)
    enforced = site.cluster.enforced
    assert site.rows(ref, "Partition", "Account", "QOS")[0][:2] == ["guest", "guests" if enforced else ""]


def test_array_variables_survive_every_export(site):
    task = ArrayTask(array=JobId("77"), index=4, count=2, lowest=2, highest=4, step=2)
    found = {}
    for export in ("NONE", "ALL", "SEED", "NIL"):
        launch = site.launch(
            f"#SBATCH --array=2,4 --output=%x-%3a.%A.out --job-name={export} --export={export}",
            "echo $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT/$SLURM_ARRAY_JOB_ID",
            environment={"SEED": "1"},
        )
        ref = site.start(replace(launch, task=task))
        found[export] = (site.output(ref), site.look(ref).stdout)
    assert {export: text for export, (text, _) in found.items()} == dict.fromkeys(found, "4/2/77\n")
    assert {path.name for _, path in found.values()} == {f"{export}-004.77.out" for export in found}


def test_working_folders_relative_and_absolute(site):
    made = site.launch("#SBATCH --chdir=sub/deep", "pwd")
    for folder in (made.work / "sub", made.work / "sub/deep"):
        folder.mkdir()
        shutil.chown(folder, site.account)
    inside = site.start(made)
    outside = site.run("#SBATCH --chdir=/tmp --output=/dev/null", "sleep 2")
    seen = site.look(doubt(outside))
    assert (seen.native_id, str(seen.stdout)) == (outside.native_id, "/dev/null")
    assert site.output(inside) == f"{work(inside)}/sub/deep\n"
    site.finished(outside)
    assert site.look(doubt(outside)) == site.look(outside)
    assert site.records(doubt(outside)) == site.records(outside)


def test_anybodys_comment_does_not_stand_for_an_attempt(site):
    launch = site.launch("exit 0")
    other = site.cluster.people["guest"]
    extra = ["--account=owners"] if site.cluster.enforced else []
    forged = site.bed.sbatch(site.name, "#!/bin/sh\nexit 0\n", f"--comment={launch.marker.text}", *extra, account=other)
    ref = site.start(launch)
    assert site.look(doubt(ref)).native_id == ref.native_id != forged
    site.bed.wait(site.name, forged)
    site.finished(ref)
    assert site.look(doubt(ref)) == site.look(ref)


def test_an_id_that_begins_anew_is_not_taken_for_the_attempt(site):
    ref = site.run("exit 0")
    site.finished(ref)
    other = site.launch("exit 0")
    stale = replace(ref, marker=other.marker, folder=other.folder)
    assert site.look(stale).phase is Phase.UNKNOWN
    assert site.records(stale) == ()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("#SBATCH --gpus=v9000:1",), "Requested node configuration is not available"),
        (("#SBATCH --constraint=moonlight",), "Invalid feature specification"),
        (("#SBATCH --gres=quantum:1",), "Invalid generic resource (gres) specification"),
    ],
)
def test_a_refusal_has_slurms_own_words(site, lines, words):
    with pytest.raises(SchedulerRefused) as caught:
        site.run(*lines, "exit 0")
    assert words in caught.value.message


def test_an_account_that_does_not_exist_is_refused(site):
    launch = site.launch("exit 0")
    with pytest.raises(SchedulerRefused, match="no local account 'nobody-here'"):
        site.driver.start(replace(launch, account="nobody-here"))


def test_a_job_too_large_for_its_memory_is_ended(site):
    hog = "x=$(head -c 400000000 /dev/zero | tr '\\0' a); sleep 20"
    ref = site.run("#SBATCH --mem=64 --acctg-freq=1", hog)
    record = site.finished(ref)
    ((state,),) = site.rows(ref, "State")
    assert (record.outcome, record.elapsed < 20) == (OUTCOMES[state], True)
    assert record.outcome is not Outcome.COMPLETED


def test_a_job_that_gives_back_nodes_is_one_restart(jerusalem):
    ref = jerusalem.run("#SBATCH --nodes=2 --gpus-per-node=2 --no-requeue", "sleep 6")
    jerusalem.until(ref, Phase.RUNNING)
    time.sleep(1.5)
    jerusalem.scontrol("update", f"JobId={ref.native_id}", "NumNodes=1")
    record = jerusalem.finished(ref)
    rows = jerusalem.rows(ref, "State", "ElapsedRaw", "AllocTRES")
    assert [row[0] for row in rows] == ["RESIZING", "COMPLETED"]
    before, after = (int(row[1]) for row in rows)
    assert (record.restart, record.nodes, record.elapsed) == (0, 1, before + after)
    assert record.gpu_seconds == {jerusalem.model: 4 * before + 2 * after}
    assert jerusalem.look(ref).restarts == 0


def test_one_pass_asks_each_source_once(site):
    asked = []
    real = site.driver._ask

    def spy(argv):
        asked.append(argv[0])
        return real(argv)

    site.driver._ask = spy
    ended = [site.run("exit 0") for _ in range(3)]
    for ref in ended:
        site.until(ref, Phase.ENDED)
    running = [site.run("sleep 60") for _ in range(3)]
    for ref in running:
        site.until(ref, Phase.RUNNING)
    asked.clear()
    site.driver.look(running)
    assert asked == ["squeue"]
    asked.clear()
    site.driver.look([*running, *ended])
    assert asked == ["squeue", "sacct"]
    asked.clear()
    site.driver.usage([*running, *ended])
    assert asked == ["sacct"]


def test_what_guests_hold_is_free_for_owners_alone(site):
    ref = site.run("#SBATCH --nodes=3 --exclusive --gpus-per-node=4", "sleep 60", guest=True)
    site.until(ref, Phase.RUNNING)
    capacity = site.driver.capacity()
    assert (capacity.guest.free, capacity.owner.free) == ((), capacity.owner.whole)
    waits = site.run("#SBATCH --gpus=1", "exit 0", guest=True)
    site.until(waits, Phase.PENDING)
    assert site.driver.capacity().guest.queued == 1
    assert site.driver.capacity().owner.queued == 0


def test_a_drained_node_offers_nothing_but_counts_as_whole(site):
    node = site.cluster.nodes[0]
    site.scontrol("update", f"nodename={node}", "state=drain", "reason=test")
    try:
        owner = site.driver.capacity().owner
    finally:
        site.scontrol("update", f"nodename={node}", "state=resume")
    assert [(group.count, group.gpus, group.gpu_model) for group in owner.free] == [(2, 4, site.model)]
    assert [(group.count, group.gpus, group.gpu_model) for group in owner.whole] == [(3, 4, site.model)]


def test_a_job_that_may_begin_later_waits_and_can_be_cancelled(site):
    ref = site.run("#SBATCH --begin=now+1hour", "exit 0")
    seen = site.until(ref, Phase.PENDING)
    assert seen.reason == "BeginTime"
    site.driver.stop(ref)
    record = site.finished(ref)
    assert (record.outcome, record.started, record.elapsed) == (Outcome.CANCELLED, None, Instant(0))
    assert site.look(doubt(ref)).phase is Phase.ENDED


def test_a_job_that_was_given_the_id_of_another_is_left_alone(site):
    """A controller that was killed goes on from what it had saved, and counts from there."""
    running, waiting = site.run("sleep 60"), site.run("#SBATCH --begin=now+1hour", "exit 0")
    site.until(running, Phase.RUNNING)
    site.until(waiting, Phase.PENDING)
    forgotten = replace(running, marker=replace(running.marker, job=JobId("999999")), folder=running.folder / "gone")
    for native_id in (running.native_id, waiting.native_id, "987654"):
        other = replace(forgotten, native_id=native_id)
        site.driver.stop(other)
        site.driver.signal(other, EndSignal(name="KILL"))
    time.sleep(2)
    found = [site.look(ref).phase for ref in (forgotten, running, waiting)]
    assert found == [Phase.UNKNOWN, Phase.RUNNING, Phase.PENDING]
    for ref in (running, waiting):
        site.driver.stop(ref)
        assert site.finished(ref).outcome is Outcome.CANCELLED
