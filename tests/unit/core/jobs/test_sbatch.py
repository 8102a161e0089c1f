import pytest

from foedus.core.base.errors import BadInput, Fault, TooLarge
from foedus.core.base.ids import JobId, ProjectId
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.options import OPTIONS, Handling, Takes
from foedus.core.jobs.sbatch import LARGEST_SCRIPT, options_of, parse
from foedus.core.jobs.signals import EndSignal, Whom, end_signal
from foedus.core.jobs.spec import (
    ArraySpec,
    Condition,
    Dependencies,
    Dependency,
    JobSpec,
    Purpose,
    Resources,
)

SH = "#!/bin/sh\n"

WHOLE = """#!/bin/bash -l
# Train the detector.
#SBATCH --job-name="phish train"   # what squeue shows
#SBATCH -N 2 --ntasks-per-node=4
#SBATCH --gres=gpu:A100:4
#SBATCH --mem=64G -t 1-12
#SBATCH --partition=gpu --account=cs101 -q high
#SBATCH --output=logs/%x-%j.out --error none
#SBATCH --array=0-9:3%2
#SBATCH --dependency=afterok:12?afterany:13_4
#SBATCH --no-requeue --chdir=run/one --export=NONE
#SBATCH --signal=B:USR1@60 --mail-type=END
#FOEDUS project=phish purpose=finetune
#FOEDUS dataset=urls bundle=data/,train.py bundle=/opt/lib.py
#FOEDUS --output=model.pkl --output 'out/*.csv'

srun python train.py
#SBATCH --time=5
"""


def faults(script: str, *overrides: str) -> tuple[Fault, ...]:
    with pytest.raises(BadInput) as caught:
        parse(script, overrides)
    return caught.value.faults


def test_a_whole_script():
    assert parse(WHOLE, arguments=("--epochs", "3"), file_name="jobs/train.sbatch") == JobSpec(
        script=WHOLE,
        arguments=("--epochs", "3"),
        name="phish train",
        resources=Resources(
            nodes=2,
            tasks=8,
            tasks_per_node=4,
            memory_per_node=Mebibytes(65536),
            gpus=8,
            gpus_per_node=4,
            gpu_model="a100",
            time_limit=Seconds(36 * 3600),
        ),
        array=ArraySpec(indices=(0, 3, 6, 9), at_once=2),
        dependencies=Dependencies(
            any_of=(
                Dependency(condition=Condition.AFTEROK, job=JobId("12")),
                Dependency(condition=Condition.AFTERANY, job=JobId("13_4")),
            )
        ),
        output="logs/%x-%j.out",
        error="/dev/null",
        chdir="run/one",
        requeue=False,
        project=ProjectId("phish"),
        purpose=Purpose.FINETUNE,
        datasets=("urls",),
        bundle=("data/", "train.py", "/opt/lib.py"),
        outputs=("model.pkl", "out/*.csv"),
        notices=(
            "line 7: --partition=gpu is not used: the site has a partition for its owners' jobs and one for guests'",
            "line 7: --account=cs101 is not used: the site books the job on the account that its map gives the project",
            "line 7: --qos=high is not used: the site has a QOS for its owners' jobs and one for guests'",
        ),
    )


def test_a_plain_script():
    assert parse(SH) == JobSpec(script=SH)
    assert parse(SH, file_name="/home/me/run.sh") == JobSpec(script=SH, name="run.sh")
    assert parse("#!/bin/sh") == JobSpec(script="#!/bin/sh")


