import re
import shlex

import pytest
from typer.testing import CliRunner

from foedus.cli.examples import EXAMPLES
from foedus.cli.main import app


def help_of(*words):
    return CliRunner().invoke(app, [*words, "--help"], prog_name="foedus").stdout


@pytest.mark.parametrize("words", EXAMPLES)
def test_examples_use_options_that_the_page_explains(words):
    page = help_of(*words.split())
    for example in EXAMPLES[words]:
        assert example in page
        ours = example[example.index(f" {words}") :].split(" && ")[0]
        named = re.findall(r"(?<= )--?[a-z][-a-z]*", " ".join(shlex.split(ours)).partition(" -- ")[0])
        sbatch = {"--gpus", "--time", "--array", "--dependency", "--rate"} if words in {"submit", "run"} else set()
        assert [option for option in named if option not in sbatch and f" {option}" not in page] == []


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("wait", "foedus wait [OPTIONS] JOB..."),
        ("status", "foedus status [OPTIONS] [JOB...]"),
        ("why", "foedus why [OPTIONS] JOB"),
        ("submit", "foedus submit [SBATCH OPTIONS] [SCRIPT [ARGUMENTS...]]"),
        ("run", "foedus run [SBATCH OPTIONS] -- COMMAND [ARGUMENTS...]"),
        ("agreement sign", "foedus agreement sign [OPTIONS] AGREEMENT"),
    ],
)
def test_usage_is_written_as_elsewhere(words, usage):
    assert help_of(*words.split()).splitlines()[0] == f"Usage: {usage}"


def test_values_are_named_and_no_types_shown():
    page = help_of("list")
    assert "  -t, --state STATE  Only in this state; may be repeated.\n" in page
    assert "  --limit N          At most so many.  [default: 50]\n" in page


def test_a_group_tells_of_each_command_in_a_whole_sentence():
    assert "..." not in help_of("ledger").partition("Commands:")[2]


def test_the_short_name_of_help_works_everywhere():
    runner = CliRunner()
    pages = [runner.invoke(app, [*words, "-h"], prog_name="foedus").stdout for words in ([], ["wait"], ["user", "add"])]
    assert pages == [help_of(), help_of("wait"), help_of("user", "add")]
