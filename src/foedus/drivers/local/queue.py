"""Which waiting attempts start now, and which guests make room. Pure, and the same answer for the same input.

Owners go before guests; within a class the order of submission holds. A job that does not fit keeps a reservation
at the earliest moment at which running jobs must have left enough room; later ones start before it only if they do not
delay it (EASY backfill). Where guests are preempted, an owner job ends the fewest and youngest guests that make room,
and what it waits for is kept free for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from foedus.core.jobs.spec import Resources
from foedus.drivers.local.nodes import Node, Piece, Rooms, common, empty, fit, take


class Wait(StrEnum):
    """Why an attempt waits, in Slurm's words."""

    RESOURCES = "Resources"
    """It is next, and waits for room."""
    PRIORITY = "Priority"
    """Others are before it."""
    TOO_LARGE = "ReqNodeNotAvail"
    """No empty node could hold it: the site has shrunk since it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An attempt that has a place."""

    key: str
    guest: bool
    pieces: tuple[Piece, ...]
    started: int
    """Second since the epoch."""
    ends: int
    """When its time limit is over at the latest."""
    stopping: bool = False
    """It has been told to end; its place is as good as free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An attempt without a place."""

    key: str
    guest: bool
    asked: Resources
    limit: int
    """Seconds."""
    order: tuple[int, int]
    """Submission second and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now."""

    starts: tuple[tuple[str, tuple[Piece, ...]], ...]
    displaced: tuple[str, ...]
    waits: dict[str, Wait]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reservation:
    at: int
    after: Rooms
    """What is free then beside the reserved pieces."""


def decide(
    nodes: Sequence[Node], holdings: Sequence[Holding], waiting: Sequence[Waiting], *, preempt: bool, now: int
) -> Decision:
    """Go through the queue once, at second `now`."""
    turn = _Turn(nodes, holdings, preempt=preempt, now=now)
    for job in sorted(waiting, key=lambda each: (each.guest, each.order)):
        turn.consider(job)
    return Decision(starts=tuple(turn.starts), displaced=tuple(sorted(turn.displaced)), waits=turn.waits)


class _Turn:
    """One walk through the queue: what is free shrinks as it goes."""

    def __init__(self, nodes: Sequence[Node], holdings: Sequence[Holding], *, preempt: bool, now: int) -> None:
        self.starts: list[tuple[str, tuple[Piece, ...]]] = []
        self.displaced: set[str] = set()
        self.waits: dict[str, Wait] = {}
        self._nodes = nodes
        self._held = list(holdings)
        self._preempt = preempt
        self._now = now
        self._rooms = _rooms(nodes, holdings)
        self._promised: list[tuple[Piece, ...]] = []
        self._reserved: _Reservation | None = None

    def consider(self, job: Waiting) -> None:
        """Start one job, make room for it, or let it wait."""
        if self._reserved is not None and not any(room.cpus for room in self._rooms.values()):
            self.waits[job.key] = Wait.PRIORITY
            return
        pieces = self._fit_now(job)
        if pieces is not None:
            self.starts.append((job.key, pieces))
            self._rooms = take(self._rooms, pieces, guest=job.guest)
            self._held.append(_held(job, pieces, self._now))
            return
        if self._reserved is not None:
            self.waits[job.key] = Wait.PRIORITY
            return
        displaces = self._preempt and not job.guest
        if displaces and self._displace(job):
            self.waits[job.key] = Wait.RESOURCES
            return
        self._reserved = _reserve(job, self._nodes, self._held, now=self._now, displaces=displaces)
        self.waits[job.key] = Wait.RESOURCES if self._reserved else Wait.TOO_LARGE

    def _fit_now(self, job: Waiting) -> tuple[Piece, ...] | None:
        reserved = self._reserved
        if reserved is None or self._now + job.limit <= reserved.at:
            return fit(job.asked, self._rooms, guest=job.guest)
        pieces = fit(job.asked, common(self._rooms, reserved.after), guest=job.guest)
        if pieces is not None:
            self._reserved = _Reservation(at=reserved.at, after=take(reserved.after, pieces, guest=job.guest))
        return pieces

    def _displace(self, job: Waiting) -> bool:
        """End as few guests as will do, the youngest first, and promise the job their place."""
        guests = [each for each in self._held if each.guest and not each.stopping and each.key not in self.displaced]
        victims: list[str] = []
        youngest_first = iter(sorted(guests, key=lambda each: (-each.started, each.key)))
        while (pieces := fit(job.asked, self._soon(victims), guest=False)) is None:
            victim = next(youngest_first, None)
            if victim is None:
                return False
            victims.append(victim.key)
        for victim in tuple(victims):
            fewer = [each for each in victims if each != victim]
            spared = fit(job.asked, self._soon(fewer), guest=False)
            if spared is not None:
                victims, pieces = fewer, spared
        self.displaced.update(victims)
        self._promised.append(pieces)
        self._rooms = common(self._rooms, self._soon(()))
        return True

    def _soon(self, victims: Iterable[str]) -> Rooms:
        """Return what is free once everything that was told to end, and `victims` too, has ended."""
        gone = self.displaced.union(victims)
        rooms = _rooms(self._nodes, [each for each in self._held if not each.stopping and each.key not in gone])
        for pieces in self._promised:
            rooms = take(rooms, pieces, guest=False)
        return rooms


def _rooms(nodes: Sequence[Node], held: Iterable[Holding]) -> Rooms:
    rooms = empty(nodes)
    for each in held:
        rooms = take(rooms, each.pieces, guest=each.guest)
    return rooms


def _held(job: Waiting, pieces: tuple[Piece, ...], now: int) -> Holding:
    return Holding(key=job.key, guest=job.guest, pieces=pieces, started=now, ends=now + job.limit)


def _reserve(
    job: Waiting, nodes: Sequence[Node], held: Sequence[Holding], *, now: int, displaces: bool
) -> _Reservation | None:
    """Find the earliest moment at which enough must be over; `None` if even an empty site is too small."""
    leaving = sorted((_leaves(each, now=now, displaces=displaces), each.key) for each in held)
    by_key = {each.key: each for each in held}
    for at, key in [(now, ""), *leaving]:
        by_key.pop(key, None)
        rooms = _rooms(nodes, by_key.values())
        pieces = fit(job.asked, rooms, guest=job.guest)
        if pieces is not None:
            return _Reservation(at=at, after=take(rooms, pieces, guest=job.guest))
    return None


def _leaves(each: Holding, *, now: int, displaces: bool) -> int:
    return now if each.stopping or (displaces and each.guest) else max(each.ends, now)