def test_the_command_line_wins_and_goes_along_in_long_form():
    script = SH + "#SBATCH -J one -t 10 --gpus=8\n#FOEDUS project=a purpose=other dataset=x,y bundle=z\n"
    given = [
        "-Jtwo",
        "--time",
        "5",
        "--gpus=a100:2",
        "-sN2",
        "--exclusive",
        "--dep=afterok:7",
        "-a1-3",
        "--signal=USR1",
    ]
    own = ["--project=b", "--purpose", "infer", "--dataset=d", "--fetch=r/*,s"]
    assert parse(script, given + own) == JobSpec(
        script=script,
        overrides=(
            "--job-name=two",
            "--time=5",
            "--gpus=a100:2",
            "--oversubscribe",
            "--nodes=2",
            "--exclusive",
            "--signal=USR1",
        ),
        name="two",
        resources=Resources(nodes=2, tasks=2, gpus=2, gpu_model="a100", time_limit=Seconds(300), exclusive=True),
        array=ArraySpec(indices=(1, 2, 3)),
        dependencies=Dependencies(all_of=(Dependency(condition=Condition.AFTEROK, job=JobId("7")),)),
        project=ProjectId("b"),
        purpose=Purpose.INFER,
        datasets=("d",),
        bundle=("z",),
        outputs=("r/*", "s"),
    )


def test_overrides_read_back_give_the_same_spec():
    first = parse(SH, ["-Jx y", "-t5", "-N2-3", "--gres", "gpu:2", "-k", "--nice", "-o=a"])
    assert parse(SH, first.overrides) == first


