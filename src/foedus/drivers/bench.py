"""What the conformance cases of a driver run on: a cluster with everything that they need to use it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from foedus.core.base.ids import AllianceId, JobId, Marker
from foedus.core.base.instant import Instant
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import ArrayTask
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting, SiteDriver

ALLIANCE = AllianceId("conformance")
_SOON = 0.05
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Nonconforming(AssertionError):
    """The driver broke the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A driver on an idle cluster with an owner lane, and what the cases need to use it."""

    driver: SiteDriver
    account: str
    """Local account that the jobs run as."""
    folder: Callable[[str], Path]
    """Makes an attempt's folder of this name, with its ``work``; both belong to `account`."""
    now: Callable[[], Instant]
    pause: Callable[[float], None]
    """Lets that many seconds pass (or makes a fake clock move)."""
    patience: float = 30.0
    """Seconds within which the cluster does anything that it is asked for."""
    shorten: Callable[[Launch], Launch] = lambda launch: launch
    """Gives a launch, whose time limit is a minute, the shortest one that the cluster can hold."""
    hurry: Callable[[str], None] = lambda _native_id: None
    """Makes the time limit of a running job come soon, by its native id, where it cannot be shortened before."""

    def launch(
        self,
        job: str,
        *lines: str,
        guest: bool = False,
        task: ArrayTask | None = None,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] = _NOTHING,
    ) -> Launch:
        """Prepare an attempt whose script has these lines."""
        return Launch(
            marker=Marker(alliance=ALLIANCE, job=JobId(job), attempt=1),
            spec=parse("\n".join(("#!/bin/bash", *lines, "")), (), arguments, environment),
            task=task,
            account=self.account,
            guest=guest,
            folder=self.folder(job),
        )

    def start(self, launch: Launch) -> Ref:
        """Start an attempt and return what an agent would remember."""
        since = self.now()
        native_id = self.driver.start(launch)
        return Ref(marker=launch.marker, native_id=native_id, folder=launch.folder, since=since)

    def run(self, job: str, *lines: str) -> Ref:
        """Prepare and start an owner's plain attempt."""
        return self.start(self.launch(job, *lines))

    def look(self, ref: Ref) -> Sighting:
        """Look at one attempt."""
        return self.driver.look([ref])[ref.marker]

    def until(self, ref: Ref, *phases: Phase) -> Sighting:
        """Wait for one of these phases."""
        left = self.patience
        while (seen := self.look(ref)).phase not in phases:
            if left <= 0:
                raise Nonconforming(f"not {' or '.join(phases)} within {self.patience:g} s: {seen}")
            self.pause(_SOON)
            left -= _SOON
        return seen

    def record(self, ref: Ref) -> Record:
        """Wait for the end and return the only record."""
        self.until(ref, Phase.ENDED)
        found = self.driver.usage([ref])[ref.marker]
        same(len(found), 1, "number of records of a job that ran once")
        return found[0]


def same(found: object, wanted: object, what: str) -> None:
    """Raise `Nonconforming` unless two things are equal."""
    if found != wanted:
        raise Nonconforming(f"{what}: {found!r}, not {wanted!r}")


def text_of(path: Path | None) -> str:
    """Read what a job has written."""
    if path is None:
        raise Nonconforming("an ended job has no path of its output")
    return path.read_text(encoding="utf-8")
