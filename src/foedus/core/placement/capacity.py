"""What a site can start now, as its agent reports it."""

from dataclasses import dataclass

from foedus.core.base.units import Seconds
from foedus.core.jobs.spread import NodeGroup

TURNOVER_S = 5
"""Seconds over which ends are counted: longer than a site takes to tell that it has room and to be given a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one class of jobs (owners or guests) finds at a site: its partition or QOS.

    ``free`` is what can start now; ``whole`` is the same nodes when empty: a job that fits no part of it can never run
    here.
    """

    name: str
    """The partition or QOS, for the user."""
    free: tuple[NodeGroup, ...]
    whole: tuple[NodeGroup, ...]
    time_limit: Seconds | None = None
    """Longest job that it takes; `None` for no limit."""
    nodes_per_job: int | None = None
    queued: int = 0
    """Jobs that wait in it already, from whomever."""
    open: bool = True
    """False if it is down or drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The two lanes of a site. `None` where the site has none of that kind."""

    owner: Lane | None
    guest: Lane | None
    turnover: int = 0
    """How many of the alliance's jobs have ended here in the last `TURNOVER_S` seconds."""

    def lane(self, *, guest: bool) -> Lane | None:
        """Pick the lane of a job."""
        return self.guest if guest else self.owner
