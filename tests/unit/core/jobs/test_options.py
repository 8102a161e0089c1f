import pytest

from foedus.core.base.errors import Fault
from foedus.core.jobs.directives import Word
from foedus.core.jobs.given import read_words
from foedus.core.jobs.options import BY_LETTER, BY_NAME, FOEDUS_OPTIONS, OPTIONS, Handling, Takes, long_matches


def read(*texts: str, foedus: bool = False) -> list[tuple[str, str | None]]:
    givens, faults = read_words([Word(text=text, where="line 2") for text in texts], foedus=foedus)
    assert faults == ()
    return [(given.name, given.value) for given in givens]


def faults(*texts: str, foedus: bool = False) -> list[str]:
    return [str(fault) for fault in read_words([Word(text=text, where="line 2") for text in texts], foedus=foedus)[1]]


def test_the_table_is_sound():
    assert len(BY_NAME) == len(OPTIONS) == 106
    assert len(BY_LETTER) == sum(1 for option in OPTIONS if option.short)
    for option in OPTIONS + FOEDUS_OPTIONS:
        assert option.why.endswith(".")
        assert len(option.short) <= 1
        assert option.canonical in BY_NAME or option.handling is Handling.FOEDUS
        assert bool(option.remedy) == (option.handling is Handling.REFUSED)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--time=5"], [("time", "5")]),
        (["--time", "5"], [("time", "5")]),
        (["--time="], [("time", "")]),
        (["--job-name=a=b"], [("job-name", "a=b")]),
        (["-t5"], [("time", "5")]),
        (["-t", "5"], [("time", "5")]),
        (["-t=5"], [("time", "=5")]),
        (["-n4", "-N", "2"], [("ntasks", "4"), ("nodes", "2")]),
        (["-OsN2"], [("overcommit", None), ("oversubscribe", None), ("nodes", "2")]),
        (["-k"], [("no-kill", None)]),
        (["-koff"], [("no-kill", "off")]),
        (["--exclusive"], [("exclusive", None)]),
        (["--exclusive=user"], [("exclusive", "user")]),
        (["--job-name", "--mem=5"], [("job-name", "--mem=5")]),
        (["-J", "-"], [("job-name", "-")]),
        (["--job", "x"], [("job-name", "x")]),
        (["--ntasks=4", "--ntasks-per-n=2"], [("ntasks", "4"), ("ntasks-per-node", "2")]),
        (["--tasks=2"], [("ntasks-per-node", "2")]),
        (["--gpus=2"], [("gpus", "2")]),
        (["-n4", "--"], [("ntasks", "4")]),
    ],
)
def test_words_are_read_as_getopt_long_reads_them(words, expected):
    assert read(*words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--exclu"], ["line 2: --exclu is short for several options; write one of --exclude, --exclusive in full"]),
        (["--partion=x"], ["line 2: --partion is not an option of sbatch; did you mean --partition?"]),
        (["--projekt=x"], ["line 2: --projekt is not an option of sbatch; did you mean --project?"]),
        (
            ["--zzz"],
            ["line 2: --zzz is not an option of sbatch; see `man sbatch` of Slurm 22.05, the oldest that sites run"],
        ),
        (["-Z4"], ["line 2: -Z is not an option of sbatch; use the long form of the option that you mean"]),
        (["--contiguous=1"], ["line 2: --contiguous has no value, but '1' is given; write --contiguous"]),
        (["-n"], ["line 2: '-n' has no value; write --ntasks=VALUE"]),
        (["--mem"], ["line 2: '--mem' has no value; write --mem=VALUE"]),
        (
            ["a", "-n4", "-"],
            [
                "line 2: 'a' is not an option; begin options with a dash; quote values with spaces",
                "line 2: '-' is not an option; begin options with a dash; quote values with spaces",
            ],
        ),
        (
            ["--", "-n4"],
            ["line 2: '-n4' follows '--', where sbatch reads no options; remove the '--'"],
        ),
    ],
)
def test_what_getopt_long_would_not_take_is_refused_in_whole(words, expected):
    assert faults(*words, foedus=True) == expected


def test_options_of_foedus_are_read_only_where_they_may_stand_and_only_in_full():
    assert read("--project=p", "--fetch", "out/*", foedus=True) == [("project", "p"), ("fetch", "out/*")]
    assert faults("--project=p") == [
        "line 2: --project is not an option of sbatch; write it in a line of its own: #FOEDUS project=VALUE"
    ]
    assert faults("--datas=p", foedus=True) == ["line 2: --datas is not an option of sbatch; did you mean --dataset?"]


def test_a_fault_is_a_value():
    words = [Word(text="--gpu=3", where="command line")]
    names = "--gpu-bind, --gpu-freq, --gpus, --gpus-per-node, --gpus-per-socket, --gpus-per-task"
    assert read_words(words, foedus=False) == (
        (),
        (
            Fault(
                path="command line",
                fault="--gpu is short for several options",
                remedy=f"write one of {names} in full",
            ),
        ),
    )


def test_every_full_name_is_its_own_match_though_others_begin_with_it():
    assert [long_matches(option.name) for option in OPTIONS] == [(option,) for option in OPTIONS]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_read_in_long_form_and_by_its_letter(option):
    value = None if option.takes is Takes.NOTHING else "x"
    suffix = "" if value is None else "=x"
    assert read(f"--{option.name}{suffix}") == [(option.canonical, value)]
    if option.short:
        assert read(f"-{option.short}{value or ''}") == [(option.canonical, value)]
