"""A driver on one cluster of the bed, and the small words that its tests use."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from slurm_bed import SlurmBed

from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.base.instant import Instant
from foedus.core.jobs.sbatch import parse
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting
from foedus.drivers.slurm.driver import build
from waiting import PATIENCE_S

PERSON = {"jerusalem": "alice", "baku": "leyla"}
_NUMBERS = count(1000)


class Site:
    """One cluster, its driver, and the attempts that were handed to it."""

    def __init__(self, bed: SlurmBed, name: str) -> None:
        self.bed = bed
        self.name = name
        self.cluster = bed.clusters[name]
        self.person = PERSON[name]
        self.account = self.cluster.people[self.person]
        self.driver = build(self.cluster.settings)
        self.model = self.cluster.gpu_model

    def launch(self, *lines: str, guest: bool = False, person: str = "", **more) -> Launch:
        person = person or self.person
        job = next(_NUMBERS)
        marker = Marker(alliance=AllianceId("pact"), job=JobId(str(job)), attempt=1)
        folder = self.bed.attempt_folder(self.name, person, f"{job}-1")
        spec = parse("\n".join(("#!/bin/bash", *lines, "")), **more)
        account = self.cluster.people[person]
        return Launch(marker=marker, spec=spec, task=None, account=account, guest=guest, folder=folder)

    def start(self, launch: Launch) -> Ref:
        since = Instant(int(time.time() * 1000))
        native_id = self.driver.start(launch)
        return Ref(marker=launch.marker, native_id=native_id, folder=launch.folder, since=since)

    def run(self, *lines: str, **more) -> Ref:
        return self.start(self.launch(*lines, **more))

    def look(self, ref: Ref) -> Sighting:
        return self.driver.look([ref])[ref.marker]

    def until(self, ref: Ref, phase: Phase, seconds: float = PATIENCE_S) -> Sighting:
        deadline = time.monotonic() + seconds
        while (seen := self.look(ref)).phase is not phase:
            assert time.monotonic() < deadline, seen
            time.sleep(0.1)
        return seen

    def records(self, ref: Ref) -> tuple[Record, ...]:
        return self.driver.usage([ref])[ref.marker]

    def finished(self, ref: Ref) -> Record:
        self.until(ref, Phase.ENDED)
        return self.records(ref)[-1]

    def output(self, ref: Ref) -> str:
        self.finished(ref)
        path = self.look(ref).stdout
        assert path is not None
        return path.read_text(encoding="utf-8")

    def scontrol(self, *words: str) -> None:
        self.bed.run(self.name, "scontrol", *words)

    def rows(self, ref: Ref, *fields: str) -> list[list[str]]:
        """What plain sacct says, one list for each run."""
        words = ("-X", "-n", "-P", "-D", "-S", "1970-01-01", f"--jobs={ref.native_id}", f"--format={','.join(fields)}")
        return [line.split("|") for line in self.bed.run(self.name, "sacct", *words).splitlines()]


def doubt(ref: Ref) -> Ref:
    return replace(ref, native_id=None)


def work(ref: Ref) -> Path:
    return ref.folder / "work"
