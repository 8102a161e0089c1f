import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.cli.argv import Line, split
from foedus.cli.run import script_of
from foedus.core.base.errors import BadInput

OWN = {"--wait": False, "-W": False, "--json": False, "--wrap": True}


@pytest.mark.parametrize(
    ("words", "overrides", "rest"),
    [
        ("job.sh", [], ["job.sh"]),
        ("-N 2 job.sh", ["-N", "2"], ["job.sh"]),
        ("-N2 job.sh", ["-N2"], ["job.sh"]),
        ("--nodes 2 job.sh -x --wait", ["--nodes", "2"], ["job.sh", "-x", "--wait"]),
        ("--nodes=2 job.sh", ["--nodes=2"], ["job.sh"]),
        ("--gpus-per-n 4 job.sh", ["--gpus-per-n", "4"], ["job.sh"]),
        ("--exclusive job.sh", ["--exclusive"], ["job.sh"]),
        ("--exclusive=user job.sh", ["--exclusive=user"], ["job.sh"]),
        ("-OJ name job.sh", ["-OJ", "name"], ["job.sh"]),
        ("-OJname job.sh", ["-OJname"], ["job.sh"]),
        ("-k job.sh", ["-k"], ["job.sh"]),
        ("--project traffic --fetch out/* job.sh", ["--project", "traffic", "--fetch", "out/*"], ["job.sh"]),
        ("-t 5 -- -odd-name a", ["-t", "5"], ["-odd-name", "a"]),
        ("-t --wait job.sh", ["-t", "--wait"], ["job.sh"]),
        ("- a", [], ["-", "a"]),
        ("-N 2", ["-N", "2"], []),
        ("", [], []),
    ],
)
def test_words_are_told_apart_as_sbatch_does(words, overrides, rest):
    assert split(words.split(), OWN) == Line(own={}, overrides=overrides, rest=rest)


def test_options_of_the_command_are_taken_out():
    assert split(["--wait", "-N", "2", "--wrap", "echo hi", "--json"], OWN) == Line(
        own={"--wait": "", "--wrap": "echo hi", "--json": ""}, overrides=["-N", "2"], rest=[]
    )
    assert split(["--wrap=echo a=b"], OWN).own == {"--wrap": "echo a=b"}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--nods", "2", "job.sh"], "--nods is not an option of sbatch"),
        (["--mem-", "2", "job.sh"], "--mem- is short for several options"),
        (["-Z", "job.sh"], "-Z is not an option of sbatch"),
        (["--nodes"], "'--nodes' has no value"),
        (["--wrap"], "'--wrap' has no value"),
        (["--wait=5", "job.sh"], None),
    ],
)
def test_what_nobody_knows_is_refused_by_name(words, fault):
    if fault is None:
        assert split(words, OWN).overrides == ["--wait=5"]
        return
    with pytest.raises(BadInput) as caught:
        split(words, OWN)
    assert [one.fault for one in caught.value.faults] == [fault]


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="\0", codec="utf-8")), min_size=1, max_size=5))
def test_a_command_reaches_the_job_as_it_was_given(command):
    import subprocess

    script = script_of(["printf", "%s\\0", *command])
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [word.encode() for word in command]
