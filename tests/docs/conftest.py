"""What the tests of the pages share: a trial alliance behind the address that the pages use."""

import shutil
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
