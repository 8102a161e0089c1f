"""The local driver with real processes: how jobs run, and how each way of ending is told."""

import os
import pwd
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from local_site import ME, SMALL, Site, limited, ref

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.ids import JobId
from foedus.core.base.units import CpuSeconds, GpuSeconds, Mebibytes, Seconds
from foedus.core.jobs.spec import ArrayTask, Resources
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase, Record, Sighting
from waiting import PATIENCE_S


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.driver.close()


def test_a_job_runs_once_and_its_record_says_so(site):
    launch = site.run("1", "echo started >> runs; echo out; echo err >&2; sleep 1.1", resources=replace(SMALL, gpus=2))
    record = site.finished(launch)
    elapsed = record.elapsed
    assert elapsed in {1, 2}
    assert record == Record(
        restart=0,
        native_id="1",
        outcome=Outcome.COMPLETED,
        exit_code=0,
        signal=0,
        submitted=record.submitted,
        started=record.started,
        ended=record.started + elapsed * 1000,
        elapsed=Seconds(elapsed),
        nodes=1,
        cpus=1,
        cpu_seconds=CpuSeconds(elapsed),
        gpus={"a100": 2},
        gpu_seconds={"a100": GpuSeconds(2 * elapsed)},
        memory=Mebibytes(64),
        node_names="node",
    )
    assert record.submitted <= record.started
    assert site.output(launch) == "out\nerr\n"
    assert (launch.work / "runs").read_text() == "started\n"
    assert site.look(launch) == Sighting(
        phase=Phase.ENDED,
        native_id="1",
        native_state="COMPLETED",
        started=record.started,
        stdout=launch.work / "slurm-1.out",
        stderr=launch.work / "slurm-1.out",
    )


@pytest.mark.parametrize(
    ("body", "outcome", "exit_code", "number"),
    [
        ("exit 7", Outcome.FAILED, 7, 0),
        ("kill -SEGV $$", Outcome.FAILED, 0, signal.SIGSEGV),
        ("#!/no/such/interpreter", Outcome.FAILED, 2, 0),
        ("#!/bin/sh\nexit 0", Outcome.COMPLETED, 0, 0),
    ],
)
def test_exit_codes_and_signals(site, body, outcome, exit_code, number):
    record = site.finished(site.run("1", body))
    assert (record.outcome, record.exit_code, record.signal) == (outcome, exit_code, number)