def test_bare_names_of_export_take_their_values_from_the_shell_and_nothing_else():
    shell = {"SEED": "7", "HOME": "/home/me", "SLURM_CONF": "/tmp/x", "OTHER": "1", "BAD": "\0"}
    script = SH + "#SBATCH --export=SEED,HOME,MISSING,SLURM_CONF,ALL,A=SEED\n"
    assert parse(script, environment=shell).environment == (("HOME", "/home/me"), ("SEED", "7"))
    assert parse(script, ["--export=OTHER"], environment=shell).environment == (("OTHER", "1"),)
    assert parse(SH, environment=shell).environment == ()
    with pytest.raises(BadInput) as caught:
        parse(SH, ["--export=BAD"], environment=shell)
    assert caught.value.faults == (
        Fault(path="variable BAD", fault="holds a NUL or is not UTF-8 text", remedy="change it"),
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (" \n", "script: is empty; begin it with #! and the path of an interpreter: #!/bin/sh"),
        (
            "echo\n",
            "line 1: does not begin with #!; make the first line #! and the path of an interpreter: #!/bin/sh",
        ),
        ("#!/bin/sh\n\na\0b", "line 3: holds a NUL character; save it as plain text"),
        (
            "#!/bin/sh\r\n#SBATCH -Z\r\n",
            "line 1: has DOS line breaks (CR LF); convert it: dos2unix, or sed -i 's/\\r$//'",
        ),
        ("#!/bin/sh\n\ud800", "script: is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_script_that_sbatch_would_not_read_is_refused_unread(script, expected):
    assert [str(fault) for fault in faults(script)] == [expected]


def test_a_carriage_return_inside_a_line_is_only_white_space():
    assert parse(SH + "#SBATCH -n2 \r -c3\n").resources == Resources(tasks=2, cpus_per_task=3)


@pytest.mark.parametrize("filler", ["x", "é"])
def test_scripts_up_to_four_mebibytes(filler):
    size = (LARGEST_SCRIPT - len(SH)) // len(filler.encode())
    body = filler * size + "x" * (LARGEST_SCRIPT - len(SH) - size * len(filler.encode()))
    assert len((SH + body).encode()) == LARGEST_SCRIPT
    assert parse(SH + body).name == "sbatch"
    with pytest.raises(TooLarge):
        parse(SH + body + "x")


@pytest.mark.parametrize(
    "body",
    [
        "#SBATCH -n1\n" * 2001,
        "#SBATCH '\n" * 2001,
        "#FOEDUS a=b\n" * 2001,
        "#SBATCH --zzz\n" * 2001,
        f"#SBATCH -d {'1,' * 131072}\n",
        f"#SBATCH -{'O' * 2001}\n",
    ],
    ids=lambda body: body[:12],
)
def test_options_without_end_are_refused_unread(body):
    with pytest.raises(TooLarge):
        parse(SH + body)


def test_all_faults_come_at_once_line_by_line():
    script = (
        SH
        + "#SBATCH --partion=gpu --mem=lots\n#SBATCH -J 'a\n#SBATCH -t 1:2:3:4 --hold\n"
        + "#FOEDUS project=No! purpose=fun colour=red output=../x\n#SBATCH --chdir=../up\n#PBS -q x\n"
    )
    assert [str(fault) for fault in faults(script, "--partition=x", "--mem-per-cpu=1", "-w", "n1", "left")] == [
        "line 2: --partion is not an option of sbatch; did you mean --partition?",
        "line 2: --mem: 'lots' is not a size of memory; write a whole number and K, M (default), G or T, as in 64G",
        "line 3: a quotation mark ' is not closed; close it on the same line",
        "line 4: --hold: is refused: a held job would never be released; submit the job when it may run",
        (
            "line 4: --time: '1:2:3:4' is not a time; write minutes, minutes:seconds, hours:minutes:seconds, "
            "days-hours, days-hours:minutes, days-hours:minutes:seconds, or UNLIMITED"
        ),
        (
            "line 5: 'colour' is no key of #FOEDUS; "
            "use one of project, purpose, dataset, bundle, fetch, checkpoint, output"
        ),
        (
            "line 5: --project: 'No!' is not a name; "
            "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit"
        ),
        (
            "line 5: --purpose: 'fun' is not a purpose; use one of pretrain, finetune, rl, synthetic-data, evaluate, "
            "explore, distill-parent, reward-model, infer, generate, other"
        ),
        (
            "line 5: --fetch: '../x' does not stay in the job's folder; "
            "give patterns relative to it, without '..': results/*"
        ),
        "line 6: --chdir: '../up' leads out of the job's folder; give a folder inside it, or an absolute path",
        (
            "line 7: #PBS lines ask for things in the words of another scheduler; "
            "give --ignore-pbs to pass over them, or write them as #SBATCH lines"
        ),
        "command line: 'left' is not an option; begin options with a dash; quote values with spaces",
        (
            "command line: --partition: has no effect with Foedus: "
            "the site has a partition for its owners' jobs and one for guests'; remove it"
        ),
        (
            "command line: --nodelist: is refused: it names nodes of one site; "
            "remove it, or submit with the site's own sbatch"
        ),
        (
            "command line: --mem and --mem-per-cpu: sbatch takes only one of them, in script and command line "
            "together; keep one of them"
        ),
    ]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_of_a_script_is_handled_as_the_table_says(option):
    values = {
        "array": "1-2",
        "dependency": "afterok:1",
        "mem-per-gpu": "1G",
        "ntasks-per-gpu": "1 -n1",
        "ntasks-per-tres": "1 -n1",
        "gpus-per-task": "1 -n1",
        "gpus-per-socket": "1 --sockets-per-node=1",
    }
    value = "" if option.takes is not Takes.VALUE else "=" + values.get(option.name, "1")
    extra = " --gpus=1" if option.name == "mem-per-gpu" else ""
    script = f"{SH}#SBATCH --{option.name}{value}{extra}\n"
    if option.handling is Handling.REFUSED:
        assert [fault.path for fault in faults(script)] == [f"line 2: --{option.canonical}"]
        return
    spec = parse(script)
    assert len(spec.notices) == (option.handling is Handling.OVERRULED)
    if option.handling is Handling.OVERRULED:
        assert [fault.path for fault in faults(SH, f"--{option.name}=x")] == [f"command line: --{option.name}"]


def test_what_drivers_must_set_themselves():
    names = {kind: [option.name for option in OPTIONS if option.handling is kind] for kind in Handling}
    assert names[Handling.TAKEN_OVER] == ["array", "dependency"]
    assert names[Handling.OVERRULED] == ["account", "comment", "partition", "qos", "reservation"]


def test_pbs_lines_may_be_passed_over():
    script = SH + "#PBS -l nodes=4\n#SBATCH -N2\n"
    assert parse(script, ["--ignore-pbs"]).resources == Resources(nodes=2, tasks=2)
    assert parse(script + "#SBATCH --ignore-pbs\n").resources == Resources(nodes=2, tasks=2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-J 'a\tb'", "line 2: --job-name: its value holds the control character '\\t'; remove it"),
        ("-o 'a\x1b[2Jb'", "line 2: --output: its value holds the control character '\\x1b'; remove it"),
        (f"-J {'é' * 512}", "line 2: --job-name: is longer than 1023 bytes; shorten it"),
        ("-D a/../../b", ("line 2: --chdir: 'a/../../b' leads out of the job's folder; "
         "give a folder inside it, or an absolute path")),
    ],
)  # fmt: skip
def test_values_that_no_site_should_get(options, expected):
    assert [str(fault) for fault in faults(f"{SH}#SBATCH {options}\n")] == [expected]


@pytest.mark.parametrize("chdir", ["/scratch/../x", "a/..", "./b//c", "~x"])
def test_folders_that_stay_inside_or_are_absolute(chdir):
    assert parse(f"{SH}#SBATCH -D {chdir}\n").chdir == chdir


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bundle", "line 2: 'bundle' has no value; write bundle=VALUE"),
        ("--bundle", "line 2: 'bundle' has no value; write bundle=VALUE"),
        ("bundles=x", "line 2: 'bundles' is no key of #FOEDUS; did you mean bundle?"),
        ("bundle=a,,b", "line 2: --bundle: a path is empty; give files and folders with commas between them"),
        ("dataset=", "line 2: --dataset: '' does not name a data set; give 1 to 200 characters"),
        ("output=/x", ("line 2: --fetch: '/x' does not stay in the job's folder; "
         "give patterns relative to it, without '..': results/*")),
        ("checkpoint=../x", ("line 2: --checkpoint: '../x' does not stay in the job's folder; "
         "give one folder relative to it, without '..' and wildcards: checkpoints")),
        ("checkpoint=saved*", ("line 2: --checkpoint: 'saved*' does not stay in the job's folder; "
         "give one folder relative to it, without '..' and wildcards: checkpoints")),
        ("checkpoint=.", ("line 2: --checkpoint: '.' does not stay in the job's folder; "
         "give one folder relative to it, without '..' and wildcards: checkpoints")),
    ],
)  # fmt: skip
def test_faults_of_foedus_lines(line, expected):
    assert [str(fault) for fault in faults(f"{SH}#FOEDUS {line}\n")] == [expected]


