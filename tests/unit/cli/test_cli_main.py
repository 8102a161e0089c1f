import json
import subprocess
import sys

import httpx2
import pytest

from foedus.cli.errors import EXITS, close, exit_of, lines
from foedus.cli.exits import Exit
from foedus.cli.main import COMMANDS
from foedus.core.base.errors import BadInput, Broken, Fault, FoedusError, NotFound


def test_help_names_every_command_and_imports_none():
    code = (
        "import sys\n"
        "from foedus.cli.main import main\n"
        "sys.argv = ['foedus', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as done:\n    assert done.code == 0, done.code\n"
        "heavy = ('httpx2', 'pydantic', 'rich', 'sqlalchemy', 'fastapi', 'cedarpy', 'cryptography', 'pyarrow')\n"
        "found = [name for name in heavy if name in sys.modules]\n"
        "ours = [name for name in sys.modules if name.startswith(('foedus.client', 'foedus.wire', 'foedus.hub'))]\n"
        "assert not found + ours, found + ours\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.strip()]
    for name, entry in COMMANDS.items():
        assert (name in shown) == bool(entry.group), name
    assert "Jobs:\n  submit" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page_of_its_own(foedus, name):
    done = foedus(name, "--help")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Usage: foedus {name}")


def test_version(foedus):
    assert foedus("--version").stdout == "foedus 0.1.0\n"


def test_a_typing_error_gets_a_suggestion(foedus):
    done = foedus("stauts")
    assert done.exit_code == Exit.USAGE
    assert "Did you mean 'status'" in done.stderr


def test_bad_input_shows_every_fault_on_its_line(foedus, hub):
    faults = [{"path": "state", "fault": "is odd", "remedy": "mend it"}, {"path": "x", "fault": "y", "remedy": "z"}]
    hub.routes["GET /jobs"] = httpx2.Response(422, json={"code": "bad-input", "message": "", "faults": faults})
    done = foedus("list")
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert done.stderr == "error: state: is odd\n       mend it\nerror: x: y\n       z\n"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "not-authenticated", Exit.NOT_ALLOWED),
        (403, "not-allowed", Exit.NOT_ALLOWED),
        (404, "not-found", Exit.NOT_FOUND),
        (409, "conflict", Exit.REFUSED),
        (413, "too-large", Exit.REFUSED),
        (422, "scheduler-refused", Exit.REFUSED),
        (502, "site-trouble", Exit.UNREACHABLE),
        (503, "unreachable", Exit.UNREACHABLE),
        (500, "broken", Exit.BROKEN),
        (500, "unheard-of", Exit.FAILED),
    ],
)
def test_an_error_has_its_exit_code_and_its_remedy(foedus, hub, status, code, expected):
    hub.routes["GET /whoami"] = httpx2.Response(
        status, json={"code": code, "message": "what happened", "remedy": "do this", "request": "r1"}
    )
    done = foedus("whoami")
    assert (done.exit_code, done.stdout) == (expected, "")
    assert done.stderr == "error: what happened\n       do this\n       (request r1)\n"


def test_with_json_an_error_is_json(foedus, hub):
    hub.routes["GET /whoami"] = httpx2.Response(403, json={"code": "not-allowed", "message": "no"})
    done = foedus("whoami", "--json")
    assert done.exit_code == Exit.NOT_ALLOWED
    assert json.loads(done.stdout) == {
        "code": "not-allowed",
        "message": "no",
        "remedy": "",
        "retryable": False,
        "faults": [],
        "request": "",
    }


def test_no_answer_is_unreachable(foedus, hub):
    hub.routes["GET /whoami"] = httpx2.ConnectError("refused")
    done = foedus("whoami")
    assert done.exit_code == Exit.UNREACHABLE
    assert done.stderr.startswith("error: no answer from http://127.0.0.1:1: the connection failed (refused)\n")


def test_a_bug_shows_no_traceback(foedus, hub, monkeypatch):
    monkeypatch.setattr("foedus.client.sync.Client.whoami", lambda self: 1 / 0)
    done = foedus("whoami")
    assert done.exit_code == Exit.BROKEN
    assert done.stderr.startswith("error: ZeroDivisionError: division by zero\n")
    monkeypatch.setenv("FOEDUS_DEBUG", "1")
    assert isinstance(foedus("whoami").exception, ZeroDivisionError)


def test_messages_of_a_hub_cannot_steer_the_terminal():
    error = NotFound("no \x1b]0;owned\x07job", remedy="look\u202eagain")
    assert lines(error) == ["error: no \\x1b]0;owned\\x07job", "       look\\u202eagain"]


def test_every_error_of_the_tree_has_a_code_of_its_own_kind():
    assert [exit_of(kind()) for kind, _ in EXITS] == [code for _, code in EXITS]
    assert exit_of(FoedusError("x")) is Exit.FAILED


def test_a_file_that_cannot_be_used_is_bad_input():
    error = close(FileNotFoundError(2, "No such file or directory", "train.sbatch"))
    fault = Fault(path="train.sbatch", fault="no such file or directory", remedy="check the path and your rights to it")
    assert isinstance(error, BadInput)
    assert error.faults == (fault,)
    assert isinstance(close(OSError(28, "No space left")), Broken)
