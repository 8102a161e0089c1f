"""The local driver passes the suite of every driver, with real processes."""

import time
from dataclasses import replace

import pytest
from local_site import ME, Site

from foedus.core.base.instant import Instant
from foedus.core.base.units import Seconds
from foedus.drivers.conformance import CASES, Bench


class Impatient:
    """Shortens the time limit of a minute, the least that sbatch knows, to a second: this driver holds seconds."""

    def __init__(self, driver):
        self.start_whole = driver.start
        self.source, self.look = driver.source, driver.look
        self.stop, self.signal = driver.stop, driver.signal
        self.usage, self.capacity = driver.usage, driver.capacity

    def start(self, launch):
        asked = launch.spec.resources
        if asked.time_limit == 60:
            asked = replace(asked, time_limit=Seconds(1))
        return self.start_whole(replace(launch, spec=replace(launch.spec, resources=asked)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_conforms(case, tmp_path):
    nodes = {"count": 2, "cpus": 4, "memory_mib": 1024, "gpus": 2, "gpu_model": "a100"}
    site = Site(tmp_path, nodes=nodes, guest={})

    def folder(name: str):
        made = tmp_path / "attempts" / name
        (made / "work").mkdir(parents=True)
        return made

    case(
        Bench(
            driver=Impatient(site.driver),
            account=ME,
            folder=folder,
            now=lambda: Instant(round(time.time() * 1000)),
            pause=time.sleep,
        )
    )
    site.driver.close()
