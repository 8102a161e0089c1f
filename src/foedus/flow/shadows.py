"""The shadows of all sites, kept beside reality by the process that places jobs.

What they know is in the database: a process that takes over begins from there. They are fed from what the use cases
noted, so that none of these waits for them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from foedus.core.agreement.admit import nodes_of
from foedus.core.agreement.model import Agreement
from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.jobs.job import Job
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import ENDED, JobState
from foedus.core.placement.homes import fit, parts
from foedus.core.placement.standalone import StandAlone, Standing
from foedus.flow.ports import AloneRecord, Transaction

Read: TypeAlias = Callable[[], AbstractContextManager[Transaction]]
Write: TypeAlias = Callable[[Callable[[Transaction], None]], None]
Part: TypeAlias = tuple[SiteId, str]

_MOST = 10_000
"""Records that are looked at in one pass."""
_NO_LIMIT_S = 366 * 86_400
_ENDED_BY_ITSELF = ENDED - {JobState.CANCELLED, JobState.REFUSED}


@dataclass(slots=True)
class LiveShadows:
    """What each partner's jobs would do on its own site alone, and which of them are *due*: they would have started."""

    _parts: dict[Part, StandAlone[JobId]] = field(default_factory=dict[Part, StandAlone[JobId]])
    _records: dict[JobId, AloneRecord] = field(default_factory=dict[JobId, AloneRecord])
    """Of the jobs that the shadows remember."""
    _waiting: dict[JobId, Instant] = field(default_factory=dict[JobId, Instant])
    """Due jobs that may still wait, with their starts alone."""
    _begun: bool = False

    def forget(self) -> None:
        """Begin anew from the database next time."""
        self._parts.clear()
        self._records.clear()
        self._waiting.clear()
        self._begun = False

    def is_due(self, job: JobId) -> bool:
        """Say whether a job that has not ended would have started alone by now."""
        record = self._records.get(job)
        return record is not None and not record.over and record.start is not None

    def start_of(self, job: JobId) -> Instant | None:
        """Return when a job started alone."""
        record = self._records.get(job)
        return None if record is None else record.start

    def waiting(self, most: int) -> list[JobId]:
        """Return due jobs that may still wait, those first that would have started first."""
        return sorted(self._waiting, key=lambda job: self._waiting[job])[:most]

    def placed(self, jobs: Sequence[JobId]) -> None:
        """Note that due jobs do not wait any more."""
        for job in jobs:
            self._waiting.pop(job, None)

    def waits(self, job: JobId) -> None:
        """Note that a due job waits again."""
        start = self.start_of(job)
        if start is not None:
            self._waiting[job] = start

    def follow(self, read: Read, write: Write, agreement: Agreement, now: Instant) -> None:
        """Take in what is new, go on to the present instant, and write down what follows."""
        try:
            with read() as tx:
                nodes = _nodes(tx, agreement)
                if not self._begun:
                    self._begin(tx.shadows.unsettled(), nodes)
                fresh = tx.shadows.fresh(_MOST)
            changed = self._take(fresh, agreement, nodes, now)
            if changed:
                write(lambda tx: tx.shadows.write(changed))
        except BaseException:
            self.forget()
            raise

    def _begin(self, records: Sequence[AloneRecord], nodes: Mapping[SiteId, Sequence[NodeGroup]]) -> None:
        known: dict[Part, list[tuple[JobId, Standing]]] = {}
        for record in records:
            if record.home is not None:
                known.setdefault((record.home, record.part), []).append((record.job, _standing(record)))
                self._records[record.job] = record
        for part, jobs in known.items():
            instants = [value for _, one in jobs for value in (one.submit, one.start, one.left) if value is not None]
            self._parts[part] = StandAlone(_units(nodes, part), jobs, max(instants))
        for record in records:
            if self.is_due(record.job):
                self.waits(record.job)
        self._begun = True

    def _take(
        self,
        fresh: Sequence[tuple[AloneRecord, Job]],
        agreement: Agreement,
        nodes: Mapping[SiteId, Sequence[NodeGroup]],
        now: Instant,
    ) -> list[AloneRecord]:
        for part, shadow in self._parts.items():
            if _units(nodes, part) != shadow.units:
                shadow.resized(_units(nodes, part), _seconds(now))
        told: dict[JobId, AloneRecord] = {}
        for record, job in fresh:
            told[record.job] = self._tell(record, job, agreement, nodes)
        for record, job in sorted(fresh, key=lambda pair: pair[1].ended or 0):
            if record.over:
                told[record.job] = self._end(told[record.job], job)
        self._records |= {name: record for name, record in told.items() if record.home is not None}
        turned = [name for shadow in self._parts.values() for name in shadow.advance(_seconds(now))]
        changed = told | {name: self._records[name] for name in turned if name in self._records}
        written = {name: self._written(record) for name, record in changed.items()}
        self._note(written)
        return list(written.values())

    def _tell(
        self, record: AloneRecord, job: Job, agreement: Agreement, nodes: Mapping[SiteId, Sequence[NodeGroup]]
    ) -> AloneRecord:
        """Let a shadow know of a job that is new to it."""
        known = self._records.get(record.job)
        if known is not None or record.home is not None:
            return replace(known or record, over=record.over)
        homed = _at_home(record, job, agreement, nodes)
        if homed.home is not None:
            part = (homed.home, homed.part)
            if part not in self._parts:
                self._parts[part] = StandAlone(_units(nodes, part))
            self._parts[part].submitted(homed.job, _seconds(homed.arrived), homed.width, homed.limit)
        return homed

    def _end(self, record: AloneRecord, job: Job) -> AloneRecord:
        """Let its shadow know how a job ended, the first time."""
        if record.run is not None or record.left is not None:
            return record
        ended = job.ended if job.ended is not None else job.changed
        by_itself = job.state in _ENDED_BY_ITSELF
        if record.home is not None:
            shadow = self._parts[record.home, record.part]
            if by_itself:
                shadow.ran(record.job, round(seconds_between(job.started or ended, ended)))
            else:
                shadow.leave(record.job, _seconds(ended))
        if not by_itself:
            return record
        return replace(record, ended=ended, month=f"{datetime.fromtimestamp(ended / 1000, UTC):%Y-%m}")

    def _written(self, record: AloneRecord) -> AloneRecord:
        shadow = None if record.home is None else self._parts.get((record.home, record.part))
        if shadow is None or record.job not in shadow:
            return record
        standing = shadow.standing(record.job)
        return replace(
            record,
            start=_instant(standing.start),
            run=standing.run,
            left=_instant(standing.left),
            end=_instant(standing.end),
        )

    def _note(self, written: Mapping[JobId, AloneRecord]) -> None:
        """Remember what was written, and forget what the shadows have forgotten."""
        for name, record in written.items():
            if record.home is None:
                continue
            self._records[name] = record
            if self.is_due(name):
                self.waits(name)
            else:
                self._waiting.pop(name, None)
        if len(self._records) > 2 * sum(map(len, self._parts.values())) + _MOST:
            self._records = {
                name: record
                for name, record in self._records.items()
                if record.home is not None and name in self._parts[record.home, record.part]
            }


