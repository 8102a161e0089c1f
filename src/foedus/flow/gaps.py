"""Gaps: what the sites ran and have not accounted for, found by counting what they were given.

A record that comes late still counts in the period in which its attempt ended, and its entry says when it was booked.
"""

from foedus.core.agreement.model import Agreement
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant, after
from foedus.core.jobs.job import Attempt, Job
from foedus.core.jobs.state import AttemptState
from foedus.flow.ports import Transaction
from foedus.wire.ledger import GapCount, GapKind, GapList, GapView

LATE_S = 300
"""How long after its end an attempt's record may take: the site's accounting may lag behind its queue."""
OVERDUE_S = 3600
"""How long beyond its time limit an attempt may be said to run: a scheduler has its own grace."""
_MOST = 1000


def gap_list(tx: Transaction, agreement: Agreement, now: Instant) -> GapList:
    """Return everything that is missing by now."""
    missing = [_unbooked(attempt) for attempt in tx.attempts.unbooked(after(now, -LATE_S), _MOST)]
    overdue = {site.id: _overdue(tx, site.id, now) for site in agreement.sites}
    ended = tx.attempts.ended()
    unbooked = tx.attempts.count_unbooked()
    counts = [
        GapCount(
            site=site.id,
            ended=ended.get(site.id, 0),
            booked=ended.get(site.id, 0) - unbooked.get(site.id, 0),
            overdue=len(overdue[site.id]),
        )
        for site in agreement.sites
    ]
    gaps = sorted([*missing, *(gap for found in overdue.values() for gap in found)], key=lambda gap: gap.since)
    return GapList(sites=counts, gaps=gaps[:_MOST])


def _unbooked(attempt: Attempt) -> GapView:
    since = attempt.ended or attempt.bound
    words = attempt.reason or f"{attempt.outcome}; no record of it has come"
    return _gap(attempt, GapKind.UNBOOKED, since, words)


def _overdue(tx: Transaction, site: SiteId, now: Instant) -> list[GapView]:
    running = tx.attempts.at(site, frozenset({AttemptState.RUNNING}))
    jobs = tx.jobs.get([attempt.job for attempt in running])
    ends = [(attempt, _due(attempt, jobs[attempt.job])) for attempt in running if attempt.job in jobs]
    return [
        _gap(attempt, GapKind.OVERDUE, end, "its time limit is over, and the site says that it runs")
        for attempt, end in ends
        if end is not None and after(end, OVERDUE_S) < now
    ]


def _due(attempt: Attempt, job: Job) -> Instant | None:
    limit = job.resources.time_limit
    return None if limit is None or attempt.started is None else after(attempt.started, limit)


def _gap(attempt: Attempt, kind: GapKind, since: Instant, text: str) -> GapView:
    return GapView(job=attempt.job, attempt=attempt.number, site=attempt.site, kind=kind, since=since, text=text)
