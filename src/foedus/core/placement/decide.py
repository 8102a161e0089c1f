"""Which waiting job goes to which site now.

Jobs are looked at in the order in which they came. Each tries its sites in its own order (its partner's first) and is
bound to the first that can start it now. One that cannot start anywhere does not stop the younger ones, until it has
waited longer than `Snapshot.patience`: then no younger job takes room at the first site that it could ever use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import Seconds, duration
from foedus.core.jobs.spec import Resources
from foedus.core.placement.capacity import Capacity, Lane, NodeGroup
from foedus.core.placement.packing import pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job that may be placed."""

    job: JobId
    resources: Resources
    sites: tuple[tuple[SiteId, bool], ...]
    """Where it may run, best first, each with whether it would be a guest there."""
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is bound to a site but not yet in the capacity that it reported."""

    resources: Resources
    guest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNow:
    """A site at this moment."""

    capacity: Capacity | None
    """`None` if it never said, or not lately."""
    reachable: bool
    draining: bool
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a decision depends on."""

    now: Instant
    waiting: Sequence[Waiting]
    """In the order in which they came."""
    sites: Mapping[SiteId, SiteNow]
    patience: Seconds


class Hindrance(StrEnum):
    """Why a site cannot start a job now."""

    UNREACHABLE = "unreachable"
    DRAINING = "draining"
    CLOSED = "closed"
    NO_LANE = "no-lane"
    TOO_LARGE = "too-large"
    TOO_LONG = "too-long"
    NO_ROOM = "no-room"
    KEPT = "kept"


_SENTENCES: dict[Hindrance, str] = {
    Hindrance.UNREACHABLE: "its agent has not reported lately",
    Hindrance.DRAINING: "it takes no new jobs (drained by its operator)",
    Hindrance.CLOSED: "its partition is down",
    Hindrance.NO_LANE: "it has no partition for such jobs",
    Hindrance.TOO_LARGE: "the job is larger than what it has",
    Hindrance.TOO_LONG: "the job is longer than its partition allows",
    Hindrance.NO_ROOM: "it has no room now",
    Hindrance.KEPT: "its room is kept for a job that has waited longer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """What was found at one site: `None` means that it can start the job now."""

    site: SiteId
    guest: bool
    hindrance: Hindrance | None
    detail: str = ""

    @property
    def text(self) -> str:
        """Say it to a person."""
        if self.hindrance is None:
            return "it can start the job now"
        return _SENTENCES[self.hindrance] + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Give the job to this site now."""

    job: JobId
    site: SiteId
    guest: bool
    considered: tuple[Considered, ...]
    """The sites in the order in which they were looked at; the last is the one chosen."""


def decide(snapshot: Snapshot) -> Iterator[Bind]:
    """Yield a binding for every job that can start now, oldest first."""
    room = {site: _free(now) for site, now in snapshot.sites.items()}
    kept: set[SiteId] = set()
    for waiting in snapshot.waiting:
        found = tuple(_consider(waiting, snapshot.sites, room, kept))
        if found and found[-1].hindrance is None:
            chosen = found[-1]
            room[chosen.site] = _without(room[chosen.site], snapshot.sites[chosen.site], waiting.resources)
            yield Bind(job=waiting.job, site=chosen.site, guest=chosen.guest, considered=found)
        elif seconds_between(waiting.since, snapshot.now) > snapshot.patience:
            possible = (one.site for one in found if one.hindrance in {Hindrance.NO_ROOM, Hindrance.KEPT})
            kept.update(site for site in possible if site not in kept)


def consider(waiting: Waiting, sites: Mapping[SiteId, SiteNow]) -> tuple[Considered, ...]:
    """Say for every site of a job why it cannot start there now; up to and with the first that can."""
    return tuple(_consider(waiting, sites, {site: _free(now) for site, now in sites.items()}, set()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    owner: tuple[NodeGroup, ...]
    guest: tuple[NodeGroup, ...]

    def of(self, *, guest: bool) -> tuple[NodeGroup, ...]:
        return self.guest if guest else self.owner


def _free(now: SiteNow) -> _Room:
    capacity = now.capacity
    owner = capacity.owner.free if capacity and capacity.owner else ()
    guest = capacity.guest.free if capacity and capacity.guest else ()
    room = _Room(owner=owner, guest=guest)
    for held in now.held:
        room = _without(room, now, held.resources)
    return room


def _without(room: _Room, now: SiteNow, resources: Resources) -> _Room:
    """Take a job's nodes out of both lanes: they are usually the same nodes under two names."""
    capacity = now.capacity
    if capacity is None:
        return room
    owner = _rest(resources, room.owner, capacity.owner)
    return replace(room, owner=owner, guest=_rest(resources, room.guest, capacity.guest))


def _rest(resources: Resources, free: tuple[NodeGroup, ...], lane: Lane | None) -> tuple[NodeGroup, ...]:
    if lane is None:
        return free
    left = pack(resources, free, lane.whole)
    return free if left is None else left


def _consider(
    waiting: Waiting, sites: Mapping[SiteId, SiteNow], room: Mapping[SiteId, _Room], kept: set[SiteId]
) -> Iterator[Considered]:
    for site, guest in waiting.sites:
        now = sites.get(site)
        hindrance, detail = _hindrance(waiting.resources, now, room.get(site), guest=guest)
        if hindrance is None and site in kept:
            hindrance, detail = Hindrance.KEPT, ""
        yield Considered(site=site, guest=guest, hindrance=hindrance, detail=detail)
        if hindrance is None:
            return


def _hindrance(
    asked: Resources, now: SiteNow | None, room: _Room | None, *, guest: bool
) -> tuple[Hindrance | None, str]:
    if now is None or room is None or not now.reachable or now.capacity is None:
        return Hindrance.UNREACHABLE, ""
    if now.draining:
        return Hindrance.DRAINING, ""
    lane = now.capacity.lane(guest=guest)
    if lane is None:
        return Hindrance.NO_LANE, "guests" if guest else "owners"
    return _in_lane(asked, lane, room.of(guest=guest))


def _in_lane(asked: Resources, lane: Lane, free: tuple[NodeGroup, ...]) -> tuple[Hindrance | None, str]:
    if not lane.open:
        return Hindrance.CLOSED, lane.name
    if lane.time_limit is not None and asked.time_limit is not None and asked.time_limit > lane.time_limit:
        return Hindrance.TOO_LONG, f"{duration(asked.time_limit)} against {duration(lane.time_limit)} in {lane.name}"
    if pack(asked, lane.whole, lane.whole, lane.nodes_per_job) is None:
        return Hindrance.TOO_LARGE, lane.name
    if pack(asked, free, lane.whole, lane.nodes_per_job) is None:
        return Hindrance.NO_ROOM, f"{lane.queued} wait in {lane.name}" if lane.queued else ""
    return None, ""
