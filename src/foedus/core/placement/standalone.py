"""The shadow of one site that runs beside reality without end: it grows, and forgets what can change nothing more."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from foedus.core.placement.alone import Job, Shadow, shadow
from foedus.core.placement.kernels import NEVER
from foedus.core.placement.shadow import advance, leave, ran, resized, resume, submitted
from foedus.core.placement.tables import table

Key = TypeVar("Key", bound=Hashable)

_LEAST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A job alone at its home. Instants and spans are whole seconds; `None` is not known, or not yet."""

    submit: int
    width: int
    """Units."""
    limit: int
    start: int | None = None
    run: int | None = None
    left: int | None = None
    """When it was cancelled, whether it waited or ran."""

    @property
    def end(self) -> int | None:
        """When it ends alone."""
        if self.left is not None:
            return self.left
        return None if self.start is None or self.run is None else self.start + self.run


class StandAlone(Generic[Key]):
    """What the jobs of one partner would do on one site alone, as far as it is known by now.

    Jobs are told in the order in which they came, and everything before the clock passes the instant at which it
    happened where that can be: what is told late takes the shadow back.
    """

    def __init__(self, units: int, known: Sequence[tuple[Key, Standing]] = (), clock: int = -NEVER) -> None:
        """Go on from what was known at an instant; `known` in the order of arrival."""
        self._units = units
        self._changes: list[tuple[int, int]] = []
        self._begin(known, clock)

    def __len__(self) -> int:
        """Count the jobs that it remembers."""
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        """Say whether it remembers a job."""
        return key in self._rows

    @property
    def units(self) -> int:
        """Its size by its newest change."""
        return self._units

    def submitted(self, key: Key, submit: int, width: int, limit: int) -> None:
        """Learn of a new job."""
        row = len(self._keys)
        if row == len(self._state.jobs):
            self._renew()
            row = len(self._keys)
        job = self._state.jobs[row]
        job.submit = max(submit, int(self._state.jobs[row - 1].submit) if row else submit)
        job.width, job.limit = width, limit
        self._rows[key] = row
        self._keys.append(key)
        submitted(self._state, row)

    def ran(self, key: Key, run: int) -> None:
        """Learn how long a job ran."""
        ran(self._state, self._rows[key], run)

    def leave(self, key: Key, at: int) -> None:
        """Learn that a job was cancelled."""
        row, home = self._rows[key], self._state.homes[0]
        last = int(self._state.alone[self._state.left[home.leavers - 1]].left) if home.leavers else at
        leave(self._state, row, max(at, last, int(self._state.jobs[row].submit)))

    def resized(self, units: int, at: int) -> None:
        """Learn that the site has another size from now on."""
        if len(self._state.changes) == self._state.homes[0].known:
            self._renew()
        when = max(at, self._changes[-1][0]) if self._changes else at
        resized(self._state, 0, units - self._units, when)
        self._changes.append((when, units - self._units))
        self._units = units

    def advance(self, now: int) -> list[Key]:
        """Do everything up to and with an instant; return the jobs whose start is another since the last time."""
        state, home = self._state, self._state.homes[0]
        advance(state, 0, now)
        keep = min(int(home.undone), len(self._seen))
        starts = [int(row) for row in state.started[keep : home.started]]
        turned = dict.fromkeys((*self._seen[keep:], *starts))
        self._seen[keep:] = starts
        home.undone = home.started
        return [self._keys[row] for row in turned]

    def standing(self, key: Key) -> Standing:
        """Say what is known of a job."""
        return self._standing(self._rows[key])

    def _standing(self, row: int) -> Standing:
        job, alone = self._state.jobs[row], self._state.alone[row]
        return Standing(
            submit=int(job.submit),
            width=int(job.width),
            limit=int(job.limit),
            start=None if alone.start == NEVER else int(alone.start),
            run=None if alone.run < 0 else int(alone.run),
            left=None if alone.left == NEVER else int(alone.left),
        )

    def _begin(self, known: Sequence[tuple[Key, Standing]], clock: int) -> None:
        size = max(_LEAST, 2 * len(known))
        before = self._units - sum(units for _, units in self._changes)
        planned = [*self._changes, *[(NEVER, size)] * _LEAST]  # beside those that were: room for more
        self._state: Shadow = shadow(table(Job, size), [size], np.array([before]), [planned])
        self._keys = [key for key, _ in known]
        self._rows = {key: row for row, key in enumerate(self._keys)}
        for row, (_, standing) in enumerate(known):
            job, alone = self._state.jobs[row], self._state.alone[row]
            job.submit, job.width, job.limit = standing.submit, standing.width, standing.limit
            alone.start = NEVER if standing.start is None else standing.start
            alone.run = -1 if standing.run is None else standing.run
            alone.left = NEVER if standing.left is None else standing.left
        self._resume([standing for _, standing in known], clock)
        home = self._state.homes[0]
        self._seen = [int(row) for row in self._state.started[: home.started]]

    def _resume(self, known: Sequence[Standing], clock: int) -> None:
        """Put everything where it is at an instant."""
        state, home, rows = self._state, self._state.homes[0], range(len(known))
        started = sorted((known[row].start, row) for row in rows if known[row].start is not None)
        for place, (_, row) in enumerate(started):
            state.started[place] = row
        left = sorted((when, row) for row in rows if (when := known[row].left) is not None)
        for place, (_, row) in enumerate(left):
            state.left[place] = row
        ended = sorted((end, row) for _, row in started if (end := known[row].end) is not None and end <= clock)
        for place, (end, row) in enumerate(ended):
            state.ended[place] = row
            state.alone[row].end = end
        home.told = len(known)
        home.arrived = sum(one.submit <= clock for one in known)
        home.started = home.undone = len(started)
        home.leavers = len(left)
        home.gone = sum(when <= clock for when, _ in left)
        home.ended = len(ended)
        home.known = len(self._changes)
        home.changed = sum(when <= clock for when, _ in self._changes)
        home.free = self._units - sum(units for when, units in self._changes if when > clock)
        home.clock = clock
        resume(state, 0)

    def _renew(self) -> None:
        """Make room, and forget what ended alone before anything began that is still open."""
        clock = int(self._state.homes[0].clock)
        known = [self._standing(row) for row in range(len(self._keys))]
        open_since = [one.start for one in known if one.start is not None and (one.end is None or one.end > clock)]
        horizon = min((*open_since, clock))
        self._changes = [change for change in self._changes if change[0] > horizon]
        keep = [(key, one) for key, one in zip(self._keys, known, strict=True) if not _is_past(one, horizon)]
        self._begin(keep, clock)


def _is_past(one: Standing, horizon: int) -> bool:
    return one.end is not None and one.end <= horizon
