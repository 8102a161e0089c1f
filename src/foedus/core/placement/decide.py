"""Which waiting job goes to which site now.

Jobs are offered in the order in which they came, but those first that are *due*: alone they would have started by now.
Each tries its sites in its own order (its partner's first) and is bound to the first that can start it now. One that
cannot start anywhere does not stop the younger ones, until it is due or has waited longer than the pass has `patience`:
then, at the first site that could ever start it (at home, if it is due), no younger job takes nodes that it could use.
A guest's claim holds against other guests alone: owners come first at their own site.

A site at which short jobs follow one another is given the next ones ahead, when no site has room: as many as it will
have ended before it could say so. Its own queue starts them without waiting for anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import Seconds, duration
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.core.placement.packing import pack, useless, without


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
    ahead: int = 0
    """How many more jobs it may be given than it has room for."""


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


_NEXT = "it has no room now, and its jobs are so short that it will have before it could say so"


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
            return self.detail or "it can start the job now"
        return _SENTENCES[self.hindrance] + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Give the job to this site now."""

    job: JobId
    site: SiteId
    guest: bool
    considered: tuple[Considered, ...]
    """The sites in the order in which they were looked at; the last is the one chosen."""
    ahead: bool = False
    """It has no room yet: the job waits shortly in its own queue."""


def consider(waiting: Waiting, sites: Mapping[SiteId, SiteNow]) -> tuple[Considered, ...]:
    """Say for every site of a job why it cannot start there now; up to and with the first that can."""
    return Placing(sites=sites, patience=Seconds(0), now=waiting.since).consider(waiting)


class Placing:
    """One pass over the waiting jobs, oldest first: what is given to one is gone for the next.

    Room only shrinks and what is kept only grows while a pass lasts, so that a "no" for one job holds for every later
    one that asks for the same.
    """

    def __init__(self, *, sites: Mapping[SiteId, SiteNow], patience: Seconds, now: Instant) -> None:
        self._sites = sites
        self._patience = patience
        self._now = now
        self._room = {site: _free(state) for site, state in sites.items()}
        self._kept: dict[SiteId, list[_Kept]] = {}
        self._noes: dict[tuple[SiteId, bool, Resources], Considered] = {}
        self._ahead = {site: state.ahead for site, state in sites.items()}

    @property
    def full(self) -> bool:
        """Whether nothing more can start anywhere, whatever it asks for."""
        return not any(
            _takes_any(state, self._room[site]) or (self._ahead[site] > 0 and _is_open(state))
            for site, state in self._sites.items()
        )

    def offer(self, waiting: Waiting, *, ahead: bool = True, due: bool = False) -> Bind | None:
        """Bind a job if it can start now, or `ahead` of that; else keep room for it if it has waited too long.

        For one that is `due`, since alone it would have started by now, room is kept at home at once.
        """
        found = self.consider(waiting)
        if found and found[-1].hindrance is None:
            chosen = found[-1]
            state = self._sites[chosen.site]
            self._room[chosen.site] = _without(self._room[chosen.site], state, waiting.resources)
            return Bind(job=waiting.job, site=chosen.site, guest=chosen.guest, considered=found)
        early = self._early(found) if ahead else None
        if early is not None:
            self._ahead[early.site] -= 1
            others = tuple(one for one in found if one.site != early.site)
            return Bind(job=waiting.job, site=early.site, guest=early.guest, considered=(*others, early), ahead=True)
        if seconds_between(waiting.since, self._now) > self._patience:
            self._keep(waiting.resources, found)
        elif due:
            self._keep(waiting.resources, [one for one in found if not one.guest])
        return None

    def _early(self, found: Sequence[Considered]) -> Considered | None:
        """Choose the first site that may be given a job ahead: one that lacks nothing but room, kept for nobody."""
        for one in found:
            if one.hindrance is Hindrance.NO_ROOM and self._ahead.get(one.site, 0) > 0 and not self._kept.get(one.site):
                return Considered(site=one.site, guest=one.guest, hindrance=None, detail=_NEXT)
        return None

    def consider(self, waiting: Waiting) -> tuple[Considered, ...]:
        """Look at the sites of a job, up to and with the first that can start it."""
        found: list[Considered] = []
        for site, guest in waiting.sites:
            found.append(self._look(site, waiting.resources, guest=guest))
            if found[-1].hindrance is None:
                break
        return tuple(found)

    def _look(self, site: SiteId, asked: Resources, *, guest: bool) -> Considered:
        key = (site, guest, asked)
        known = self._noes.get(key)
        if known is not None:
            return known
        state, room = self._sites.get(site), self._room.get(site)
        hindrance, detail = _hindrance(asked, state, room, guest=guest)
        if hindrance is None and state and room and self._is_kept(site, asked, state, room, guest=guest):
            hindrance = Hindrance.KEPT
        found = Considered(site=site, guest=guest, hindrance=hindrance, detail=detail)
        if hindrance is not None:
            self._noes[key] = found
        return found

    def _keep(self, asked: Resources, found: Sequence[Considered]) -> None:
        """Keep room at the first site that could ever start the job."""
        first = next((one for one in found if one.hindrance in {Hindrance.NO_ROOM, Hindrance.KEPT}), None)
        if first is None:
            return
        kept = self._kept.setdefault(first.site, [])
        new = _Kept(resources=asked, guest=first.guest)
        if new not in kept:
            kept.append(new)

    def _is_kept(self, site: SiteId, asked: Resources, state: SiteNow, room: "_Room", *, guest: bool) -> bool:
        """Say whether the job would need nodes that are kept for an older one. A guest's claim does not bind owners."""
        lane = state.capacity.lane(guest=guest) if state.capacity else None
        claims = [kept for kept in self._kept.get(site, ()) if guest or not kept.guest]
        if lane is None or not claims:
            return False
        free = room.of(guest=guest)
        for kept in claims:
            free = useless(kept.resources, free, lane.whole)
        return pack(asked, free, lane.whole, lane.nodes_per_job) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A job that has waited too long, for which a site's room is kept."""

    resources: Resources
    guest: bool


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
    owner, guest = capacity.owner, capacity.guest
    return _Room(
        owner=without(resources, room.owner, owner.whole) if owner else (),
        guest=without(resources, room.guest, guest.whole) if guest else (),
    )


def _is_open(state: SiteNow) -> bool:
    return state.reachable and not state.draining and state.capacity is not None


def _takes_any(state: SiteNow, room: _Room) -> bool:
    if not _is_open(state) or state.capacity is None:
        return False
    return any(
        lane is not None and lane.open and any(group.cpus for group in room.of(guest=guest))
        for guest, lane in ((False, state.capacity.owner), (True, state.capacity.guest))
    )


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
