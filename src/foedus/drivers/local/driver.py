"""Runs jobs as processes of this machine: the embedded default, for laptops, demonstrations and tests.

Limits, and how they are held: time by the supervisor's clock, memory by adding up the resident sets of the job's
processes every `poll` seconds (as Slurm does without cgroups, so a short peak can pass unseen), CPUs by binding to the
CPUs that were handed out where the machine has that many, GPUs by ``CUDA_VISIBLE_DEVICES``.

The queue moves whenever a job comes or ends, and whenever the driver is asked something. While no driver runs, running
jobs go on and waiting ones wait.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Collection, Generator, Mapping, Sequence

from foedus.core.base.errors import BadInput, Fault, SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.jobs.signals import EndSignal
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.base import Launch, Record, Ref, Sighting
from foedus.drivers.local.board import Attempt, Board, read_attempt
from foedus.drivers.local.conduct import signal_number
from foedus.drivers.local.nodes import empty, fit, groups, take
from foedus.drivers.local.report import records, sighting
from foedus.drivers.local.settings import LocalSettings, read
from foedus.drivers.local.shelf import Shelf
from foedus.drivers.local.supervisor import tell_end
from foedus.drivers.local.ticket import issue, key, lane_name

_TICK = 1.0
"""Seconds after which a supervisor that was killed is missed at the latest."""
_PURGE_EVERY = 3600
"""Seconds."""
_GATHER = 0.02
"""Seconds that jobs which come or end are gathered for, so that the queue moves once for all of them."""
_PIPE = 65_536


def build(settings: Mapping[str, object]) -> "LocalDriver":
    """Make a driver from the ``[driver]`` table; raises `BadInput` with every fault of it."""
    checked = read(settings)
    shelf = Shelf(checked.state)
    try:
        shelf.prepare()
    except OSError as error:
        raise BadInput(
            Fault(
                path="driver.state",
                fault=f"cannot be used: {error}",
                remedy="name a folder that the agent may write to",
            )
        ) from error
    return LocalDriver(checked, shelf)


class LocalDriver:
    """A `foedus.drivers.base.SiteDriver` for one machine."""

    source = "local"
    revives = False

    def __init__(self, settings: LocalSettings, shelf: Shelf) -> None:
        self._settings = settings
        self._shelf = shelf
        self._board = Board(settings, shelf)
        self._mutex = threading.Lock()
        self._mover: threading.Thread | None = None
        self._closing = threading.Event()
        self._purge_at = 0
        self._whole = empty(settings.nodes)

    def start(self, launch: Launch) -> str:
        """Take an attempt into the queue; one that was taken before is not taken again."""
        name = key(launch.marker)
        with self._turn(moving=False) as now:
            known = self._shelf.find(name)
            if known is not None:
                return str(read_attempt(known).ticket.native_id)
            self._refuse_impossible(launch)
            ticket = issue(
                launch,
                self._settings,
                native_id=self._shelf.number(),
                submitted=now,
                agent_uid=os.geteuid(),
            )
        with self._translated():
            draft = self._shelf.draft(ticket)
        with self._turn(moving=False):
            known = self._shelf.find(name)
            if known is None:
                self._board.add(ticket, draft)
        tell_end(str(self._shelf.wake))
        return str(ticket.native_id if known is None else read_attempt(known).ticket.native_id)

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Say where every attempt is; the state folder knows them by marker, so a doubtful `Ref` is as good as any."""
        with self._turn():
            return {ref.marker: sighting(self._attempt(ref.marker)) for ref in refs}

    def stop(self, ref: Ref) -> None:
        """Tell an attempt to end: SIGTERM to all its processes, and SIGKILL after the grace time."""
        with self._turn() as now:
            attempt = self._board.attempts.get(key(ref.marker))
            if attempt is not None:
                self._board.cancel(attempt, now)
                self._board.advance(now)

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Ask a running attempt to end; each of its runs hears that once, however often it is said."""
        number = signal_number(end.name)
        with self._turn():
            attempt = self._board.attempts.get(key(ref.marker))
            if attempt is not None:
                self._board.signal(attempt, number, end.whom)

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Return what the finished runs of each attempt used."""
        with self._turn(ended=()):
            return {ref.marker: records(self._attempt(ref.marker)) for ref in refs}

    def capacity(self) -> Capacity:
        """Say what can start now. Where owners displace guests, what guests hold is free to owners."""
        with self._turn(ended=()):
            owners = guests = self._whole
            for attempt in self._board.attempts.values():
                guest = attempt.ticket.guest
                guests = take(guests, attempt.pieces, guest=guest)
                if not (guest and self._settings.preempted):
                    owners = take(owners, attempt.pieces, guest=guest)
            return Capacity(
                owner=self._lane(groups(owners, guest=False), guest=False),
                guest=self._lane(groups(guests, guest=True), guest=True) if self._settings.guests else None,
            )

    def close(self) -> None:
        """Let go of everything in this process; jobs go on."""
        self._closing.set()
        if self._mover is not None:
            tell_end(str(self._shelf.wake))
            self._mover.join()
        with self._mutex:
            self._board.close()

    @contextlib.contextmanager
    def _turn(self, *, ended: Collection[str] | None = None, moving: bool = True) -> Generator[int]:
        """Hold the state alone, brought up to date: about those that have `ended`, or about all.

        Without `moving` the queue is left to the next turn.
        """
        with self._mutex, self._translated():
            self._start_mover()
            with self._shelf.turn() as foreign:
                now = int(time.clock_gettime(time.CLOCK_REALTIME))
                if foreign or moving:
                    self._board.advance(now, anew=foreign, ended=ended)
                yield now

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        """Make native errors ours, here and nowhere else."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise SiteTrouble(
                f"the state folder {self._settings.state} failed: {error}",
                remedy="see that its disk works and has room, and that nobody else changes its files",
            ) from error

    def _start_mover(self) -> None:
        if self._mover is None and not self._closing.is_set():
            wake = os.open(self._shelf.wake, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._mover = threading.Thread(target=self._move, args=(wake,), name="foedus-local-queue", daemon=True)
            self._mover.start()

    def _move(self, wake: int) -> None:
        """Let the queue move whenever the pipe `wake` is written to; and look at everything at every tick."""
        tick = 0.0
        try:
            while not self._closing.is_set():
                ended: list[str] | None = None
                if select.select([wake], [], [], max(0.0, tick - time.monotonic()))[0]:
                    self._closing.wait(_GATHER)
                    with contextlib.suppress(BlockingIOError):  # another driver on this folder was quicker
                        ended = os.read(wake, _PIPE).decode(errors="replace").split("\n")
                if time.monotonic() >= tick:
                    tick, ended = time.monotonic() + _TICK, None
                with contextlib.suppress(SiteTrouble), self._turn(ended=ended) as now:  # whoever asks next is told
                    if now >= self._purge_at:
                        self._shelf.purge(now - self._settings.keep)
                        self._purge_at = now + _PURGE_EVERY
        finally:
            os.close(wake)

    def _attempt(self, marker: Marker) -> Attempt | None:
        name = key(marker)
        attempt = self._board.attempts.get(name) or self._board.over.get(name)
        if attempt is not None:
            return attempt
        folder = self._shelf.find(name)
        return None if folder is None else read_attempt(folder)

    def _lane(self, free: tuple[NodeGroup, ...], *, guest: bool) -> Lane:
        waiting = [each for each in self._board.attempts.values() if each.orders is None]
        return Lane(
            name=lane_name(guest=guest),
            free=free,
            whole=groups(self._whole, guest=guest),
            time_limit=self._settings.longest(guest=guest),
            queued=sum(each.ticket.guest == guest for each in waiting),
        )

    def _refuse_impossible(self, launch: Launch) -> None:
        lane = lane_name(guest=launch.guest)
        if launch.guest and not self._settings.guests:
            raise SchedulerRefused("this site has no place for guests")
        if fit(launch.spec.resources, self._whole, guest=launch.guest) is None:
            nodes = groups(self._whole, guest=launch.guest)
            have = "; ".join(
                f"{each.count} of {each.cpus} CPUs, {each.memory} MiB, {each.gpus} GPUs"
                + (f" ({each.gpu_model})" if each.gpu_model else "")
                for each in nodes
            )
            raise SchedulerRefused(f"the request fits no nodes of the {lane} lane even when empty; it has: {have}")
