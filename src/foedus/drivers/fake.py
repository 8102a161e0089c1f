"""A driver for tests that only pretends to have a cluster.

It runs nothing: it reads the script's ``echo``, ``sleep``, ``exit``, ``kill -N $$`` and ``trap`` lines and works out
what would have happened by the clock that it was given. For faults put a wrapper of `foedus.drivers.faulty` around it,
or around any other driver.
"""

import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.ids import Marker
from foedus.core.base.instant import Clock, Instant
from foedus.core.base.units import CpuSeconds, GpuSeconds, Mebibytes, Seconds
from foedus.core.jobs.signals import EndSignal
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting
from foedus.drivers.pretence import Conduct, pretend

_DIES = -1
"""What a script without a ``trap`` does."""
_NODE = NodeGroup(count=1, cpus=8, memory=Mebibytes(16000), gpus=4, gpu_model="a100")


@dataclass(slots=True)
class _Run:
    """One restart of one attempt."""

    submitted: Instant
    started: Instant | None = None
    ended: Instant | None = None
    outcome: Outcome | None = None
    exit_code: int = 0
    signal: int = 0


@dataclass(slots=True)
class _Job:
    """One attempt."""

    native_id: str
    launch: Launch
    conduct: Conduct
    cpus: int
    gpus: int
    stdout: Path
    stderr: Path
    runs: list[_Run] = field(default_factory=list[_Run])

    @property
    def newest(self) -> _Run:
        return self.runs[-1]


