"""What the Slurm driver says to each command, and what it reads out of real answers (recorded with Slurm 22.05.8)."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.errors import BadInput, SchedulerRefused, SiteTrouble
from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.base.instant import Instant
from foedus.core.jobs.options import OPTIONS, Handling
from foedus.core.jobs.signals import end_signal
from foedus.core.jobs.spec import ArrayTask, JobSpec
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.base import Launch, Phase, Ref
from foedus.drivers.slurm import directives, hostlist, look, room, sacct, sbatch, scancel, scontrol, squeue, tres
from foedus.drivers.slurm.patterns import Names, asks_for_node, for_task, resolve
from foedus.drivers.slurm.records import records
from foedus.drivers.slurm.rows import cut
from foedus.drivers.slurm.run import Done, sudo
from foedus.drivers.slurm.settings import LaneSettings, Settings, read

RECORDED = Path(__file__).parent / "recorded"
MARK = "|0123456789abcdef|"
OWNER, GUEST = LaneSettings(partition="owner"), LaneSettings(partition="guest", account="guests", qos="visitors")
TASK = ArrayTask(array=JobId("12"), index=3, count=4, lowest=0, highest=9, step=3)


def recorded(name):
    return (RECORDED / name).read_text(encoding="utf-8")


def jobs():
    return squeue.parse(recorded("squeue.txt"), MARK)


def runs():
    return sacct.parse(recorded("sacct.txt"), MARK)


def launch(**spec):
    marker = Marker(alliance=AllianceId("pact"), job=JobId("12_3"), attempt=2)
    task = spec.pop("task", None)
    made = JobSpec(**{"script": "#!/bin/sh\n", **spec})
    return Launch(marker=marker, spec=made, task=task, account="a", guest=False, folder=Path("/srv/at/12"))


def ref(job, native_id, folder="/srv/none"):
    marker = Marker(alliance=AllianceId("pact"), job=JobId(job), attempt=1)
    return Ref(marker=marker, native_id=native_id, folder=Path(folder), since=Instant(0))


def test_squeue_is_read_whole():
    found = {job.native_id: (job.state, job.comment, job.reason) for job in jobs()}
    busy = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
    assert found == {
        "41": ("FAILED", "foedus:pact/7/1", "NonZeroExitCode"),
        "42": ("FAILED", "line\nbreak", "JobLaunchFailure"),
        "43": ("CANCELLED", "(null)", "Priority"),
        "44": ("PENDING", "(null)", "BeginTime"),
        "45": ("PENDING", "(null)", busy),
        "46": ("PENDING", "(null)", busy),
        "47": ("RUNNING", "(null)", ""),
        "48": ("RUNNING", "(null)", ""),
    }


def test_sacct_gives_records():
    run = next(run for run in runs() if run.native_id == "41")
    (record,) = records([run], ())
    assert (record.outcome, record.exit_code, record.signal, record.gpus) == (Outcome.FAILED, 3, 0, {"a100": 2})
    assert (record.nodes, record.cpus, record.memory, record.node_names) == (2, 2, 300, "j[1-2]")
    never = next(run for run in runs() if run.native_id == "43")
    (cancelled,) = records([never], ())
    assert (cancelled.outcome, cancelled.started, cancelled.nodes) == (Outcome.CANCELLED, None, 0)
    unfinished = [run for run in runs() if run.native_id in {"44", "47"}]
    assert records(unfinished, ()) == ()


def test_both_sources_together_say_where_jobs_are():
    refs = [ref("7", None), ref("8", "43"), ref("9", None)]
    live = look.live_jobs(refs, jobs(), {})
    found = look.runs(refs, runs(), {})
    seen = [look.sighting(look.Found(live=live.get(one.marker), runs=found[one.marker])) for one in refs]
    assert [(each.phase, each.native_id, each.native_state) for each in seen] == [
        (Phase.ENDED, "41", "FAILED"),
        (Phase.UNKNOWN, "", ""),  # job 43 is somebody else's: the id alone proves nothing
        (Phase.UNKNOWN, "", ""),
    ]


def test_a_folder_finds_a_job_whose_comment_is_not_kept():
    (run,) = look.runs([ref("50", None, "/srv/home/alice")], runs(), {})[ref("50", None).marker][:1]
    assert run.work_dir == "/srv/home/alice"
    other = look.runs([ref("50", None, "/srv/home")], runs(), {ref("50", None).marker: "leyla"})
    assert other == {ref("50", None).marker: ()}


@pytest.mark.parametrize("name", ["squeue.txt", "sacct.txt"])
def test_an_answer_that_is_cut_short_is_trouble(name):
    text = recorded(name)
    reader = squeue.parse if name == "squeue.txt" else sacct.parse
    with pytest.raises(SiteTrouble):
        reader(text[: len(text) // 2], MARK)
    assert reader("", MARK) == []


def test_capacity_of_a_busy_site():
    settings = Settings(owner=OWNER, guest=LaneSettings(partition="guest"))
    nodes = scontrol.parse_nodes(recorded("scontrol-nodes.txt"))
    partitions = scontrol.parse_partitions(recorded("scontrol-partitions.txt"))
    loads = squeue.parse_load(recorded("squeue-load.txt"), MARK)
    whole = (NodeGroup(count=3, cpus=8, memory=16000, gpus=4, gpu_model="a100"),)
    # two nodes are full of guests, the third is drained; an owner waits for all three, with a core on each
    left = (NodeGroup(count=2, cpus=7, memory=15936, gpus=4, gpu_model="a100"),)
    assert room.capacity(settings, nodes, partitions, loads) == Capacity(
        owner=Lane(name="owner", free=left, whole=whole, time_limit=86400, queued=2),
        guest=Lane(name="guest", free=(), whole=whole, time_limit=14400, queued=1),
    )


def test_a_site_that_does_not_count_gpus_is_trouble():
    text = recorded("scontrol-nodes.txt").replace(",gres/gpu=4,gres/gpu:a100=4", "")
    with pytest.raises(SiteTrouble, match="does not count GPUs"):
        scontrol.parse_nodes(text)


def test_the_command_line_of_a_task():
    spec = {"overrides": ("--time=5",), "arguments": ("a b",), "error": "%x-%a.err", "chdir": "sub", "name": "n"}
    assert sbatch.command(launch(task=TASK, **spec), GUEST, Path("/srv/at/12/script.sbatch")) == [
        "sbatch",
        "--time=5",
        "--parsable",
        "--comment=foedus:pact/12_3/2",
        "--chdir=/srv/at/12/work/sub",
        "--job-name=n",
        "--partition=guest",
        "--account=guests",
        "--qos=visitors",
        "--output=slurm-12_3.out",
        "--error=%x-3.err",
        "/srv/at/12/script.sbatch",
        "a b",
    ]


@pytest.mark.parametrize("lane", [OWNER, GUEST], ids=["owner", "guest"])
@pytest.mark.parametrize(
    "name", [one.name for one in OPTIONS if one.handling in {Handling.OVERRULED, Handling.TAKEN_OVER}]
)
def test_what_foedus_decides_is_never_left_to_the_script(name, lane):
    script = f"#!/bin/sh\n#SBATCH --{name}=1\n"
    words = sbatch.command(launch(script=script), lane, Path("script"))
    decided = any(word.startswith(f"--{name}=") for word in words)
    assert decided != (f"--{name}=1" not in sbatch.copy(script, lane))


def test_what_a_script_says_of_arrays_dependencies_and_reservations_is_taken_back():
    script = "#!/bin/sh\n#SBATCH -a 1-4 --reservation=night\n"
    asked = Launch(
        marker=launch().marker,
        spec=JobSpec(script=script, overrides=("--dependency=afterok:7",)),
        task=None,
        account="a",
        guest=False,
        folder=Path("/srv/at/12"),
    )
    words = sbatch.command(asked, OWNER, Path("script"))
    assert words[:2] == ["sbatch", "--dependency=afterok:7"]
    assert words[-4:] == ["--reservation=", "--array=", "--dependency=", "script"]
    plain = sbatch.command(launch(), OWNER, Path("script"))
    assert [word for word in plain if word.endswith("=")] == []


def test_a_patterns_node_is_its_host():
    assert scontrol.parse_hosts(recorded("scontrol-nodes.txt")) == {"j1": "host", "j2": "host", "j3": "host"}
    asked = [asks_for_node(pattern) for pattern in ("%x-%N", "%5N", "%%N", "\\%N", "%n")]
    assert asked == [True, True, False, False, False]


def test_the_environment_has_nothing_that_sbatch_would_obey():
    spec = JobSpec(script="", environment=(("SBATCH_QOS", "x"), ("SEED", "1"), ("SLURM_CONF", "/mine")))
    assert sbatch.environment(replace(launch(), spec=spec, restarts=2), {"HOME": "/h"}, {"SLURM_CONF": "/c"}) == {
        "HOME": "/h",
        "SEED": "1",
        "SLURM_RESTART_COUNT": "2",
        "SLURM_CONF": "/c",
    }


@pytest.mark.parametrize(
    ("code", "out", "err", "kind", "answer"),
    [
        (0, "42\n", "", None, "42"),
        (0, "42;baku\n", "sbatch: warning: x", None, "42"),
        (1, "42\n", "sbatch: error: Socket timed out on send/recv operation", None, "42"),
        (0, "", "", SiteTrouble, "no job id"),
        (-9, "", "", SiteTrouble, "-9"),
        (1, "", "sbatch: error: Batch job submission failed: Connection refused", SiteTrouble, "refused"),
        (
            1,
            "",
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller",
            SiteTrouble,
            "Unable",
        ),
        (1, "", "sbatch: error: Batch job submission failed: Invalid qos specification", SchedulerRefused, "qos"),
        (255, "", "sbatch: unrecognized option '--nosuch'", SchedulerRefused, "unrecognized"),
    ],
)
def test_what_sbatch_answers(code, out, err, kind, answer):
    done = Done(code=code, out=out, err=err)
    if kind is None:
        assert sbatch.parse(done) == answer
        return
    with pytest.raises(kind, match=answer):
        sbatch.parse(done)


def test_what_scancel_answers():
    over = "scancel: error: Kill job error on job id 9: Invalid job id specified"
    scancel.parse(Done(code=1, out="", err=over))
    with pytest.raises(SchedulerRefused):
        scancel.parse(Done(code=1, out="", err="scancel: error: Kill job error on job id 9: Access/permission denied"))
    with pytest.raises(SiteTrouble, match="did not reach"):
        scancel.parse(Done(code=1, out="", err="scancel: error: slurm_kill_job2: Unable to contact slurm controller"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, ["--signal=TERM", "--full"]),
        ("B:SIGUSR1@30", ["--signal=USR1", "--batch"]),
        ("usr2@30", ["--signal=USR2"]),
        ("RB:10", ["--signal=10", "--batch"]),
    ],
)
def test_the_signal_goes_to_whom_the_script_says(asked, words):
    spec = JobSpec(script="#!/bin/sh\n", overrides=(f"--signal={asked}",) if asked else ())
    assert scancel.signal_command("9", end_signal(spec)) == ["scancel", "--state=RUNNING", *words, "9"]


@pytest.mark.parametrize(
    "line",
    [
        "#SBATCH «--qos=x» --time=5",
        "#SBATCH «-q» «x» «-A» «y» -t 5",
        "#SBATCH «-Ay» «--acco» «'z w'» -n1",
        "#SLURM «--qos» «\\x»  # --qos",
        '#SBATCH --comment="--qos=x"',
        "##SBATCH --qos=x",
    ],
)
def test_options_are_blanked_in_every_spelling(line):
    script = "#!/bin/sh\n\n# text\n{}\necho\n#SBATCH --qos=late\n"
    marked = re.compile("«(.*?)»")
    before = script.format(marked.sub(r"\1", line))
    after = script.format(marked.sub(lambda match: " " * len(match[1]), line))
    assert directives.blank(before, ("qos", "account")) == after


@given(st.text(alphabet="#SBATCH -qAx='\"\\\n\t e"))
def test_blanking_keeps_lengths_and_what_it_does_not_know(text):
    changed = directives.blank(text, ("qos", "account"))
    assert [len(line) for line in changed.split("\n")] == [len(line) for line in text.split("\n")]
    assert all(new in {old, " "} for old, new in zip(text, changed, strict=True))
    assert directives.blank(text, ()) == text


@given(st.lists(st.tuples(*[st.text(alphabet="ab|\n ")] * 3)))
def test_tables_are_cut_whatever_users_write(rows):
    text = "\n".join("".join(f"{field}{MARK}" for field in row) for row in rows)
    assert cut(text + "\n", MARK, 3, "x") == [(row[0].lstrip("\n"), *row[1:]) for row in rows]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gres/gpu=4", {"": 4}),
        ("cpu=8,gres/gpu:a100=4,gres/gpu=4,mem=1G", {"a100": 4}),
        ("gres/gpu=6,gres/gpu:A100=4", {"": 2, "a100": 4}),
        ("gres/gpu:a100=1,gres/gpu:h100=2,gres/gpu=3", {"a100": 1, "h100": 2}),
        ("cpu=8,gres/shard=4", {}),
        ("", {}),
    ],
)
def test_gpus_are_counted_once(text, wanted):
    assert tres.gpus(tres.parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [("64M", 64), ("1.50G", 1536), ("2T", 2097152), ("100", 100), ("1025K", 2), ("?", 0)]
)
def test_memory_sizes(text, wanted):
    assert tres.memory(text) == wanted


def test_gres_and_names_for_untyped_gpus():
    assert tres.gres_gpus("gpu:a100:2(IDX:0,3),gpu:h100:1(S:0-1),craynetwork:4") == {"a100": 2, "h100": 1}
    assert tres.gres_gpus("gpu:4(S:0)") == {"": 4}
    assert tres.named({"": 4}, "gn[1-2]", (("x*", "v100"), ("gn*", "a100"))) == {"a100": 4}
    assert tres.named({"a100": 1}, "gn1", (("gn*", "h100"),)) == {"a100": 1}


def test_lists_of_nodes():
    assert hostlist.expand("gn[08-10,12],login1,r[1-2]n[3]") == [
        *("gn08", "gn09", "gn10", "gn12"),
        *("login1", "r1n3", "r2n3"),
    ]
    assert (hostlist.first("b[2-3]"), hostlist.first("")) == ("b2", "")
    assert hostlist.expand("a[2-1],b[x,3]") == ["bx", "b3"]


def test_lists_of_more_nodes_than_there_are():
    assert hostlist.expand("n[0-99999][0-99999]")[-1] == "n099999"
    assert hostlist.expand("n" + "[1]" * 2000) == ["n" + "[1]" * 2000]
    assert hostlist.expand("n[" + "9" * 5000 + "]") == ["n" + "9" * 5000]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *((0, text) for text in ("", "-5", "4 1", "9" * 200)),
        *((6, text) for text in ("-1", "1_0", "9" * 16)),
        *((7, text) for text in ("9" * 12, "253402300800")),
    ],
)
def test_squeue_showing_what_no_job_has_is_trouble(column, text):
    fields = recorded("squeue.txt").split(MARK)
    fields[column] = text
    with pytest.raises(SiteTrouble, match="no job"):
        squeue.parse(MARK.join(fields), MARK)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *((0, text) for text in ("", "-5", "4 1")),
        *((2, text) for text in ("-5:0", "4294967296:0", "0:x")),
        *((column, text) for column in (3, 4, 5, 6) for text in ("9" * 17, "253402300800")),
        *((7, text) for text in ("-5", "9" * 17, " 5", "٣")),
        (8, f"cpu={'9' * 15},gres/gpu=4"),
        (8, f"cpu=1,mem={'9' * 15}P"),
        (8, "cpu=1,gres/gpu:a/!=3"),
        (17, "1e3"),
    ],
)
def test_sacct_showing_what_no_ledger_takes_is_trouble(column, text):
    fields = recorded("sacct.txt").split(MARK)
    fields[7] = "60"
    assert records(sacct.parse(MARK.join(fields), MARK)[:1], ())
    fields[column] = text
    with pytest.raises(SiteTrouble, match=r"no job|cannot be"):
        records(sacct.parse(MARK.join(fields), MARK)[:1], ())


def test_patterns_become_files_as_slurm_makes_them():
    names = Names(job_id="5", job_name="wrap", user="alice", node="")
    work = Path("/w")
    assert resolve("p-%A-%a-%j-%n-%t-%s-%u-%x-%%-%q.txt", work, names) == Path(
        "/w/p-5-4294967294-5-0-0-batch-alice-wrap-%-%q.txt"
    )
    assert resolve("z-%5j-%3A-%12j-%5u-%0j.txt", work, names) == Path("/w/z-00005-005-0000000005-alice-5.txt")
    assert resolve("b\\-%j.txt", work, names) == Path("/w/b-%j.txt")
    assert resolve("%N.out", work, names) is None
    assert resolve("/abs/%j", work, names) == Path("/abs/5")
    assert for_task("%A_%3a-%j-%%a", TASK) == "12_003-%j-%%a"


def test_times_of_partitions():
    assert [scontrol.duration(text) for text in ("1-02:03:04", "00:30:00", "UNLIMITED")] == [93784, 1800, None]


def test_all_faults_of_the_settings_come_at_once():
    with pytest.raises(BadInput) as caught:
        read({"owner": {"partition": "a,b", "kos": "x"}, "timeout": 0, "conf": "slurm.conf", "gpu_models": 3, "x": 1})
    assert {fault.path for fault in caught.value.faults} == {
        "driver.owner.partition",
        "driver.owner.kos",
        "driver.timeout",
        "driver.conf",
        "driver.gpu_models",
        "driver.x",
    }
    with pytest.raises(BadInput, match=r"driver\.owner: is missing"):
        read({})


def test_the_settings_are_read():
    found = read({"owner": {"partition": "own"}, "environment": {"MODULEPATH": "/m"}, "timeout": 5})
    assert found == Settings(
        owner=LaneSettings(partition="own"), guest=None, timeout=5.0, environment=(("MODULEPATH", "/m"),)
    )


def test_sudo_gives_the_command_exactly_this_environment():
    assert sudo("alice", {"A": "1 2"}, ["/usr/bin/sbatch", "x"]) == [
        *("sudo", "-n", "-u", "alice", "--", "env", "-i"),
        *("A=1 2", "/usr/bin/sbatch", "x"),
    ]
