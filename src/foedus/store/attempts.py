"""Attempts of jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, Select, TextClause, Update, bindparam, func, select, text, tuple_, update

from foedus.core.base.errors import Conflict
from foedus.core.base.ids import Digest, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Attempt, StopReason
from foedus.core.jobs.state import LIVE_ATTEMPT, AttemptState, Outcome
from foedus.flow.ports import AttemptChange, Recent
from foedus.store.codec import resources_from
from foedus.store.session import AnyRow, Session, Ts, Values, along, chunks
from foedus.store.tables import BY_TO_STOP, BY_UNBOOKED, ENTERED, TO_STOP, UNBOOKED, jobs
from foedus.store.tables import attempts as table

_OLDEST_FIRST: Final = (table.c.bound, table.c.job, table.c.number)
_WAITING: Final = LIVE_ATTEMPT - {AttemptState.RUNNING}
_PLAIN: Final = (
    "epoch", "native_id", "handed", "started", "ended", "exit_code", "signal", "reason", "outputs",
    "checkpoint",
)  # fmt: skip
_MAY_STOP: Final = {
    StopReason.CANCEL: (LIVE_ATTEMPT, (StopReason.HOME, StopReason.RECALL)),
    StopReason.HOME: (frozenset({AttemptState.RUNNING}), (StopReason.RECALL,)),
    StopReason.RECALL: (_WAITING, ()),
}
"""In which states an end may be asked for, and in place of what."""
_ONE: Final = (table.c.job == bindparam("which"), table.c.number == bindparam("what"))
_GET: Final = select(table).where(*_ONE)
_BOOKED: Final = update(table).where(*_ONE, table.c.entry.is_(None)).values(entry=bindparam("new_entry"))


@dataclass(frozen=True, slots=True)
class SqlAttempts:
    """The port `Attempts`."""

    _session: Session

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Store new attempts."""
        known = self.some([(attempt.job, attempt.number) for attempt in attempts])
        for job, number in known:
            raise Conflict(f"attempt {number} of job {job} exists already")
        self._session.add(table, [_values(attempt) for attempt in attempts])

    def get(self, job: JobId, number: int) -> Attempt | None:
        """Load one."""
        row = self._session.first(_GET, {"which": job, "what": number})
        return None if row is None else _attempt(row)

    def some(self, keys: Sequence[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], Attempt]:
        """Load several."""
        found: dict[tuple[JobId, int], Attempt] = {}
        for part in chunks(sorted(set(keys))):
            rows = self._session.rows(select(table).where(tuple_(table.c.job, table.c.number).in_(part)))
            found.update(((JobId(row.job), row.number), _attempt(row)) for row in rows)
        return found

    def of(self, job: JobId) -> Sequence[Attempt]:
        """Load all attempts of a job, in order."""
        return self._attempts(table.c.job == job, order=(table.c.number,))

    def at(self, site: SiteId, states: frozenset[AttemptState]) -> Sequence[Attempt]:
        """Load the attempts of a site in these states, oldest first."""
        return self._attempts(table.c.site == site, _in(states))

    def recent(self, handed: Instant, started: Instant) -> Sequence[Recent]:
        """Load what a site's word about its room may not know of yet."""
        found = [
            *self._recent(AttemptState.BOUND),
            *self._recent(AttemptState.STARTING, handed),
            *self._recent(AttemptState.RUNNING, started),
        ]
        return [
            Recent(
                site=SiteId(row.site),
                state=AttemptState(row.state),
                since=Instant(row.since),
                resources=resources_from(row.resources),
                guest=row.guest,
            )
            for row in found
        ]

    def unfetched(self, before: Instant) -> Sequence[Attempt]:
        """Load what nobody came for, oldest first."""
        bound = select(table).where(_is(AttemptState.BOUND), table.c.bound < before, table.c.offered.is_(None))
        return [
            _attempt(row) for row in self._session.rows(_by_entry(bound.order_by(*_OLDEST_FIRST), AttemptState.BOUND))
        ]

    def overdue(self, before: Instant, limit: int) -> Sequence[Attempt]:
        """Load what waits too long, the longest first."""
        asked_back = table.c.stop.is_(None) | (table.c.stop == StopReason.RECALL.value)
        waiting = select(table).where(_is(AttemptState.STARTING), table.c.handed < before, asked_back)
        first = waiting.order_by(table.c.handed, table.c.job).limit(limit)
        return [_attempt(row) for row in self._session.rows(_by_entry(first, AttemptState.STARTING))]

    def to_stop(self, site: SiteId) -> Sequence[Attempt]:
        """Load live attempts that are to end, oldest first; a recall is moot once the attempt runs."""
        wanted = (table.c.stop != StopReason.RECALL.value) | _in(_WAITING)
        to_stop = select(table).where(TO_STOP, table.c.site == site, wanted).order_by(*_OLDEST_FIRST)
        return [_attempt(row) for row in self._session.rows(along(to_stop, table, BY_TO_STOP))]

    def change(self, change: AttemptChange) -> bool:
        """Change one, if its state allows it."""
        values: Values = {"state": change.state.value}
        for column in _PLAIN:
            value = getattr(change, column)
            if value is not None:
                values[column] = value
        if change.outcome is not None:
            values["outcome"] = change.outcome.value
        named = {f"new_{column}": value for column, value in values.items()}
        guarded = _guarded(tuple(values), change.allowed)
        return self._session.changes(guarded, {**named, "which": change.job, "what": change.number}) == 1

    def offer(self, attempts: Sequence[tuple[JobId, int]], at: Instant) -> frozenset[tuple[JobId, int]]:
        """Note that these are given to the agent; return those that are still bound, which alone may be given."""
        given: set[tuple[JobId, int]] = set()
        for part in chunks(sorted(attempts)):
            bound = (tuple_(table.c.job, table.c.number).in_(part), table.c.state == AttemptState.BOUND.value)
            noted = update(table).where(*bound).values(offered=func.coalesce(table.c.offered, at))
            rows = self._session.rows(noted.returning(table.c.job, table.c.number))
            given.update((JobId(row.job), row.number) for row in rows)
        return frozenset(given)

    def returned(self, jobs: Sequence[JobId], since: Instant) -> Mapping[JobId, frozenset[SiteId]]:
        """Load the sites that gave a job back later than `since`."""
        found: dict[JobId, frozenset[SiteId]] = {}
        for part in chunks(jobs):
            lately = (table.c.job.in_(part), table.c.state == AttemptState.RETURNED.value, table.c.ended > since)
            for row in self._session.rows(select(table.c.job, table.c.site).where(*lately)):
                found[JobId(row.job)] = found.get(JobId(row.job), frozenset()) | {SiteId(row.site)}
        return found

    def withdraw(self, job: JobId, number: int, reason: str) -> bool:
        """Return a bound attempt that was never given to its agent."""
        unseen = (*_key(job, number), table.c.state == AttemptState.BOUND.value, table.c.offered.is_(None))
        returned = update(table).where(*unseen).values(state=AttemptState.RETURNED.value, reason=reason)
        return self._session.changes(returned) == 1

    def ask_stop(self, job: JobId, number: int, why: StopReason) -> bool:
        """Ask for the end of a live attempt: a recall only while it waits, home only while it runs."""
        states, weaker = _MAY_STOP[why]
        may = _in(states) & (table.c.stop.is_(None) | table.c.stop.in_([one.value for one in weaker]))
        return self._session.changes(update(table).where(*_key(job, number), may).values(stop=why.value)) == 1

    def booked(self, entries: Mapping[tuple[JobId, int], int]) -> None:
        """Note the ledger entries of attempts."""
        if entries:
            named = [{"which": job, "what": number, "new_entry": seq} for (job, number), seq in sorted(entries.items())]
            self._session.changes(_BOOKED, named)

    def unbooked(self, before: Instant, limit: int, site: SiteId | None = None) -> Sequence[Attempt]:
        """Load attempts that ended before an instant and that no entry books, those that ended first first."""
        missing = select(table).where(UNBOOKED, table.c.ended < before).order_by(table.c.ended, table.c.job)
        if site is not None:
            missing = missing.where(table.c.site == site)
        rows = self._session.rows(along(missing, table, BY_UNBOOKED).limit(limit))
        return [_attempt(row) for row in rows]

    def count_unbooked(self) -> Mapping[SiteId, int]:
        """Count the attempts that ended and have no ledger entry, by site."""
        missing = select(table.c.site, func.count()).where(UNBOOKED).group_by(table.c.site)
        return {SiteId(site): count for site, count in self._session.rows(along(missing, table, BY_UNBOOKED))}

    def ended(self) -> Mapping[SiteId, int]:
        """Count the attempts that ended, by site."""
        over = select(table.c.site, func.count()).where(_in(frozenset({AttemptState.ENDED}))).group_by(table.c.site)
        return {SiteId(site): count for site, count in self._session.rows(over)}

    def outputs(self, job: JobId, number: int) -> Digest | None:
        """Return the manifest of its outputs."""
        found = self._session.scalar(select(table.c.outputs).where(*_key(job, number)))
        return None if found is None else Digest(found)

    def _recent(self, state: AttemptState, since: Instant | None = None) -> Sequence[AnyRow]:
        entered = table.c[ENTERED[state]]
        columns = (table.c.site, table.c.state, entered.label("since"), jobs.c.resources, table.c.guest)
        found = select(*columns).where(_is(state), jobs.c.id == table.c.job)
        return self._session.rows(_by_entry(found if since is None else found.where(entered >= since), state))

    def _attempts(
        self, *where: ColumnElement[bool], order: Sequence[ColumnElement[object]] = _OLDEST_FIRST
    ) -> Sequence[Attempt]:
        return [_attempt(row) for row in self._session.rows(select(table).where(*where).order_by(*order))]


