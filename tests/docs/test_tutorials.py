"""Each tutorial, run from its first line to its last."""

from pathlib import Path

import pytest
from console import blocks
from doc_pages import DOCS

from foedus.agent.settings import read_settings
from foedus.drivers.slurm.settings import LaneSettings, read

TUTORIALS = DOCS / "tutorials"


@pytest.mark.timeout(600)
def test_the_researchers(reader):
    assert reader.play(TUTORIALS / "researcher.md") == 22


@pytest.mark.timeout(600)
def test_the_site_operators(operator):
    assert operator.play(TUTORIALS / "site-operator.md") == 21


@pytest.mark.timeout(600)
def test_the_alliance_offices(office):
    assert office.play(TUTORIALS / "alliance-office.md") == 34


def test_the_settings_for_slurm_are_read(tmp_path):
    page = (TUTORIALS / "site-operator.md").read_text(encoding="utf-8")
    (text,) = [block.text for block in blocks(page) if 'kind = "slurm"' in block.text]
    (tmp_path / "agent.toml").write_text(text)

    settings = read_settings(tmp_path / "agent.toml")
    driver = read(settings.driver_settings)

    assert (settings.driver_kind, settings.work) == ("slurm", Path("/shared/foedus"))
    assert driver.owner == LaneSettings(partition="owner")
    assert driver.guest == LaneSettings(partition="guest", account="alliance", qos="guest")