def test_a_job_that_traps_the_stop_may_tidy_up_but_not_stay(site):
    body = "trap 'echo tidy; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    polite = site.run("1", body)
    stubborn = site.run("2", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    for launch in (polite, stubborn):
        _until_output(site, launch, "ready\n")
        site.driver.stop(ref(launch))
    assert (site.finished(polite).outcome, site.finished(polite).exit_code) == (Outcome.CANCELLED, 0)
    assert [line for line in site.output(polite).split() if line != "Terminated"] == ["ready", "tidy"]
    ended = site.finished(stubborn)
    assert (ended.outcome, ended.signal) == (Outcome.CANCELLED, signal.SIGKILL)


def test_a_waiting_job_that_is_stopped_never_runs(site):
    first = site.run("1", "sleep 30", resources=replace(SMALL, cpus_per_task=4))
    second = site.run("2", "touch ran", resources=replace(SMALL, cpus_per_task=4))
    seen = site.look(second)
    assert (seen.phase, seen.native_state, seen.reason) == (Phase.PENDING, "PENDING", "Resources")
    site.driver.stop(ref(second))
    record = site.finished(second)
    assert (record.outcome, record.started, record.elapsed, record.cpus) == (Outcome.CANCELLED, None, 0, 0)
    site.driver.stop(ref(first))
    assert site.finished(first).outcome is Outcome.CANCELLED
    assert not (second.work / "ran").exists()


def test_stopping_what_is_over_or_unknown_is_no_error(site):
    launch = site.run("1", "exit 0")
    before = site.finished(launch)
    site.driver.stop(ref(launch))
    assert site.records(launch) == (before,)
    stranger = site.launch("99", "exit 0")
    site.driver.stop(ref(stranger))
    assert site.look(stranger) == Sighting(phase=Phase.UNKNOWN)
    assert site.records(stranger) == ()


def test_the_time_limit_holds(site):
    record = site.finished(site.run("1", "sleep 60", resources=limited(1)))
    assert record.outcome is Outcome.TIMEOUT
    assert record.signal == signal.SIGTERM
    assert record.elapsed in {1, 2}


def test_the_memory_limit_counts_all_processes_of_the_job(site):
    hog = "python3 -c 'import time; held = bytearray(45 << 20); time.sleep(30)'"
    launch = site.run("1", f"{hog} & {hog} & wait", resources=replace(SMALL, memory_per_node=Mebibytes(80)))
    record = site.finished(launch)
    assert (record.outcome, record.signal) == (Outcome.OUT_OF_MEMORY, signal.SIGKILL)
    assert site.look(launch).reason.endswith("MiB of 80 MiB")


def test_nothing_of_a_job_outlives_it(site):
    body = "setsid sleep 300 & echo $! > background; sleep 300 & echo $! >> background; sleep 0.2; exit 0"
    launch = site.run("1", body)
    assert site.finished(launch).outcome is Outcome.COMPLETED
    for pid in (launch.work / "background").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_gpus_are_handed_out_by_index_and_given_back(site):
    body = 'echo "$CUDA_VISIBLE_DEVICES|$SLURM_JOB_GPUS|$SLURM_GPUS_ON_NODE"; while [ ! -e go ]; do sleep 0.05; done'
    two = replace(SMALL, gpus=2, gpu_model="a100")
    first, second = site.run("1", body, resources=two), site.run("2", body, resources=two)
    third = site.run("3", body, resources=two)
    none = site.run("4", 'echo "[$CUDA_VISIBLE_DEVICES]"')
    site.until(second, Phase.RUNNING)
    assert site.look(third).phase is Phase.PENDING
    site.finished(none)
    (second.work / "go").touch()
    site.until(third, Phase.RUNNING)
    for launch in (first, third):
        (launch.work / "go").touch()
        site.finished(launch)
    assert [site.output(each) for each in (first, second, third, none)] == [
        "0,1|0,1|2\n",
        "2,3|2,3|2\n",
        "2,3|2,3|2\n",
        "[]\n",
    ]


def test_a_task_of_an_array_sees_its_array(site):
    task = ArrayTask(array=JobId("70"), index=4, count=3, lowest=0, highest=8, step=4)
    body = 'echo "${!SLURM_ARRAY_@}"; echo $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_ARRAY_TASK_COUNT'
    launch = site.run("70_4", body, task=task)
    site.finished(launch)
    names = ["JOB_ID", "TASK_COUNT", "TASK_ID", "TASK_MAX", "TASK_MIN", "TASK_STEP"]
    assert site.output(launch) == " ".join(f"SLURM_ARRAY_{name}" for name in names) + "\n70 4 3\n"
    assert site.look(launch).stdout == launch.work / "slurm-70_4.out"


def test_script_arguments_environment_and_outputs_arrive_as_written(site):
    launch = site.run(
        "1",
        "#!/bin/bash\necho \"$1|$2|$GREETING|$SLURM_JOB_NAME\"\ncat <<'END'\n$HOME %j şəkil שלום\nEND\necho err >&2",
        arguments=("a b", "*"),
        environment=(("GREETING", "salam שלום"),),
        name="şəhər",
        output="%x-%5j.log",
        error="err-%u-%%",
    )
    site.finished(launch)
    assert site.output(launch) == "a b|*|salam שלום|şəhər\n$HOME %j şəkil שלום\n"
    seen = site.look(launch)
    assert (seen.stdout, seen.stderr) == (launch.work / "şəhər-00001.log", launch.work / f"err-{ME}-%")
    assert seen.stderr.read_text() == "err\n"


def test_a_job_starts_where_it_asks_or_at_its_work_folder(site):
    there = site.launch("1", "pwd", chdir="deep/er", output="/dev/null")
    (there.work / "deep" / "er").mkdir(parents=True)
    there = replace(there, spec=replace(there.spec, output="where"))
    site.driver.start(there)
    lost = site.run("2", "pwd", chdir="nowhere", output=str(site.root / "lost.out"))
    assert [site.finished(each).exit_code for each in (there, lost)] == [0, 0]
    assert site.output(there) == f"{there.work}/deep/er\n"
    assert site.output(lost) == (
        f"foedus: cannot enter {lost.work}/nowhere: No such file or directory: going to {lost.work}\n{lost.work}\n"
    )


def test_an_output_that_cannot_be_written_fails_the_job_with_its_reason(site):
    launch = site.run("1", "touch ran", output="no/such/folder/out")
    record = site.finished(launch)
    assert (record.outcome, record.exit_code) == (Outcome.FAILED, 1)
    assert site.look(launch).reason.startswith("cannot start the script: [Errno 2] No such file or directory")
    assert not (launch.work / "ran").exists()


def test_the_configured_path_comes_first(tmp_path):
    site = Site(tmp_path, path=["/opt/one", "/opt/two"], name="baku")
    launch = site.run("1", 'echo "$PATH|$SLURM_CLUSTER_NAME|${SECRET-unset}"')
    site.finished(launch)
    assert site.output(launch) == "/opt/one:/opt/two:/usr/local/bin:/usr/bin:/bin|baku|unset\n"
    site.driver.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start jobs as another account")
def test_nothing_of_root_is_left_to_a_job_of_another_account(open_folder):
    site = Site(open_folder)
    wanted = "^(Uid|Gid|CapPrm|CapEff|CapInh|CapAmb|SigBlk|SigIgn):"
    launch = site.launch("1", f"grep -E '{wanted}' /proc/self/status", account="nobody")
    for folder in (launch.folder, launch.work):
        os.chown(folder, 65534, 65534)
    site.driver.start(launch)
    assert site.finished(launch).outcome is Outcome.COMPLETED
    nobody, nothing = pwd.getpwnam("nobody"), ["0" * 16]
    lines = [line.partition(":") for line in site.output(launch).splitlines()]
    found = {name: values.split() for name, _, values in lines}
    ignored = int(found.pop("SigIgn")[0], 16)
    assert ignored & (1 << 31) - 1 == 0  # the C library ignores two of its own beyond these
    assert found == {
        "Uid": [str(nobody.pw_uid)] * 4,
        "Gid": [str(nobody.pw_gid)] * 4,
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb", "SigBlk"), nothing),
    }
    site.driver.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start jobs as another account")
def test_a_job_runs_as_its_account(open_folder):
    site = Site(open_folder)
    launch = site.launch(
        "1", "id -un; id -Gn; echo $USER $HOME; touch mine; cat $SECRET_STATE 2>&1 | wc -c", account="nobody"
    )
    for folder in (launch.folder, launch.work):
        os.chown(folder, 65534, 65534)
    site.driver.start(launch)
    assert site.finished(launch).outcome is Outcome.COMPLETED
    assert site.output(launch).startswith("nobody\nnogroup\nnobody /nonexistent\n")
    assert (launch.work / "mine").stat().st_uid == 65534
    site.driver.close()


def test_a_job_is_bound_to_its_cpus_where_the_machine_has_them(tmp_path):
    allowed = len(os.sched_getaffinity(0))
    site = Site(tmp_path, nodes={"cpus": allowed, "memory_mib": 1024})
    launch = site.run("1", "nproc; echo ${CUDA_VISIBLE_DEVICES-unset}")
    site.finished(launch)
    assert site.output(launch) == "1\nunset\n"
    site.driver.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"resources": replace(SMALL, gpus=5)},
            "the request fits no nodes of the owner lane even when empty; it has: 1 of 4 CPUs, 1024 MiB, 4 GPUs (a100)",
        ),
        (
            {"resources": replace(SMALL, gpus=1, gpu_model="h100")},
            "the request fits no nodes of the owner lane even when empty; it has: 1 of 4 CPUs, 1024 MiB, 4 GPUs (a100)",
        ),
        ({"resources": limited(101)}, "the time limit of 101 s is over the longest of the owner lane, 100 s"),
        ({"guest": True}, "this site has no place for guests"),
        ({"account": "no-such-account"}, "this machine has no account 'no-such-account'"),
        ({"arguments": ("a\0b",)}, "the script, its arguments or its environment contain a NUL character"),
    ],
)
def test_what_can_never_run_is_refused(tmp_path, change, words):
    site = Site(tmp_path, time_limit=60, time_limit_max=100)
    launch = site.launch("1", "exit 0", **change)
    with pytest.raises(SchedulerRefused) as caught:
        site.driver.start(launch)
    assert caught.value.message == words
    assert site.look(launch) == Sighting(phase=Phase.UNKNOWN)
    site.driver.close()


