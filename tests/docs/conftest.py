"""What the tests of the pages share: a trial alliance behind the address that the pages use."""

import getpass
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from console import Session
from doc_pages import PACKAGE

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
