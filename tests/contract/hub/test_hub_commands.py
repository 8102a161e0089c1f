"""``foedus hub``, as scripts use it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foedus.cli.main import app
from foedus.core.base.errors import BadInput, Fault
from foedus.hub.settings import load
from foedus.keys import ed25519
from foedus.keys.examples import lay_out


def printed(*words: object) -> dict:
    done = CliRunner().invoke(app, ["hub", *map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_hub_is_begun_by_a_script(tmp_path: Path):
    laid_out = lay_out("caspian", tmp_path / "agreement", sign=True)
    state = ("--state", tmp_path / "hub")
    applied = printed("migrate", *state)["applied"]
    assert applied
    assert printed("migrate", *state) == {"applied": []}
    begun = printed(
        "init", *state, "--agreement", laid_out.agreement, "--office", "olga", "--partner", "israel",
        "--key", laid_out.keys["hub"],
    )  # fmt: skip
    assert (begun["alliance"], begun["version"], begun["token"]["user"]) == ("caspian", 1, "olga")
    assert begun["token"]["token"].startswith("fds_")
    assert printed("key", *state) == {"key": ed25519.load(laid_out.keys["hub"]).key}


def test_every_fault_of_the_settings_is_named(tmp_path: Path):
    file = tmp_path / "hub.toml"
    file.write_text('port = 70000\nwindow = "many"\ncolour = "red"\n')
    with pytest.raises(BadInput) as caught:
        load(file)
    assert {fault.path: fault.fault for fault in caught.value.faults} == {
        "port": "70000 is more than 65535",
        "window": "is not a whole number",
        "colour": "there is no such field",
    }


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "hub.toml"
    file.write_text("port = 1\nwindow = 2\n")
    monkeypatch.setenv("FOEDUS_HUB_WINDOW", "3")
    found = load(file, host="::1", database=None)
    assert (found.port, found.window, found.host, found.database) == (1, 3, "::1", "")


def test_a_file_that_is_no_toml(tmp_path: Path):
    file = tmp_path / "hub.toml"
    file.write_text("port\n")
    with pytest.raises(BadInput) as caught:
        load(file)
    (fault,) = caught.value.faults
    assert (fault.path, fault.remedy) == (str(file), "mend the line")
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "absent.toml")
    assert caught.value.faults == (
        Fault(
            path=str(tmp_path / "absent.toml"),
            fault="cannot be read (No such file or directory)",
            remedy="name the hub's settings",
        ),
    )