def _nodes(tx: Transaction, agreement: Agreement) -> Mapping[SiteId, Sequence[NodeGroup]]:
    """Return the nodes of each site when they are empty: as it says, or where it never spoke as the agreement does."""
    said = {record.site: record.capacity for record in tx.sites.all()}
    found: dict[SiteId, Sequence[NodeGroup]] = {}
    for site in agreement.sites:
        capacity = said.get(site.id)
        lane = capacity.owner if capacity else None
        found[site.id] = lane.whole if lane and lane.whole else [nodes_of(pool) for pool in site.pools]
    return found


def _at_home(
    record: AloneRecord, job: Job, agreement: Agreement, nodes: Mapping[SiteId, Sequence[NodeGroup]]
) -> AloneRecord:
    """Find the first of its partner's own sites on which a job fits."""
    for site in agreement.homes(job.partner):
        found = fit(job.resources, nodes[site.id]) if site.id in job.sites or job.site == site.id else None
        if found is not None:
            limit = job.resources.time_limit or _NO_LIMIT_S
            return replace(record, home=site.id, part=found.part, width=found.width, limit=limit)
    return record


def _units(nodes: Mapping[SiteId, Sequence[NodeGroup]], part: Part) -> int:
    site, name = part
    return parts(nodes.get(site, ())).get(name, 0)


def _standing(record: AloneRecord) -> Standing:
    return Standing(
        submit=_seconds(record.arrived),
        width=record.width,
        limit=record.limit,
        start=None if record.start is None else _seconds(record.start),
        run=record.run,
        left=None if record.left is None else _seconds(record.left),
    )


def _seconds(instant: Instant) -> int:
    return instant // 1000


def _instant(seconds: int | None) -> Instant | None:
    return None if seconds is None else Instant(seconds * 1000)
