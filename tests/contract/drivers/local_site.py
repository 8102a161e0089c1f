"""A site of the local driver in a temporary folder, and the small words that its tests use."""

import os
import pwd
import time
from dataclasses import replace
from pathlib import Path

from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.base.instant import Instant
from foedus.core.base.units import Mebibytes, Seconds
from foedus.core.jobs.spec import JobSpec, Resources
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting
from foedus.drivers.local.driver import LocalDriver, build
from waiting import PATIENCE_S

ME = pwd.getpwuid(os.getuid()).pw_name
SMALL = Resources(memory_per_node=Mebibytes(64))


class Site:
    """One state folder, the driver that works on it now, and the attempts that were handed to it."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.settings = {
            "state": str(root / "state"),
            "nodes": {"cpus": 4, "memory_mib": 1024, "gpus": 4, "gpu_model": "A100"},
            "grace": 0.5,
            "poll": 0.1,
            **settings,
        }
        self.driver: LocalDriver = build(self.settings)
        self.closed = False

    def launch(self, job: str, body: str, *, resources: Resources = SMALL, guest: bool = False, **more) -> Launch:
        marker = Marker(alliance=AllianceId("pact"), job=JobId(job), attempt=1)
        folder = self.root / "attempts" / job
        (folder / "work").mkdir(parents=True, exist_ok=True)
        account = more.pop("account", ME)
        task = more.pop("task", None)
        script = body if body.startswith("#!") else f"#!/bin/bash\n{body}\n"
        spec = JobSpec(script=script, resources=resources, **more)
        return Launch(marker=marker, spec=spec, task=task, account=account, guest=guest, folder=folder)

    def run(self, job: str, body: str, **more) -> Launch:
        launch = self.launch(job, body, **more)
        self.driver.start(launch)
        return launch

    def look(self, launch: Launch) -> Sighting:
        return self.driver.look([ref(launch)])[launch.marker]

    def records(self, launch: Launch) -> tuple[Record, ...]:
        return self.driver.usage([ref(launch)])[launch.marker]

    def until(self, launch: Launch, phase: Phase, seconds: float = PATIENCE_S) -> Sighting:
        deadline = time.monotonic() + seconds
        while (seen := self.look(launch)).phase is not phase:
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        return seen

    def finished(self, launch: Launch, seconds: float = PATIENCE_S) -> Record:
        self.until(launch, Phase.ENDED, seconds)
        return self.records(launch)[-1]

    def output(self, launch: Launch) -> str:
        path = self.look(launch).stdout
        assert path is not None
        return path.read_text(encoding="utf-8")

    def restart_agent(self) -> None:
        self.driver.close()
        self.driver = build(self.settings)


def ref(launch: Launch) -> Ref:
    return Ref(marker=launch.marker, native_id=None, folder=launch.folder, since=Instant(0))


def limited(seconds: int) -> Resources:
    return replace(SMALL, time_limit=Seconds(seconds))