@lru_cache(maxsize=256)
def _guarded(columns: tuple[str, ...], allowed: frozenset[AttemptState]) -> Update:
    """Build a change once: there are few of them, and they are most of what is written."""
    guarded = update(table).where(*_ONE, _in(allowed))
    return guarded.values({column: bindparam(f"new_{column}") for column in columns})


def _is(state: AttemptState) -> TextClause:
    """Write the predicate of a state's index so that it is of this table among others."""
    return text(f"{table.name}.state = '{state}'")


def _by_entry(query: Select[*Ts], state: AttemptState) -> Select[*Ts]:
    return along(query, table, f"ix_attempts_{ENTERED[state]}")


def _key(job: JobId, number: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.job == job, table.c.number == number


def _in(states: frozenset[AttemptState]) -> ColumnElement[bool]:
    return table.c.state.in_([state.value for state in sorted(states)])


def _values(attempt: Attempt) -> Values:
    return {
        "job": attempt.job,
        "number": attempt.number,
        "site": attempt.site,
        "state": attempt.state.value,
        "guest": attempt.guest,
        "epoch": attempt.epoch,
        "native_id": attempt.native_id,
        "bound": attempt.bound,
        "offered": attempt.offered,
        "handed": attempt.handed,
        "started": attempt.started,
        "ended": attempt.ended,
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "reason": attempt.reason,
        "stop": None if attempt.stop is None else attempt.stop.value,
        "entry": attempt.entry,
        "checkpoint": attempt.checkpoint,
    }


def _attempt(row: AnyRow) -> Attempt:
    return Attempt(
        job=JobId(row.job),
        number=row.number,
        site=SiteId(row.site),
        state=AttemptState(row.state),
        guest=row.guest,
        epoch=row.epoch,
        native_id=row.native_id,
        bound=Instant(row.bound),
        offered=row.offered,
        handed=row.handed,
        started=row.started,
        ended=row.ended,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        exit_code=row.exit_code,
        signal=row.signal,
        reason=row.reason,
        stop=None if row.stop is None else StopReason(row.stop),
        entry=row.entry,
        checkpoint=row.checkpoint,
    )