def test_the_folder_of_checkpoints():
    script = f"{SH}#FOEDUS checkpoint=a checkpoint=out/saved/\n"
    assert parse(script).checkpoint == "out/saved"
    assert parse(script, ["--checkpoint", "b"]).checkpoint == "b"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], EndSignal(name="TERM", whom=Whom.ALL, grace=None)),
        (["--signal=B:SIGUSR1@120"], EndSignal(name="USR1", whom=Whom.BATCH, grace=Seconds(120))),
        (["--signal=int"], EndSignal(name="INT", whom=Whom.STEPS, grace=None)),
        (["--signal=R:10@5"], EndSignal(name="10", whom=Whom.STEPS, grace=Seconds(5))),
    ],
)
def test_the_signal_that_asks_it_to_end(asked, expected):
    assert end_signal(parse(SH, asked)) == expected


def test_options_that_have_no_field_are_there_for_drivers():
    spec = parse(SH + "#SBATCH --signal=USR1 -O --open-mode=append\n", ["--signal=B:USR2", "--gpus=1"])
    assert options_of(spec) == {"signal": "B:USR2", "overcommit": None, "open-mode": "append", "gpus": "1"}


@pytest.mark.parametrize(("text", "step"), [("1,3,7", 2), ("0-9", 1), ("0-9:3", 3), ("5", 1)])
def test_the_step_of_an_array(text, step):
    assert parse(f"{SH}#SBATCH --array={text}\n").array.step == step
