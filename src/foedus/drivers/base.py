"""The contract between an agent and its cluster. Each driver passes the suite in `foedus.drivers.conformance`.

A driver is found by the entry point group ``foedus.drivers``: a callable ``build(settings) -> SiteDriver`` that takes
a mapping of plain values (the ``[driver]`` table of the agent's settings).

Meaning of failure, for every method: `SiteTrouble` says that nothing is known (the command may or may not have had its
effect), so the agent changes no state and looks again; `SchedulerRefused` says that the cluster said no and will say
no again. No native error leaves a driver.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from foedus.core.base.checkup import Finding
from foedus.core.base.ids import Marker
from foedus.core.base.instant import Instant
from foedus.core.base.units import CpuSeconds, GpuSeconds, Joules, Mebibytes, Seconds
from foedus.core.jobs.signals import EndSignal
from foedus.core.jobs.spec import ArrayTask, JobSpec
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.usage import EnergyMethod
from foedus.core.placement.capacity import Capacity

NO_MEMORY = Mebibytes(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One attempt, ready to be handed to the cluster."""

    marker: Marker
    spec: JobSpec
    task: ArrayTask | None
    """Set for a task of an array: the driver starts this one task, with its ``SLURM_ARRAY_*`` variables."""
    account: str
    """Local account that the job runs as; the driver switches to it."""
    guest: bool
    """Owners go to the owner partition or QOS, guests to the preemptible one."""
    folder: Path
    """The attempt's own folder; exists, belongs to `account`. The job's working directory is ``folder / "work"``."""
    restarts: int = 0
    """How many earlier attempts of the job have run, here or elsewhere: it begins with ``SLURM_RESTART_COUNT`` of that
    number, as after a requeue."""

    @property
    def work(self) -> Path:
        """Where the job starts: the bundle is unpacked here, relative paths begin here."""
        return self.folder / "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """What an agent knows of an attempt when it asks about it."""

    marker: Marker
    native_id: str | None
    """`None` in doubt: the intent was written, the answer was not. The driver searches by marker and folder."""
    folder: Path
    since: Instant
    """When the intent was written: how far back a search has to go."""


class Phase(StrEnum):
    """What the cluster says of an attempt."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    """It will not run (again) and its record is complete: `SiteDriver.usage` has it."""
    UNKNOWN = "unknown"
    """Every source answered and none knows it. Never success, never failure: a third answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One attempt as the cluster shows it."""

    phase: Phase
    native_id: str = ""
    restarts: int = 0
    """How often the cluster itself queued it again: each is an attempt of its own."""
    native_state: str = ""
    """The cluster's own word, for the user."""
    reason: str = ""
    """Why it waits or ended, in the cluster's words."""
    started: Instant | None = None
    """Start of the newest restart."""
    forgotten: bool = False
    """Only the accounting knows it, and has no end of it: the scheduler is about to tell that, or has lost the job."""
    stdout: Path | None = None
    """Where its output goes; the same file as `stderr` unless the script separates them."""
    stderr: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one restart used, in the cluster's own accounting; ``restart`` 0 is the first run."""

    restart: int
    native_id: str
    outcome: Outcome
    exit_code: int
    signal: int
    submitted: Instant
    started: Instant | None
    ended: Instant
    elapsed: Seconds
    nodes: int
    cpus: int
    cpu_seconds: CpuSeconds
    gpus: Mapping[str, int] = field(default_factory=dict[str, int])
    gpu_seconds: Mapping[str, GpuSeconds] = field(default_factory=dict[str, GpuSeconds])
    memory: Mebibytes = NO_MEMORY
    energy: Joules | None = None
    energy_method: EnergyMethod | None = None
    node_names: str = ""


class SiteDriver(Protocol):
    """A cluster, seen by its agent. Methods block; the agent calls them from several threads, `start` too."""

    @property
    def source(self) -> str:
        """Name of the accounting behind `usage`, as the ledger shows it."""
        ...

    @property
    def revives(self) -> bool:
        """Whether an attempt that has ended may live again here, as when an operator of Slurm queues it again."""
        ...

    def start(self, launch: Launch) -> str:
        """Hand one attempt to the cluster and return its native id.

        Raises `SchedulerRefused` with the scheduler's words, or `SiteTrouble`, after which the attempt may exist.
        """
        ...

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Say where every attempt is, in one pass over the cluster; the answer has every marker that was asked for.

        Raises `SiteTrouble` if any source that is needed for a true answer failed.
        """
        ...

    def stop(self, ref: Ref) -> None:
        """End an attempt, waiting or running, and all its processes. One that is over already is no error."""
        ...

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Send a running attempt the signal that asks it to save and to end; it may take its time, or not end at all.

        One that does not run is no error, and gets nothing. The same signal may come again after `SiteTrouble`.
        """
        ...

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Return the finished records of each attempt, one for each restart that is over, in order.

        A restart whose record is not complete yet is left out; ask again.
        """
        ...

    def capacity(self) -> Capacity:
        """Say what can start now, for owners and for guests, and the limits that hold."""
        ...


@runtime_checkable
class Examined(Protocol):
    """What a driver may have beside: a look at its cluster for ``foedus doctor site``."""

    def checkup(self, accounts: Sequence[str]) -> Iterator[Finding]:
        """Find what is wrong with the cluster as this driver uses it, and with these local accounts.

        Changes nothing. What it raises is a finding too.
        """
        ...
