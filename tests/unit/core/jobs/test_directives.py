import pytest

from foedus.core.base.errors import Fault
from foedus.core.jobs.directives import Directives, Word, other_schedulers, scan

SH = "#!/bin/sh\n"


def texts(script: str) -> list[str]:
    found = scan(script)
    assert found.faults == ()
    return [word.text for word in found.sbatch]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("#SBATCH -n 4", ["-n", "4"]),
        ("#SBATCH-n4", ["-n4"]),
        ("#SBATCHN --time=4", ["N", "--time=4"]),
        ("#SLURM -n4", ["-n4"]),
        ("#sbatch -n4", []),
        (" #SBATCH -n4", []),
        ("##SBATCH -n4", []),
        ("\n\t\n# text\n#SBATCH -n4", ["-n4"]),
        ("echo\n#SBATCH -n4", []),
        ("  : ; #\n#SBATCH -n4", []),
        ("#SBATCH -n4\nset -e\n#SBATCH -N2", ["-n4"]),
        ("#SBATCH -J 'a b' -n4", ["-J", "a b", "-n4"]),
        ('#SBATCH -J"a b"c', ["-Ja bc"]),
        ('#SBATCH -J "it\'s"', ["-J", "it's"]),
        ("#SBATCH -J 'say \"x\"'", ["-J", 'say "x"']),
        ('#SBATCH -J "a\\"b"', ["-J", 'a"b']),
        ("#SBATCH -J 'a\\'b'", ["-J", "a'b"]),
        ("#SBATCH -J a\\#b", ["-J", "a#b"]),
        ("#SBATCH -J a\\\\b", ["-J", "a\\b"]),
        ("#SBATCH -J a\\ b", ["-J", "a", "b"]),
        ("#SBATCH -J a\\", ["-J", "a"]),
        ("#SBATCH -n4 # -N2", ["-n4"]),
        ("#SBATCH -n4#-N2", ["-n4"]),
        ('#SBATCH -J "a#b"', ["-J", "a#b"]),
        ('#SBATCH -J "" -n4', ["-J"]),
        ("#SBATCH\t-n4\v-N2\f-c1", ["-n4", "-N2", "-c1"]),
        ("#SBATCH -J a\u00a0b", ["-J", "a\u00a0b"]),
        ("#SBATCH", []),
        ("#SBATCH # all of it a comment", []),
        ("#SBATCH -n4\n#SBATCH -N2", ["-n4", "-N2"]),
    ],
)
def test_words_are_those_that_sbatch_finds(body, expected):
    assert texts(SH + body) == expected
    assert texts(SH + body + "\necho done\n") == expected


def test_each_word_knows_its_line_and_its_reader():
    script = (
        SH + "#SBATCH -n4\n#FOEDUS project=p  # why\n#FOEDUS\n#FOEDUSX a=b\n\n#SBATCH --time=5\nhostname\n#FOEDUS x=y\n"
    )
    assert scan(script) == Directives(
        sbatch=(Word(text="-n4", where="line 2"), Word(text="--time=5", where="line 7")),
        foedus=(Word(text="project=p", where="line 3"),),
        faults=(),
    )


def test_lines_that_sbatch_cannot_split_are_refused_and_the_others_still_read():
    script = (
        SH + "#SBATCH -J 'a\n#SBATCH : -n4\n#SBATCH HetJob\n#SBATCH -n4 packjob -N2\n#SBATCH hetjobs\n#SBATCH -c2\n"
    )
    apart = "submit the components as jobs of their own, with --dependency between them"
    component = "begins another component of a heterogeneous job, which Foedus does not run"
    assert scan(script) == Directives(
        sbatch=(Word(text="hetjobs", where="line 6"), Word(text="-c2", where="line 7")),
        foedus=(),
        faults=(
            Fault(path="line 2", fault="a quotation mark ' is not closed", remedy="close it on the same line"),
            Fault(
                path="line 3",
                fault="':' stands where an option should",
                remedy="remove it; Foedus runs no heterogeneous jobs",
            ),
            Fault(path="line 4", fault=f"'hetjob' {component}", remedy=apart),
            Fault(path="line 5", fault=f"'packjob' {component}", remedy=apart),
        ),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("#PBS -l nodes=1\n#PBS -q x", [("#PBS", "line 2")]),
        ("echo\n#BSUB -n 4\n#PBS -q x", [("#BSUB", "line 3"), ("#PBS", "line 4")]),
        (" #PBS -q x", []),
        ("echo\n" * 100 + "#PBS -q x", [("#PBS", "line 102")]),
        ("echo\n" * 101 + "#PBS -q x", []),
        ("# text\n" * 200 + "#PBS -q x", [("#PBS", "line 202")]),
    ],
)
def test_lines_for_other_schedulers_are_found_as_far_as_sbatch_looks(body, expected):
    assert [(word.text, word.where) for word in other_schedulers(SH + body)] == expected
