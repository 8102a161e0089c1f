"""The files in packaging/ fit the programs that they speak of: units, dashboard, alert rules."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from doc_pages import DOCS, ROOT
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from foedus.agent.desk import DeskView
from foedus.agent.figures import figures
from foedus.agent.folder import StateFolder
from foedus.cli.main import app
from foedus.core.base.instant import Instant
from foedus.hub.begin import begin
from foedus.hub.metrics import REQUESTS, exposition
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import build
from foedus.keys.examples import lay_out

PACKAGING = ROOT / "packaging"
UNITS = sorted(PACKAGING.glob("systemd/*"))
PROGRAM = "/opt/foedus/bin/foedus"
LIMITS = {"foedus-hub.service": 1.5, "foedus-agent.service": 3.5, "foedus-agent-metrics.service": 3.5}
"""Most exposure that `systemd-analyze security` may find, of 10."""
LABELS = {"site", "state", "stage", "method", "route", "status", "version", "step", "le"}
NAMED = re.compile(r"\bfoedus_[a-z_]+")


@pytest.fixture(scope="module")
def families(tmp_path_factory) -> dict:
    """Every family of both pages, of a hub with one site and of an agent."""
    folder = tmp_path_factory.mktemp("hub")
    laid_out = lay_out("caspian", folder / "agreement", sign=True)
    settings = HubSettings(state=folder / "hub")
    begin(settings, laid_out.agreement, "olga", "israel", key=laid_out.keys["hub"])
    hub = build(settings)
    REQUESTS.labels("GET", "/healthz", 200).inc()
    with hub.store.begin() as tx:
        tx.sites.enrol("baku", "ed25519:" + "0" * 64)
        tx.sites.saw("baku", Instant(1_000_000), None, draining=False)
    page = exposition(hub).decode()
    hub.store.close()
    view = DeskView(
        site="baku", hub="h", running=True, draining=False, severed=False, talking=True, beat=Instant(1_000), epoch=1,
        attempts=[], unheard_statuses=0, unheard_usages=0, steps={}, alarm="", refused="", trouble={},
    )  # fmt: skip
    page += figures(StateFolder(path=folder), view).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def series(families) -> set[str]:
    """Name every series that a query may ask for."""
    kinds = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {f"{name}{end}" for name, family in families.items() for end in kinds[family.type]}


def rules() -> list[dict]:
    groups = yaml.safe_load((PACKAGING / "prometheus" / "foedus.rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict]:
    return json.loads((PACKAGING / "grafana" / "foedus.json").read_text(encoding="utf-8"))["panels"]


def test_figures_have_help_and_few_labels(families):
    odd = [
        name
        for name, family in families.items()
        if not family.documentation.endswith(".")
        or not LABELS.issuperset(label for sample in family.samples for label in sample.labels)
        or (family.type == "histogram" and not name.endswith("_seconds"))
    ]

    assert odd == []
    assert {name for name in families if name.startswith("foedus_site_")} == {
        "foedus_site_enrolled", "foedus_site_last_contact_timestamp_seconds", "foedus_site_draining",
        "foedus_site_free_gpus",
    }  # fmt: skip


def test_every_site_and_state_is_there_even_where_nothing_is(families):
    found = {
        (sample.labels["site"], sample.labels["state"]): sample.value for sample in families["foedus_jobs"].samples
    }

    sites = ("jerusalem", "baku")
    assert found == {
        ("", "pending"): 0,
        **{(site, state): 0 for site in sites for state in ("bound", "starting", "running")},
    }


def test_the_dashboard_asks_for_what_there_is(families):
    asked = {name for panel in panels() for target in panel["targets"] for name in NAMED.findall(target["expr"])}

    assert sorted(asked - series(families)) == []
    assert len(asked) > 20
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_no_two_panels_lie_over_one_another():
    taken = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels())
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_alerts_ask_for_what_there_is_and_name_their_page(families):
    asked = {name for rule in rules() for name in NAMED.findall(rule["expr"])}
    page = (DOCS / "operations" / "README.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles}

    assert sorted(asked - series(families)) == []
    assert [rule["alert"] for rule in rules() if rule["annotations"]["runbook"] not in headings] == []
    assert {rule["labels"]["severity"] for rule in rules()} == {"critical", "warning", "info"}


@pytest.mark.parametrize("unit", [one for one in UNITS if "ExecStart" in one.read_text()], ids=lambda unit: unit.name)
def test_units_start_commands_that_there_are(unit):
    (words,) = [shlex.split(line.partition("=")[2]) for line in unit.read_text().splitlines() if "ExecStart=" in line]
    command = words[1:3]
    options = {word for word in words[3:] if word.startswith("--")}

    shown = CliRunner().invoke(app, [*command, "--help"]).output

    assert words[0] == PROGRAM
    assert options <= set(re.findall(r"--[a-z-]+", shown))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units_are_sound_and_hardened(tmp_path):
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    services = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *services], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

    found = {}
    for name in LIMITS:
        words = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(tmp_path / name)]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found[name] = float(re.search(r"exposure level for \S+: ([0-9.]+)", shown)[1])
    assert {name: level for name, level in found.items() if level > LIMITS[name]} == {}
