"""Drivers that need no cluster pass the shared suite, which real ones pass under ``tests/live``."""

import os
import pwd
import time
from dataclasses import replace

import pytest

from foedus.core.base.instant import Instant
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.spread import NodeGroup
from foedus.drivers.conformance import CASES, Bench
from foedus.drivers.fake import FakeDriver
from foedus.drivers.local.driver import build


class HandClock:
    def __init__(self):
        self.at = Instant(1_800_000_000_000)

    def now(self):
        return self.at

    def move(self, seconds):
        self.at = Instant(self.at + round(seconds * 1000))


def fake(folder):
    clock = HandClock()
    node = NodeGroup(count=1, cpus=8, memory=Mebibytes(16000), gpus=4, gpu_model="a100")
    yield Bench(
        driver=FakeDriver(clock, node=node),
        account="nobody",
        folder=folder,
        now=clock.now,
        pause=lambda seconds: clock.move(max(seconds, 0.5)),
        patience=1000,
    )


def one_second(launch):
    resources = replace(launch.spec.resources, time_limit=Seconds(1))
    return replace(launch, spec=replace(launch.spec, resources=resources))


def local(folder):
    site = {
        "state": str(folder("site")),
        "nodes": {"cpus": 4, "memory_mib": 4096, "gpus": 2, "gpu_model": "a100"},
        "guest": {},
        "grace": 0.5,
        "poll": 0.1,
    }
    driver = build(site)
    yield Bench(
        driver=driver,
        account=pwd.getpwuid(os.getuid()).pw_name,
        folder=folder,
        now=lambda: Instant(int(time.time() * 1000)),
        pause=time.sleep,
        shorten=one_second,
    )
    driver.close()


@pytest.fixture(params=[fake, local], ids=lambda kind: kind.__name__)
def bench(request, tmp_path):
    def folder(name):
        (tmp_path / name / "work").mkdir(parents=True)
        return tmp_path / name

    yield from request.param(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_conforms(case, bench):
    case(bench)
