"""Writes the generated parts of ``docs/reference`` from the code that they speak of.

A part stands between ``<!-- begin NAME -->`` and ``<!-- end -->``; the prose around it is written by hand.
``python docs/generate.py`` writes the parts anew. With ``--check`` it only says which pages differ, and ends with 1 if
any do.
"""  # noqa: INP001 - a program, not a package

import ast
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from foedus.agent import settings as agent_settings
from foedus.cli import exits
from foedus.cli.errors import exit_of
from foedus.cli.main import COMMANDS, app
from foedus.core.agreement import admit
from foedus.core.base import errors
from foedus.core.base.errors import FoedusError
from foedus.core.jobs import options, state
from foedus.core.jobs.options import FOEDUS_OPTIONS, OPTIONS, Handling, Option
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import MOVES, AttemptState, JobState, Move, Outcome, target
from foedus.drivers.local import settings as local_settings
from foedus.drivers.slurm import settings as slurm_settings
from foedus.hub import settings as hub_settings
from foedus.hub.app import create_app
from foedus.hub.errors import STATUS
from foedus.hub.keys import HubKeys
from foedus.hub.wiring import build

REFERENCE = Path(__file__).parent / "reference"
PART = re.compile(r"(<!-- begin ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
TERMINAL = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
"""Help pages must not depend on where this runs."""


def commands() -> str:
    """Show every command's help page."""
    return "\n\n".join(page for name, entry in COMMANDS.items() if entry.group for page in _help_pages((name,)))


def _help_pages(words: tuple[str, ...]) -> Iterator[str]:
    """Give the help of a command, then that of the commands below it."""
    found = CliRunner().invoke(app, [*words, "--help"], prog_name="foedus")
    if found.exit_code:
        raise RuntimeError(f"foedus {' '.join(words)} --help: {found.output}")
    yield f"{'#' * (len(words) + 1)} foedus {' '.join(words)}"
    page = "\n".join(line.rstrip() for line in found.output.strip().splitlines())
    yield f"```text\n{page}\n```"
    for name in subcommands(words):
        yield from _help_pages((*words, name))


def subcommands(words: tuple[str, ...]) -> tuple[str, ...]:
    """Name the commands below a command."""
    command: Any = get_command(app)
    for word in words:
        command = command.get_command(None, word)
    return tuple(getattr(command, "commands", ()))


def fields(module: ModuleType, name: str) -> Callable[[], str]:
    """Make a table of the fields of a settings class: each has a docstring below it."""

    def table() -> str:
        rows = [
            (f"`{field.target.id}`", _default(module, field), text)
            for field, text in _documented(module, name)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        ]
        return _table(("setting", "default", "meaning"), rows)

    return table


def _documented(module: ModuleType, name: str) -> list[tuple[ast.stmt, str]]:
    """Pair the statements of a class with the docstrings below them, empty where there is none."""
    (body,) = [
        node.body
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return [(field, _docstring(below)) for field, below in zip(body, [*body[1:], None], strict=True)]


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split()).replace("``", "`")
    return ""


def _default(module: ModuleType, field: ast.AnnAssign) -> str:
    value = field.value
    if isinstance(value, ast.Call):
        given = {word.arg: word.value for word in value.keywords}
        found = [*value.args[:1], *([given["default"]] if "default" in given else [])]
        value = found[0] if found else ast.Constant(value="") if "default_factory" in given else None
    if value is None:
        return "-" if ast.unparse(field.annotation).endswith("| None") else "required"
    if isinstance(value, ast.Constant | ast.Tuple) and ast.unparse(value) in {"None", "''", "()"}:
        return "-"
    # defaults are constants, products of constants, or names of constants of their module
    known = eval(compile(ast.Expression(body=value), "default", "eval"), vars(module))  # noqa: S307
    return f"`{str(known).lower() if isinstance(known, bool) else known}`"


def error_codes() -> str:
    """Show the error tree."""
    rows = [
        (
            f"`{error.code}`",
            (error.__doc__ or "").strip(),
            "yes" if error.retryable else "no",
            str(STATUS[error.code].value),
            str(exit_of(error()).value),
        )
        for error in tree(FoedusError)
    ]
    return _table(("code", "meaning", "try again?", "HTTP", "exit code"), rows)


def tree(root: type[FoedusError]) -> Iterator[type[FoedusError]]:
    """Walk the errors below one, each before those below it."""
    for error in root.__subclasses__():
        if error.__module__ == errors.__name__:
            yield error
            yield from tree(error)


def moves() -> str:
    """Show the moves of a job."""
    rows = [(f"`{move}`", _names(one for one in JobState if one in MOVES[move]), _names(ends(move))) for move in Move]
    return _table(("move", "from", "to"), rows)


def _names(states: Iterable[JobState]) -> str:
    return ", ".join(f"`{one}`" for one in states)


def ends(move: Move) -> list[JobState]:
    """Say where a move leads, in the order of the states."""
    found = {target(move, outcome) for outcome in Outcome} if move is Move.END else {target(move)}
    return [one for one in JobState if one in found]


def diagram() -> str:
    """Draw the moves; the states in which an attempt's end leaves a job are one node."""
    over = set(ends(Move.END))

    def node(one: JobState) -> str:
        return "ended" if one in over else one.value

    arrows = [
        f"  {node(start)} --> {'cancelled' if move is Move.CANCEL else node(ends(move)[0])}: {move}"
        for move in Move
        for start in JobState
        if start in MOVES[move]
    ]
    lines = [
        "stateDiagram-v2",
        "  [*] --> pending: admitted",
        "  [*] --> refused: not admitted",
        *dict.fromkeys(arrows),
    ]
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def outcomes() -> str:
    """Show how attempts end."""
    of_jobs = {one.value: text for one, text in _members(state, JobState)}
    rows = [
        (f"`{one}`", text or of_jobs[one.value], f"`{target(Move.END, one)}`") for one, text in _members(state, Outcome)
    ]
    return _table(("outcome", "meaning", "the job's state, if the site does not queue it again"), rows)


def members(module: ModuleType, enum: type[Any]) -> Callable[[], str]:
    """Make a table of an enumeration: each member has a docstring below it."""
    return lambda: _table(("name", "meaning"), [(f"`{one}`", text) for one, text in _members(module, enum)])


def exit_codes() -> str:
    """Show the exit codes."""
    return _table(("code", "meaning"), [(str(one.value), text) for one, text in _members(exits, exits.Exit)])


def _members(module: ModuleType, enum: type[Any]) -> list[tuple[Any, str]]:
    texts = {
        field.targets[0].id: text
        for field, text in _documented(module, enum.__name__)
        if isinstance(field, ast.Assign) and isinstance(field.targets[0], ast.Name)
    }
    return [(one, texts[one.name]) for one in enum]


def sbatch_options() -> str:
    """Show every option of sbatch."""
    return _table(("option", "handling", "what it does here"), [_option(one) for one in OPTIONS])


def _option(option: Option) -> tuple[str, str, str]:
    names = f"`--{option.name}`" + (f", `-{option.short}`" if option.short else "")
    remedy = f" Instead: {option.remedy}." if option.remedy else ""
    return names, option.handling.value, option.why + remedy


def own_options() -> str:
    """Show the options of Foedus."""
    return _table(("option", "what it says"), [(f"`--{one.name}`", one.why) for one in FOEDUS_OPTIONS])


def purposes() -> str:
    """Name the purposes."""
    return ", ".join(f"`{one}`" for one in Purpose)


def routes() -> str:
    """Show the routes of the API, as its own description has them."""
    with tempfile.TemporaryDirectory() as folder:
        settings = hub_settings.HubSettings(state=Path(folder))
        HubKeys(settings.state).make()
        hub = build(settings)
        described = create_app(hub).openapi()
        hub.store.close()
    rows = [
        (f"`{method.upper()}`", f"`{path}`", _first_line(route))
        for path, found in described["paths"].items()
        for method, route in found.items()
    ]
    return _table(("method", "path", "what it does"), rows)


def _first_line(route: dict[str, str]) -> str:
    """Say what a route does: the first line of its docstring, or the title of one that has none."""
    return route.get("description", route["summary"]).partition("\n")[0]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "hub-settings": fields(hub_settings, "HubSettings"),
    "agent-settings": fields(agent_settings, "AgentSettings"),
    "slurm-settings": fields(slurm_settings, "Settings"),
    "slurm-lanes": fields(slurm_settings, "LaneSettings"),
    "local-settings": fields(local_settings, "DriverTable"),
    "local-nodes": fields(local_settings, "NodeTable"),
    "local-guests": fields(local_settings, "GuestTable"),
    "error-codes": error_codes,
    "refusals": members(admit, admit.ReasonCode),
    "exit-codes": exit_codes,
    "job-states": members(state, JobState),
    "moves": moves,
    "diagram": diagram,
    "attempt-states": members(state, AttemptState),
    "outcomes": outcomes,
    "handlings": members(options, Handling),
    "sbatch-options": sbatch_options,
    "own-options": own_options,
    "purposes": purposes,
    "routes": routes,
}
"""Every generated part."""


def filled(page: str) -> str:
    """Write the parts of a page anew."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[4]}", page)


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them."""
    os.environ.update(TERMINAL)
    check = "--check" in arguments
    stale: list[Path] = []
    for place in sorted(REFERENCE.glob("*.md")):
        found = place.read_text(encoding="utf-8")
        text = filled(found)
        if text != found:
            stale.append(place)
            if not check:
                place.write_text(text, encoding="utf-8")
    for place in stale:
        sys.stdout.write(f"{place.name}: {'differs; run `make docs`' if check else 'written'}\n")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