class FakeDriver:
    """A cluster of one node in memory: jobs start in order as soon as they fit, owners before guests."""

    source: ClassVar[str] = "fake"
    revives: ClassVar[bool] = True

    def __init__(self, clock: Clock, *, node: NodeGroup = _NODE, guests: bool = True) -> None:
        self._clock = clock
        self._node = node
        self._guests = guests
        self._jobs: list[_Job] = []
        self._moment = clock.now()

    @property
    def launches(self) -> tuple[Launch, ...]:
        """Every attempt that was taken, in order; a marker that is here twice was started twice."""
        return tuple(job.launch for job in self._jobs)

    def start(self, launch: Launch) -> str:
        """Take an attempt; the same one twice makes two jobs, as a real cluster would."""
        now = self._advance()
        asked = launch.spec.resources
        memory = asked.memory // max(asked.nodes, 1)
        cpus = self._node.cpus if asked.exclusive else asked.cpus
        if asked.nodes > 1 or cpus > self._node.cpus or asked.gpus > self._node.gpus or memory > self._node.memory:
            raise SchedulerRefused("Requested node configuration is not available")
        if launch.guest and not self._guests:
            raise SchedulerRefused("invalid partition specified: guest")
        native_id = str(len(self._jobs) + 1)
        conduct = pretend(launch)
        stdout, stderr = conduct.outputs(launch, native_id)
        self._jobs.append(
            _Job(
                native_id=native_id,
                launch=launch,
                conduct=conduct,
                cpus=cpus,
                gpus=asked.gpus,
                stdout=stdout,
                stderr=stderr,
                runs=[_Run(submitted=now)],
            )
        )
        self._advance()
        return native_id

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Say where every attempt is."""
        self._advance()
        return {ref.marker: self._sighting(ref) for ref in refs}

    def stop(self, ref: Ref) -> None:
        """Cancel an attempt."""
        now = self._advance()
        job = self._find(ref)
        if job is not None and job.newest.ended is None:
            self._end(job, now, Outcome.CANCELLED)
        self._advance()

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Send a signal: it ends the job at once, as the script's ``trap`` says if it has one."""
        now = self._advance()
        job = self._find(ref)
        if job is None or job.newest.started is None or job.newest.ended is not None:
            return
        code = job.conduct.trapped.get(end.name, _DIES)
        if code is not None:
            self._end(job, now, Outcome.COMPLETED if code == 0 else Outcome.FAILED)
            job.newest.exit_code = max(code, 0)
            job.newest.signal = 0 if code >= 0 else signal.Signals[f"SIG{end.name}"]
        self._advance()

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Return the finished records."""
        self._advance()
        return {ref.marker: self._records(ref) for ref in refs}

    def capacity(self) -> Capacity:
        """Say what is free; guests and owners find the same."""
        self._advance()
        running = [job for job in self._jobs if job.newest.started and job.newest.ended is None]
        free = replace(
            self._node,
            cpus=self._node.cpus - sum(job.cpus for job in running),
            gpus=self._node.gpus - sum(job.gpus for job in running),
        )
        whole = (self._node,)
        free = (free,) if free.cpus else ()
        owner = Lane(name="owner", free=free, whole=whole, queued=self._queued(guest=False))
        guest = Lane(name="guest", free=free, whole=whole, queued=self._queued(guest=True))
        return Capacity(owner=owner, guest=guest if self._guests else None)

    def requeue(self, marker: Marker, outcome: Outcome = Outcome.REQUEUED) -> None:
        """Let the cluster queue an attempt again, running or ended: preemption, a failed node, an operator."""
        now = self._advance()
        job = next(job for job in self._jobs if job.launch.marker == marker)
        if job.newest.ended is None:
            self._end(job, now, outcome)
        job.runs.append(_Run(submitted=now))

    def lose(self, marker: Marker) -> None:
        """Let the cluster forget an attempt altogether."""
        self._jobs = [job for job in self._jobs if job.launch.marker != marker]

    def _advance(self) -> Instant:
        """Bring every job up to date, in the order in which things happen."""
        now = self._clock.now()
        moment: Instant | None = self._moment
        while moment is not None and moment <= now:
            self._settle(moment)
            moment = min((due for due in self._dues() if due > moment), default=None)
        self._moment = now
        return now

    def _dues(self) -> Iterator[Instant]:
        for job in self._jobs:
            if job.newest.ended is None:
                yield self._due(job) if job.newest.started is not None else job.newest.submitted

    def _due(self, job: _Job) -> Instant:
        limit = job.launch.spec.resources.time_limit
        seconds = job.conduct.seconds if limit is None else min(job.conduct.seconds, limit)
        return Instant((job.newest.started or job.newest.submitted) + seconds * 1000)

    def _settle(self, moment: Instant) -> None:
        for job in self._jobs:
            if job.newest.started is not None and job.newest.ended is None and self._due(job) <= moment:
                limit = job.launch.spec.resources.time_limit
                late = limit is not None and job.conduct.seconds > limit
                self._end(job, self._due(job), Outcome.TIMEOUT if late else job.conduct.outcome)
        held = [job for job in self._jobs if job.newest.started is not None and job.newest.ended is None]
        waiting = [job for job in self._jobs if job.newest.started is None and job.newest.ended is None]
        for job in sorted(waiting, key=lambda job: (job.launch.guest, job.newest.submitted, int(job.native_id))):
            cpus, gpus = sum(one.cpus for one in held), sum(one.gpus for one in held)
            if job.newest.submitted > moment:
                continue
            if cpus + job.cpus > self._node.cpus or gpus + job.gpus > self._node.gpus:
                break
            job.newest.started = moment
            held.append(job)

    def _end(self, job: _Job, moment: Instant, outcome: Outcome) -> None:
        run = job.newest
        run.ended, run.outcome = moment, outcome
        natural = outcome in {Outcome.COMPLETED, Outcome.FAILED}
        run.exit_code, run.signal = (job.conduct.exit_code, job.conduct.signal) if natural else (0, 0)
        if run.started is not None and job.launch.work.is_dir():
            with contextlib.suppress(OSError):
                for path in {job.stdout, job.stderr}:
                    path.write_text(job.conduct.output if path == job.stdout else "", encoding="utf-8")

    def _sighting(self, ref: Ref) -> Sighting:
        job = self._find(ref)
        if job is None:
            return Sighting(phase=Phase.UNKNOWN)
        run = job.newest
        phase = Phase.ENDED if run.ended is not None else Phase.RUNNING if run.started is not None else Phase.PENDING
        return Sighting(
            phase=phase,
            native_id=job.native_id,
            restarts=len(job.runs) - 1,
            native_state=str(run.outcome or phase),
            started=run.started,
            stdout=job.stdout,
            stderr=job.stderr,
        )

    def _records(self, ref: Ref) -> tuple[Record, ...]:
        job = self._find(ref)
        if job is None:
            return ()
        found = (_record(job, restart, run, self._node) for restart, run in enumerate(job.runs))
        return tuple(record for record in found if record is not None)

    def _find(self, ref: Ref) -> _Job | None:
        mine = (job for job in self._jobs if job.launch.marker == ref.marker)
        return next((job for job in mine if ref.native_id in {None, job.native_id}), None)

    def _queued(self, *, guest: bool) -> int:
        waiting = (job for job in self._jobs if job.newest.started is None and job.newest.ended is None)
        return sum(job.launch.guest == guest for job in waiting)


def _record(job: _Job, restart: int, run: _Run, node: NodeGroup) -> Record | None:
    if run.ended is None or run.outcome is None:
        return None
    ran = run.started is not None
    elapsed = Seconds((run.ended - run.started) // 1000 if run.started is not None else 0)
    gpus = {node.gpu_model or "": job.gpus} if job.gpus and ran else {}
    return Record(
        restart=restart,
        native_id=job.native_id,
        outcome=run.outcome,
        exit_code=run.exit_code,
        signal=run.signal,
        submitted=run.submitted,
        started=run.started,
        ended=run.ended,
        elapsed=elapsed,
        nodes=1 if ran else 0,
        cpus=job.cpus if ran else 0,
        cpu_seconds=CpuSeconds(job.cpus * elapsed),
        gpus=gpus,
        gpu_seconds={model: GpuSeconds(count * elapsed) for model, count in gpus.items()},
        memory=job.launch.spec.resources.memory if ran else Mebibytes(0),
        node_names="fake1" if ran else "",
    )
