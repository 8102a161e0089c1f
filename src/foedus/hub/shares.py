"""How much of the hub one person or project may take: so that a flood of one's does not hold up the others.

What is counted here is this process's own; several hub processes each give the same share.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from foedus.core.base.errors import TooMany
from foedus.core.base.ids import ProjectId, UserId

_BURST_S = 10
"""How many seconds' worth of requests may come at once."""
_MOST_PEOPLE = 10_000
"""People whose requests are remembered; beyond, those who have their whole share left are forgotten."""
_RECOUNT_S = 2.0
_LATER_S = 30
"""When to try again while too many jobs wait: some have to start first."""


@dataclass(slots=True)
class Rate:
    """Lets each person make so many requests a second."""

    per_s: int
    clock: Callable[[], float] = time.monotonic
    _left: dict[UserId, tuple[float, float]] = field(default_factory=dict[UserId, tuple[float, float]])
    """What each person has left, and when that was so."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, user: UserId) -> None:
        """Count one request; raises `TooMany` if the person's share is used up."""
        now, most = self.clock(), float(self.per_s * _BURST_S)
        with self._lock:
            left, at = self._left.get(user, (most, now))
            left = min(most, left + (now - at) * self.per_s)
            self._left[user] = (max(0.0, left - 1), now)
            if len(self._left) > _MOST_PEOPLE:
                self._left = {who: one for who, one in self._left.items() if now - one[1] < _BURST_S}
        if left < 1:
            raise TooMany(
                f"you make more than {self.per_s} requests a second",
                remedy="ask for many jobs in one call, and wait for changes with `wait_s` instead of asking again",
                after_s=math.ceil((1 - left) / self.per_s),
            )


@dataclass(slots=True)
class Queue:
    """Lets each project have so many jobs waiting. Counted anew every other second, and added to in between."""

    most: int
    clock: Callable[[], float] = time.monotonic
    _known: dict[ProjectId, tuple[int, float]] = field(default_factory=dict[ProjectId, tuple[int, float]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, new: Iterable[tuple[ProjectId, int]], count: Callable[[ProjectId], int]) -> None:
        """Take jobs into the queue; raises `TooMany`, and takes none, if a project has too many waiting already."""
        now, taken = self.clock(), Counter[ProjectId]()
        for project, jobs in new:
            taken[project] += jobs
        with self._lock:
            for project, jobs in taken.items():
                known, at = self._known.get(project, (0, -math.inf))
                if now - at > _RECOUNT_S:
                    known, at = count(project), now
                if known + jobs > self.most:
                    self._known[project] = (known, at)
                    raise TooMany(
                        f"project {project} has {known} jobs waiting, and the hub takes at most {self.most}",
                        remedy="submit more once some of them have started",
                        after_s=_LATER_S,
                    )
                self._known[project] = (known + jobs, at)