def test_a_job_on_two_nodes_sees_both(tmp_path):
    site = Site(tmp_path, nodes=[{"name": "n", "count": 2, "cpus": 2, "memory_mib": 512, "gpus": 1}])
    seen = ("JOB_NODELIST", "NNODES", "NTASKS", "TASKS_PER_NODE", "JOB_CPUS_PER_NODE")
    body = "echo " + " ".join(f"$SLURM_{name}" for name in seen) + " $CUDA_VISIBLE_DEVICES"
    launch = site.run("1", body, resources=Resources(nodes=2, tasks=4, gpus=2, gpus_per_node=1))
    record = site.finished(launch)
    assert site.output(launch) == "n[1-2] 2 4 2(x2) 2(x2) 0,1\n"
    assert (record.nodes, record.cpus, record.gpus, record.memory, record.node_names) == (2, 4, {"": 2}, 1024, "n[1-2]")
    site.driver.close()


def _until_output(site: Site, launch, wanted: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (path := site.look(launch).stdout) or not Path(path).exists() or site.output(launch) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_script_is_warned_before_its_time_is_over(site):
    body = "#!/bin/bash\n#SBATCH --signal=B:USR1@45\ntrap 'echo warned; exit 9' USR1\nwhile :; do sleep 0.05; done"
    record = site.finished(site.run("1", body, resources=limited(60)))
    assert (record.outcome, record.exit_code, record.signal) == (Outcome.FAILED, 9, 0)


def test_input_export_and_open_mode_hold(site):
    body = "#!/bin/bash\n#SBATCH --input=in-%j --export=ALL,SEED=7,NOTE=a --open-mode=append\ncat; echo $SEED $NOTE"
    launch = site.launch("1", body)
    (launch.work / "in-1").write_text("from input\n")
    (launch.work / "slurm-1.out").write_text("before\n")
    site.driver.start(launch)
    site.finished(launch)
    assert site.output(launch) == "before\nfrom input\n7 a\n"


def test_options_that_this_site_cannot_keep_are_refused_by_name(site):
    launch = site.launch("1", "#!/bin/sh\n#SBATCH --constraint=ib --begin=tomorrow\n#SBATCH --signal=B:NOPE\n")
    with pytest.raises(SchedulerRefused) as caught:
        site.driver.start(launch)
    assert caught.value.message == (
        "--begin: this site starts jobs as soon as there is room; --constraint: this site has nodes without features"
    )
