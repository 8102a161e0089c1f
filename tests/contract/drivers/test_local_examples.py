"""The examples that come with the package: real training on real data, unchanged scripts, on the local driver."""

import json
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from local_site import Site

from foedus.core.base.ids import JobId
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import ArrayTask
from foedus.core.jobs.state import Outcome

EXAMPLES = Path(str(files("foedus"))) / "examples"
SCRIPTS = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/*.sbatch"))


def test_every_example_says_what_it_is_for():
    said = {name: parse((EXAMPLES / name).read_text()) for name in SCRIPTS}
    assert {name: (spec.project, spec.purpose, spec.datasets) for name, spec in said.items()} == {
        "cybersecurity/phishing.sbatch": ("phishing-watch", "finetune", ("web-phishing",)),
        "cybersecurity/pretrain.sbatch": ("phishing-watch", "pretrain", ("web-phishing",)),
        "digital-administration/digits.sbatch": ("form-reader", "explore", ("form-digits",)),
        "digital-administration/refused.sbatch": ("form-reader", "finetune", ("personal-register-2026",)),
        "urban-mobility/modes.sbatch": ("city-flows", "evaluate", ("travel-modes",)),
    }
    for name, spec in said.items():
        assert [path for path in spec.bundle if not (EXAMPLES / name).with_name(path).is_file()] == []


@pytest.mark.parametrize(
    ("name", "index", "metrics", "figure", "plausible"),
    [
        ("cybersecurity/phishing.sbatch", None, "metrics.json", "accuracy", (0.85, 0.97)),
        ("cybersecurity/pretrain.sbatch", None, "metrics.json", "explained", (0.1, 0.3)),
        ("digital-administration/digits.sbatch", 2, "metrics-2.json", "accuracy", (0.97, 0.999)),
        ("urban-mobility/modes.sbatch", None, "metrics.json", "accuracy", (0.6, 0.8)),
    ],
)
def test_an_example_learns_what_it_says(tmp_path, name, index, metrics, figure, plausible):  # noqa: PLR0917  a table
    nodes = {"cpus": 1, "memory_mib": 1024, "gpus": 1}
    site = Site(tmp_path, nodes=nodes, path=str(Path(sys.executable).parent), bind=False)
    spec = parse((EXAMPLES / name).read_text())
    task = None if index is None else ArrayTask(array=JobId("7"), index=index, count=4, lowest=0, highest=3, step=1)
    launch = site.launch("7", spec.script, resources=spec.resources, task=task, name=spec.name, output=spec.output)
    for path in spec.bundle:
        shutil.copy((EXAMPLES / name).with_name(path), launch.work / path)
    site.driver.start(launch)
    record = site.finished(launch, 200)
    assert record.outcome is Outcome.COMPLETED, site.output(launch)
    found = json.loads((launch.work / metrics).read_text())
    low, high = plausible
    assert low <= found[figure] <= high
    assert sorted(path.name for path in launch.work.glob("model.*")) != []
    site.driver.close()
