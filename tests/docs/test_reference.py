"""The reference is complete and up to date: every command, setting, variable, state, option and error is in it."""

import re
import subprocess
import sys

from doc_pages import DOCS, PACKAGE, ROOT
from typer.main import get_command

from foedus.agent.settings import AgentSettings
from foedus.cli.main import COMMANDS, app
from foedus.core.base import errors
from foedus.core.jobs.options import FOEDUS_OPTIONS, OPTIONS
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.drivers.local.settings import DriverTable, GuestTable, NodeTable
from foedus.drivers.slurm.settings import LaneSettings, Settings
from foedus.hub.errors import STATUS
from foedus.hub.settings import HubSettings

REFERENCE = DOCS / "reference"
VARIABLE = re.compile(r'"(FOEDUS_[A-Z_]*[A-Z])"')
COMMAND = re.compile(r"`foedus ([a-z][a-z -]*)")
INTERNAL = {"FOEDUS_ATTEMPT"}
"""Marks processes of the local driver; nobody sets it."""


def rows(page, heading=""):
    """Return the first cells of the tables below a heading."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    if heading:
        text = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def tree(error):
    return [error, *(below for one in error.__subclasses__() for below in tree(one))]


def command_names(words=()):
    """Name every command, with those above it."""
    command = get_command(app)
    for word in words:
        command = command.get_command(None, word)
    below = [name for name, entry in COMMANDS.items() if entry.group] if not words else getattr(command, "commands", ())
    return [one for name in below for one in [(*words, name), *command_names((*words, name))]]


def test_generated_parts_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_command_is_documented():
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ foedus (.+)$", text, re.MULTILINE)

    assert headings == [" ".join(words) for words in command_names()]


def test_every_setting_is_documented():
    assert rows("settings.md", "The hub") == list(HubSettings.model_fields)
    assert rows("settings.md", "An agent") == list(AgentSettings.model_fields)
    assert rows("settings.md", "The `slurm` driver") == [*Settings.__slots__, *LaneSettings.__slots__]
    tables = (DriverTable, NodeTable, GuestTable)
    assert rows("settings.md", "The `local` driver") == [name for table in tables for name in table.model_fields]


def test_every_setting_says_what_it_means():
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")

    assert re.findall(r"^\|.*\|\s*\|$", text, re.MULTILINE) == []


def test_every_variable_is_documented():
    read = {name for path in PACKAGE.rglob("*.py") for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}

    assert read - INTERNAL - {*rows("settings.md", "The command line")} == set()


def test_every_error_code_is_documented_and_has_a_status():
    codes = [error.code for error in tree(errors.FoedusError) if error.__module__ == errors.__name__][1:]

    assert rows("errors.md", "Error codes") == codes
    assert set(STATUS) == set(codes)


def test_every_state_is_documented():
    assert rows("states.md", "Of a job") == list(JobState)
    assert rows("states.md", "Of an attempt") == list(AttemptState)
    assert rows("states.md", "How an attempt ends") == list(Outcome)


def test_every_option_is_documented():
    documented = [name.removeprefix("--") for name in rows("sbatch.md") if name.startswith("--")]

    assert documented == [one.name for one in (*OPTIONS, *FOEDUS_OPTIONS)]


def test_messages_and_pages_name_commands_that_exist():
    known = {" ".join(words) for words in command_names()}
    wrong = set()
    sources = [*PACKAGE.rglob("*.py"), *DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "AGENTS.md"]
    for path in sources:
        for found in COMMAND.findall(path.read_text(encoding="utf-8")):
            words = found.split()
            group = words[0] in known and any(name.startswith(f"{words[0]} ") for name in known)
            name = " ".join(words[:2]) if group and len(words) > 1 else words[0]
            if name not in known | {"sbatch", "squeue", "scancel"}:
                wrong.add(f"{path.relative_to(ROOT)}: {name}")

    assert wrong == set()
