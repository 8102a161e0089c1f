"""A cluster for the simulation: the fake driver, which keeps the truth, and the faults between it and its agent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.base.units import Mebibytes
from foedus.core.jobs.signals import EndSignal
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Capacity
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting
from foedus.drivers.fake import FakeDriver
from vopr.alliance import GPUS
from vopr.faults import Fault, Plan
from vopr.world import Killed, World

SETTLE_S = 15
"""What agents are told: how long the cluster may take to show what it was handed."""
LATEST_START_S = 4
OLDEST_LOOK_S = 6
SLOWEST_S = 4
"""Together these stay below `SETTLE_S`: a cluster that takes longer breaks what its operator has promised."""
LATEST_RECORD_S = 40
_NODE = NodeGroup(count=1, cpus=8, memory=Mebibytes(16000), gpus=GPUS, gpu_model="a100")
CHECKPOINT = "saved"
_NOWHERE = Path("/nowhere")
"""Jobs write no output here."""
_PASSING, _FINAL = "Job violates accounting/QOS policy (job submit limit)", "Invalid account"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueRun:
    """One run that the cluster has had: what is to be booked for it."""

    job: str
    order: int
    """Attempt that was handed over."""
    restart: int
    native_id: str
    live: bool
    started: bool
    record: Record | None
    forgotten: bool

    @property
    def attempt(self) -> int:
        return self.order + self.restart


class Cluster(FakeDriver):
    """The truth about one site. Nobody but the nemesis and the checker sees it without faults."""

    def __init__(self, world: World, site: str) -> None:
        super().__init__(_Time(world), node=_NODE)
        self.site = site
        self.world = world
        self.forgotten: list = []
        self.shown: list[tuple[float, dict[Marker, Sighting]]] = []
        self.folders: dict[Marker, Path] = {}
        self.begun: list[tuple[str, int, int]] = []
        """Job, attempt, and the second of its work from which it goes on, of each that was taken with a checkpoint."""

    def start(self, launch: Launch) -> str:
        native_id = super().start(replace(launch, folder=_NOWHERE))
        self.folders[launch.marker] = launch.folder
        if launch.spec.checkpoint is not None:
            done = saved(launch.folder)
            self.begun.append((launch.marker.job, launch.marker.attempt, done))
            job = self._jobs[-1]
            job.conduct = replace(job.conduct, seconds=max(0, job.conduct.seconds - done))
        self.world.note(
            self.site, "cluster took", job=launch.marker.job, attempt=launch.marker.attempt, native=native_id
        )
        self.remember()
        return native_id

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """A job with a checkpoint that hears the signal saves how far it has come, before it does anything else."""
        now = self._advance()
        job = self._find(ref)
        if job is not None and job.launch.spec.checkpoint is not None and job.conduct.trapped.get(end.name) is not None:
            run = job.newest
            if run.started is not None and run.ended is None:
                ran = (now - run.started) // 1000
                folder = self.folders[job.launch.marker]
                _save(folder, saved(folder) + ran)
                job.conduct = replace(job.conduct, seconds=max(0, job.conduct.seconds - ran))
        super().signal(ref, end)

    def remember(self) -> None:
        """Keep what a look shows now, for looks that show the past."""
        self._advance()
        table = {job.launch.marker: self._sighting(_ref(job.launch.marker)) for job in self._jobs}
        self.shown.append((self.world.seconds, table))
        del self.shown[:-12]

    def past(self) -> dict[Marker, Sighting] | None:
        """Return what a look showed some seconds ago."""
        old = [table for moment, table in self.shown if 0 < self.world.seconds - moment <= OLDEST_LOOK_S]
        return old[0] if old else None

    def live_markers(self, *, running: bool = False, guest: bool = False) -> list[Marker]:
        self._advance()
        found = [job for job in self._jobs if job.newest.ended is None]
        if running:
            found = [job for job in found if job.newest.started is not None]
        return [job.launch.marker for job in found if job.launch.guest or not guest]

    def ended_markers(self, since: float) -> list[Marker]:
        """Return what ended in the last so many seconds."""
        self._advance()
        late = self.world.now - since * 1000
        return [job.launch.marker for job in self._jobs if job.newest.ended is not None and job.newest.ended > late]

    def fail(self, marker: Marker) -> None:
        """Let the node die under a job that is not queued again."""
        now = self._advance()
        self._end(next(job for job in self._jobs if job.launch.marker == marker), now, Outcome.NODE_FAIL)

    def cancel(self, marker: Marker) -> None:
        self.stop(_ref(marker))

    def lose(self, marker: Marker) -> None:
        self._advance()
        self.forgotten += [job for job in self._jobs if job.launch.marker == marker]
        super().lose(marker)

    def runs(self) -> list[TrueRun]:
        """Return every run that there has been."""
        self._advance()
        return [*self._true(self._jobs, forgotten=False), *self._true(self.forgotten, forgotten=True)]

    def _true(self, jobs: Sequence, *, forgotten: bool) -> list[TrueRun]:
        found = []
        for job in jobs:
            records = {record.restart: record for record in _records(job)}
            for restart, run in enumerate(job.runs):
                found.append(
                    TrueRun(
                        job=job.launch.marker.job,
                        order=job.launch.marker.attempt,
                        restart=restart,
                        native_id=job.native_id,
                        live=run.ended is None and not forgotten,
                        started=run.started is not None,
                        record=records.get(restart),
                        forgotten=forgotten,
                    )
                )
        return found


@dataclass(slots=True)
class Face:
    """The cluster as one agent's process finds it: a `SiteDriver` with faults, where its process may die."""

    cluster: Cluster
    world: World
    plan: Plan
    who: str
    point: Callable[[], None]
    """A moment at which the agent may be killed."""
    _late: dict[tuple[Marker, int], float] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return self.cluster.source

    @property
    def revives(self) -> bool:
        return self.cluster.revives

    def start(self, launch: Launch) -> str:
        try:
            self._command()
        except Killed:
            if self.world.chance.random() < 0.5:  # the command outlives the agent that began it
                self.world.after(self.world.chance.uniform(0.1, LATEST_START_S), lambda: self.cluster.start(launch))
            raise
        facts = {"job": launch.marker.job, "attempt": launch.marker.attempt}
        if self._hits(Fault.START_REFUSED, **facts):
            raise SchedulerRefused(_FINAL if self.world.chance.random() < 0.1 else _PASSING)
        if self._hits(Fault.START_FAILS, **facts):
            raise SiteTrouble("sbatch: unable to contact the controller")
        if self._hits(Fault.START_LATE, **facts):
            self.world.after(self.world.chance.uniform(0.1, LATEST_START_S), lambda: self.cluster.start(launch))
            raise SiteTrouble("sbatch did not answer within 30 s")
        native_id = self.cluster.start(launch)
        self.point()
        if self._hits(Fault.START_DONE_AND_LOST, **facts):
            raise SiteTrouble("sbatch did not answer within 30 s")
        self._command()
        return native_id

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        self._command()
        if self._hits(Fault.LOOK_FAILS):
            raise SiteTrouble("squeue: garbage")
        past = self.cluster.past() if self.plan.on and Fault.LOOK_STALE in self.plan.kinds else None
        if past is not None and self._hits(Fault.LOOK_STALE):
            return {ref.marker: past.get(ref.marker, Sighting(phase=Phase.UNKNOWN)) for ref in refs}
        self.cluster.remember()
        return self.cluster.look(refs)

    def stop(self, ref: Ref) -> None:
        self._command()
        if self._hits(Fault.STOP_FAILS, job=ref.marker.job):
            raise SiteTrouble("scancel: unable to contact the controller")
        self.cluster.stop(ref)
        self.point()
        if self._hits(Fault.STOP_DONE_AND_LOST, job=ref.marker.job):
            raise SiteTrouble("scancel did not answer within 30 s")

    def signal(self, ref: Ref, end: EndSignal) -> None:
        self._command()
        if self._hits(Fault.STOP_FAILS, job=ref.marker.job):
            raise SiteTrouble("scancel: unable to contact the controller")
        self.cluster.signal(ref, end)
        self.point()
        if self._hits(Fault.STOP_DONE_AND_LOST, job=ref.marker.job):
            raise SiteTrouble("scancel did not answer within 30 s")

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        self._command()
        if self._hits(Fault.USAGE_FAILS):
            raise SiteTrouble("sacct: garbage")
        found = self.cluster.usage(refs)
        return {
            marker: tuple(one for one in records if self._is_written(marker, one)) for marker, records in found.items()
        }

    def capacity(self) -> Capacity:
        self._command()
        if self._hits(Fault.CAPACITY_FAILS):
            raise SiteTrouble("scontrol: garbage")
        return self.cluster.capacity()

    def _is_written(self, marker: Marker, record: Record) -> bool:
        """Say whether the accounting has it by now; it may write a record some time after the end."""
        place = (marker, record.restart)
        if place not in self._late:
            late = self._hits(Fault.USAGE_LATE, job=marker.job)
            self._late[place] = self.world.chance.uniform(1, LATEST_RECORD_S) if late else 0
        return self.world.now >= record.ended + self._late[place] * 1000

    def _command(self) -> None:
        """Take the time of a command, in which others go on and the agent may be killed."""
        slow = self._hits(Fault.SLOW_CLUSTER)
        self.world.sleep(self.world.chance.uniform(1, SLOWEST_S) if slow else self.world.chance.uniform(0.01, 0.2))
        self.point()

    def _hits(self, kind: Fault, **facts: object) -> bool:
        if not self.plan.hits(kind):
            return False
        self.world.fault(kind, self.who, **facts)
        return True


class _Time:
    """The cluster's own clock, which is right."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self):
        return self._world.now


def saved(folder: Path) -> int:
    """Return how many seconds of its work a job has saved in a folder."""
    try:
        return int((folder / "work" / CHECKPOINT / "seconds").read_text())
    except FileNotFoundError:
        return 0


def _save(folder: Path, seconds: int) -> None:
    place = folder / "work" / CHECKPOINT
    place.mkdir(parents=True, exist_ok=True)
    (place / "seconds").write_text(str(seconds))


def _ref(marker: Marker) -> Ref:
    return Ref(marker=marker, native_id=None, folder=None, since=0)


def _records(job) -> list[Record]:
    from foedus.drivers.fake import _record

    found = [_record(job, restart, run, _NODE) for restart, run in enumerate(job.runs)]
    return [record for record in found if record is not None]
