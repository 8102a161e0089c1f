"""Whatever comes in: a spec, or a refusal with a remedy; and reading it twice gives the same."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.errors import BadInput, Fault
from foedus.core.jobs.directives import Word, scan
from foedus.core.jobs.given import read_words
from foedus.core.jobs.options import OPTIONS, Takes
from foedus.core.jobs.sbatch import options_of, parse
from foedus.core.jobs.spec import JobSpec

PIECES = st.sampled_from(
    [
        *(f"--{option.name}" for option in OPTIONS),
        *(f"-{option.short}" for option in OPTIONS if option.short),
        *(
            "=",
            " ",
            "\t",
            "'",
            '"',
            "\\",
            "#",
            ":",
            ",",
            "%",
            "-",
            "?",
            "_",
            "\n",
            "\r",
            "0",
            "1",
            "4",
            "2-4",
            "K",
            "gpu:2",
        ),
        *(
            "#SBATCH ",
            "\n#SBATCH ",
            "\n#FOEDUS ",
            "project=",
            "purpose=infer",
            "output=",
            "hetjob",
            "afterok:1",
            "a100:2",
        ),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join)


def attempt(script: str, overrides: list[str]) -> JobSpec | tuple[Fault, ...]:
    try:
        return parse(script, overrides)
    except BadInput as error:
        return error.faults


@given(TEXT, st.lists(TEXT, max_size=4))
def test_any_script_is_read_or_refused(text, overrides):
    script = "#!/bin/sh\n#SBATCH " + text
    found = attempt(script, overrides)
    assert attempt(script, overrides) == found
    assert isinstance(found, JobSpec) or all(fault.path and fault.fault and fault.remedy for fault in found)
    assert found != ()
    if isinstance(found, JobSpec):
        assert found.script == script
        beside = parse(script, found.overrides)
        assert beside.resources == found.resources
        assert beside.overrides == found.overrides
        assert set(options_of(found)) <= {option.name for option in OPTIONS}


@given(st.text())
def test_any_text_is_read_or_refused(text):
    found = attempt(text, [])
    assert isinstance(found, JobSpec) or all(fault.path and fault.fault and fault.remedy for fault in found)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), min_size=1))
def test_quoted_words_are_read_back(words):
    quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    found = scan(f"#!/bin/sh\n#SBATCH {quoted}\nhostname\n#SBATCH later\n")
    assert [word.text for word in found.sbatch] == words
    assert found.faults == ()


VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(st.lists(st.tuples(st.sampled_from([option for option in OPTIONS if option.takes is Takes.VALUE]), VALUES)))
def test_options_written_as_one_element_each_are_read_back(pairs):
    texts = [f"--{option.canonical}={value}" for option, value in pairs]
    givens, faults = read_words([Word(text=text, where="command line") for text in texts], foedus=False)
    assert faults == ()
    assert [given_.text for given_ in givens] == texts


BAD = [
    *("--time=soon", "--mem=much", "--gpus=a100:", "--nodes=0", "--ntasks=none", "--cpus-per-task=-1"),
    *("--array=9-0", "--dependency=after:", "--nosuch=1", "--export-file=x"),
]


def faults_of(options: list[str]) -> list[tuple[str, str]]:
    found = attempt("".join(f"{line}\n" for line in ["#!/bin/sh", *(f"#SBATCH {one}" for one in options)]), [])
    assert not isinstance(found, JobSpec)
    return [(fault.path.partition(" (")[0], fault.fault) for fault in found]


@given(st.permutations(BAD), st.integers(1, len(BAD)))
def test_all_faults_of_a_script_come_out_together(options, count):
    some = options[:count]
    alone = [fault for at, one in enumerate(some) for fault in faults_of(["-J ok"] * at + [one])]
    assert sorted(faults_of(some)) == sorted(alone)
