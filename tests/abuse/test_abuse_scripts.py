"""Scripts, options and names that try to be more than data."""

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner
from whole import Whole, script

import foedus
from foedus.cli.main import app
from foedus.core.base.errors import BadInput
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import ArrayTask
from foedus.drivers.base import Launch, Marker
from foedus.drivers.slurm.sbatch import command
from foedus.drivers.slurm.settings import LaneSettings

HOSTILE = ("; touch {0}", "$(touch {0})", "`touch {0}`", "| touch {0}", "&& touch {0}", "-o{0}", "'\"; touch {0} #")


def test_shell_characters_in_names_arguments_and_variables_are_data(whole: Whole, tmp_path: Path):
    """Abuse 1: shell metacharacters in the job's name, comment, account, arguments and environment, run for real."""
    canary = tmp_path / "canary"
    words = [one.format(canary) for one in HOSTILE]
    text = script(
        'printf "%s\\n" "$SLURM_JOB_NAME" "$@" "$HOSTILE"',
        options='--export=HOSTILE --comment="$(touch x)" --account=";id" ',
    )
    job, state, output = whole.run(
        text,
        arguments=words,
        overrides=[f"--job-name={words[0]}", "--export=HOSTILE"],
        environment={"HOSTILE": words[1]},
    )
    assert (state, output.decode().splitlines()) == ("completed", [words[0], *words, words[1]])
    assert not canary.exists()
    with whole.served.client("lead") as lead:
        assert lead.get(job).name == words[0]


def test_sbatch_gets_each_hostile_text_inside_one_word(tmp_path: Path):
    """Abuse 1: on Slurm the same texts are parts of one argument each; there is no shell that could read them."""
    lane = LaneSettings(partition="guest; id", account="boss\nroot", qos="$(id)")
    for text in HOSTILE:
        spec = parse("#!/bin/sh\ntrue\n", ["--job-name", text, "--output", f"{text}.out"], [text])
        launch = Launch(
            marker=Marker(alliance="caspian", job="1", attempt=1),
            spec=spec,
            task=ArrayTask(array="1", index=1, count=1, lowest=1, highest=1, step=1),
            account="nobody",
            guest=True,
            folder=tmp_path,
        )
        words = command(launch, lane, tmp_path / "script")
        assert words[-2:] == [str(tmp_path / "script"), text]
        assert {word for word in words if "{0}" in word} == {f"--job-name={text}", f"--output={text}.out", text}
        assert words[: len(spec.overrides) + 1] == ["sbatch", *spec.overrides]
        assert {"--partition=guest; id", "--account=boss\nroot", "--qos=$(id)"} <= set(words)


_SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}


def test_nothing_in_foedus_starts_a_shell():
    """Abuse 1: no call of the code hands a string to a shell."""
    found: list[str] = []
    for file in sorted(Path(foedus.__file__).parent.rglob("*.py")):
        if "examples" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            starts = name.startswith(("subprocess.", "asyncio.create_subprocess"))
            shell = starts and any(word.arg == "shell" for word in node.keywords)
            if shell or name in _SHELLS:
                found.append(f"{file.name}:{node.lineno} {name}")
    assert found == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--uid=0", "--uid: is refused: the job runs as the account that the site's map gives you"),
        ("\t--uid=0", "--uid: is refused: the job runs as the account that the site's map gives you"),
        ("--gid 0", "--gid: is refused: the job runs as the account that the site's map gives you"),
        ("--wrap=id", "--wrap: is refused: a script cannot wrap another"),
        ("-M other", "--clusters: is refused: foedus chooses the cluster"),
        ("--export-file=/etc/environment", "--export-file: is refused: it names a file that only the submitting"),
        ("--priority=4000000000", "--priority: is refused: the site's Slurm sets priorities"),
        ("--nodelist=login1", "--nodelist: is refused: it names nodes of one site"),
        ("--container=/srv/root", "--container: is refused: it names a folder of one site"),
        ("--reboot", "--reboot: is refused: it would reboot a site's nodes"),
        ("--prolog=/tmp/x", "--prolog is not an option of sbatch"),
        ("--het-group=1", "--het-group is not an option of sbatch"),
        ("hetjob", "'hetjob' begins another component of a heterogeneous job, which Foedus does not run"),
        ("--time=1 : --time=2", "':' stands where an option should; remove it; Foedus runs no heterogeneous jobs"),
        ("--array=1;id", "--array: '1;id' is not an array index"),
        ("--job-name=$(id -u)", "-u is not an option of sbatch"),
        ("--chdir=../../other", "--chdir: '../../other' leads out of the job's folder"),
    ],
)
def test_a_smuggled_directive_is_refused_by_name(whole: Whole, line: str, words: str):
    """Abuse 2: options that would give another account, cluster, priority or component; in the script and beside it."""
    with whole.served.client("lead") as lead:
        before = len(list(lead.iter()))
        with pytest.raises(BadInput) as caught:
            lead.submit(f"#!/bin/sh\n#SBATCH {line}\n#FOEDUS project=shield\ntrue\n")
        assert words in str(caught.value)
        assert len(list(lead.iter())) == before


def test_directives_after_the_first_command_ask_for_nothing(whole: Whole):
    """Abuse 2: a second block of directives, where sbatch and Foedus both have stopped reading."""
    text = script("true", "#SBATCH --uid=0 --partition=owner", "id -u > uid", "#SBATCH --gpus=4", "cat uid")
    job, state, output = whole.run(text)
    with whole.served.client("lead") as lead:
        (attempt,) = lead.why(job).attempts
        assert (state, lead.get(job).gpus, attempt.site) == ("completed", 0, "jerusalem")
    assert output.strip().isdigit()


@pytest.mark.parametrize("option", ["--partition=owner", "--qos=high", "--account=boss", "--reservation=x"])
def test_what_the_site_decides_is_overruled_and_said_so(whole: Whole, option: str):
    """Abuse 2: a guest asks for the owners' partition, QOS, account or reservation."""
    with whole.served.client("lead") as lead:
        view = lead.submit(script("true", options=option))
        assert [notice.partition(" is not used")[0] for notice in view.notices] == [f"line 2: {option}"]
        lead.cancel([view.id])


BIDI = "safe\u202egnp.exe"


def test_names_cannot_steer_a_terminal_or_turn_text_around(whole: Whole):
    """Abuse 4: terminal escapes, HTML and bidirectional overrides in names and in what a job prints."""
    with whole.served.client("lead") as lead:
        with pytest.raises(BadInput, match="control character"):
            lead.submit(script("true"), overrides=["--job-name=a\x1b]0;owned\x07b"])
        lead.submit(script("true"), overrides=[f"--job-name={BIDI}<script>alert(1)</script>"])
    environment = {"FOEDUS_HUB": whole.served.url, "FOEDUS_TOKEN": whole.served.tokens["lead"]}
    shown = CliRunner().invoke(app, ["list", "--all"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "safe\\u202egnp.exe" in shown.stdout
    assert not {"\u202e", "\x1b", "\x07"}.intersection(shown.stdout)
