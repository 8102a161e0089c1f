"""What the tests of the pages share: a trial alliance behind the address that the pages use."""

import getpass
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from console import Session
from doc_pages import PACKAGE

from foedus.cli.session import Login, keep_login
from foedus.cli.trial import demo
from foedus.cli.trial.alliance import Alliance

HUB = "https://hub.example.org"


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    """The demo's alliance, with both sites up."""
    folder = tmp_path / "alliance"
    folder.mkdir()
    trial = demo.alliance(folder)
    try:
        demo.start(trial, lambda _: None)
        yield trial
    finally:
        trial.stop()


@pytest.fixture
def reader(alliance: Alliance, tmp_path: Path) -> Iterator[Session]:
    """A session of dana, whose home has the examples, the agreement, and her token in a file."""
    home = tmp_path / "home"
    shutil.copytree(PACKAGE / "examples", home, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(alliance.agreement, home / "agreement.toml")
    (home / "token").write_text(f"{alliance.token('dana')}\n", encoding="ascii")
    with alliance.client("office") as office:
        office.add_member("form-reader", "dana", role="member")
    with Session(home=home, replaced={HUB: alliance.url}) as session:
        yield session


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Session]:
    """A session of baku's operator: the hub is up, the site has not joined, and its partner's key is at hand."""
    folder = tmp_path / "alliance"
    folder.mkdir()
    trial = demo.alliance(folder)
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    try:
        trial.found()
        trial.start_hub()
        with trial.client("office") as office:
            office.add_user("rashad", partner="azerbaijan", role="operator")
            (home / "token").write_text(office.create_token(user="rashad", scope="manage").token + "\n")
        trial.add_user("aysel", "azerbaijan")
        trial.open_project("city-flows", title="How people travel", sector="urban-mobility", lead="aysel", gpu_hours=9)
        (home / "aysel.token").write_text(trial.token("aysel") + "\n")
        shutil.copy(trial.agreement, home)
        shutil.copy(folder / "keys" / "azerbaijan.pem", home / "keys")
        with Session(home=home, replaced={HUB: trial.url, "siteuser": getpass.getuser()}) as session:
            yield session
    finally:
        trial.stop()


SYSTEMCTL = """systemctl() {
  case "$1 $2" in
    "start foedus-hub") foedus hub serve --config HUB_TOML > hub.log 2>&1 & hub_pid=$! ;;
    "start foedus-agent") foedus agent run --state STATE --config AGENT_TOML > agent.log 2>&1 & agent_pid=$! ;;
    "stop foedus-hub") kill $hub_pid; wait $hub_pid; true ;;
    "stop foedus-agent") kill $agent_pid; wait $agent_pid; true ;;
    *) return 1 ;;
  esac
}"""
"""What the units of packaging/systemd come to, as children of the session's shell."""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Session]:
    """A session on the machines of a hub and of a site that is enrolled; neither runs yet."""
    folder = tmp_path / "alliance"
    folder.mkdir()
    trial = demo.alliance(folder)
    home = tmp_path / "home"
    home.mkdir()
    try:
        trial.found()
        trial.start_hub()
        trial.enrol_site("baku")
        trial.add_user("aysel", "azerbaijan")
        trial.open_project("city-flows", title="How people travel", sector="urban-mobility", lead="aysel", gpu_hours=9)
        shutil.copy(trial.agreement, home)
        trial.hub.stop()
        paths = {
            HUB: trial.url,
            "/etc/foedus/hub.toml": str(folder / "hub.toml"),
            "/etc/foedus/agent.toml": str(folder / "baku" / "agent.toml"),
            "/var/lib/foedus-hub": str(folder / "hub"),
            "/var/lib/foedus-agent": str(folder / "baku" / "state"),
        }
        port = trial.url.rpartition(":")[2]
        (folder / "hub.toml").write_text(f'state = "{folder / "hub"}"\nport = {port}\n', encoding="utf-8")
        for profile, user in (("default", "office"), ("aysel", "aysel")):
            keep_login(
                home / ".config" / "foedus" / "config.toml", profile, Login(hub=trial.url, token=trial.token(user))
            )
        with Session(home=home, replaced=paths) as session:
            words = {"HUB_TOML": "hub.toml", "AGENT_TOML": "agent.toml"}
            script = SYSTEMCTL.replace("STATE", "/var/lib/foedus-agent")
            for name, file in words.items():
                script = script.replace(name, f"/etc/foedus/{file}")
            session.run(script)
            yield session
    finally:
        trial.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Session]:
    """A session in an empty home, with a free port in the place of the usual one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Session(
        home=tmp_path, replaced={"127.0.0.1:8000": f"127.0.0.1:{port}", "port 8000": f"port {port}"}
    ) as session:
        yield session
