"""The runbook, run from its first line to its last; and the commands of all pages that are not run exist."""

import re
import shlex

import pytest
from console import blocks
from doc_pages import DOCS, PAGES, ROOT
from typer.testing import CliRunner

from foedus.cli.main import app


@pytest.mark.timeout(600)
def test_the_runbook(machines):
    assert machines.play(DOCS / "operations" / "README.md") == 24


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_are_not_run_exist(page):
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(text) if block.language == "sh" for line in block.text.splitlines()]
    spoken = re.findall(r"`((?:sudo -u \S+ )?foedus [a-z][^`]*)`", text)
    wrong = [line for line in (*lines, *spoken) if not _is_known(line)]

    assert wrong == []


def _is_known(line: str) -> bool:
    """Say whether each `foedus` command of a line, and each option that it names, is there."""
    found = line.partition("foedus ")[2]
    if not found or "$(" in line.partition("foedus ")[0]:
        return True
    words = shlex.split(found, comments=True)
    command = []
    for word in words:
        if not re.fullmatch(r"[a-z]+", word) or CliRunner().invoke(app, [*command, word, "--help"]).exit_code:
            break
        command.append(word)
    help_page = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output
    if command in (["run"], ["submit"]):
        return True  # they take sbatch's options, which other tests read
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return bool(command) and options <= {*re.findall(r"--[a-z][a-z-]*", help_page), "--profile"}
