"""Jobs as a user sees them: one, many, a page, an array as a whole."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import JobId, SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import Seconds
from foedus.core.jobs.job import Array, Attempt, Job
from foedus.core.jobs.state import AT_SITE, ENDED, JobState
from foedus.flow.access import Caller, no_job
from foedus.flow.ports import JobFilter, Transaction
from foedus.wire.jobs import AttemptView, JobPage, JobView, StatusReply

_CURSOR = re.compile(r"[0-9]{1,18}\.(?:-1|[0-9]{1,9})")
_PROGRESS = (
    JobState.RUNNING,
    JobState.STARTING,
    JobState.BOUND,
    JobState.PENDING,
    JobState.NODE_FAIL,
    JobState.OUT_OF_MEMORY,
    JobState.TIMEOUT,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.REFUSED,
    JobState.COMPLETED,
)
"""Which state of its tasks stands for an array as a whole: the first of these that any task is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """When each site was last heard of."""

    seen: Mapping[SiteId, Instant | None]
    now: Instant
    fresh: Seconds

    def lost_since(self, job: Job) -> Instant | None:
        """Return since when what is shown of a job is only the last that is known."""
        seen = self.seen.get(job.site) if job.site else None
        if job.state not in AT_SITE or seen is None or seconds_between(seen, self.now) <= self.fresh:
            return None
        return seen


def reach(tx: Transaction, fresh: Seconds, now: Instant) -> Reach:
    """Load when each site was last heard of."""
    return Reach(seen={record.site: record.seen for record in tx.sites.all()}, now=now, fresh=fresh)


def one(tx: Transaction, caller: Caller, name: JobId, sites: Reach) -> JobView:
    """Return a job, task or array that the caller may see."""
    found = status(tx, caller, [name], sites)
    if found.absent:
        raise no_job(name)
    return found.jobs[0]


def status(tx: Transaction, caller: Caller, ids: Sequence[JobId], sites: Reach) -> StatusReply:
    """Return many at once, in a number of queries that does not grow with theirs."""
    jobs = tx.jobs.get(ids)
    arrays = tx.jobs.arrays([name for name in ids if name not in jobs])
    tally = tx.jobs.tally(list(arrays))
    specimens = tx.jobs.get(_first_tasks(arrays.values()))
    views: list[JobView] = []
    absent: list[JobId] = []
    for name in ids:
        job, array = jobs.get(name), arrays.get(name)
        if job is not None and caller.sees(job):
            views.append(job_view(job, sites))
        elif array is not None and caller.sees(array):
            views.append(_array_view(array, tally.get(name, {}), specimens[_first(array)], sites))
        else:
            absent.append(name)
    return StatusReply(jobs=views, absent=absent)


def page(tx: Transaction, which: JobFilter, cursor: str | None, limit: int, sites: Reach) -> JobPage:
    """Return a page, newest first."""
    found = tx.jobs.page(which, _read_cursor(cursor), limit + 1)
    shown = found[:limit]
    after = _write_cursor(shown[-1]) if len(found) > limit else None
    return JobPage(jobs=[job_view(job, sites) for job in shown], next=after)


def job_view(job: Job, sites: Reach) -> JobView:
    """Put a job on the wire."""
    asked = job.resources
    return JobView(
        id=job.id,
        name=job.name,
        user=job.user,
        partner=job.partner,
        project=job.project,
        purpose=job.purpose,
        state=job.state,
        reason=job.reason,
        site=job.site,
        guest=job.guest,
        attempt=job.attempt,
        nodes=asked.nodes,
        cpus=asked.cpus,
        gpus=asked.gpus,
        gpu_model=asked.gpu_model,
        time_limit_s=asked.time_limit,
        submitted=job.submitted,
        started=job.started,
        ended=job.ended,
        exit_code=job.exit_code,
        signal=job.signal,
        unreachable_since=sites.lost_since(job),
    )


def attempt_view(attempt: Attempt) -> AttemptView:
    """Put an attempt on the wire."""
    return AttemptView(
        number=attempt.number,
        site=attempt.site,
        guest=attempt.guest,
        state=attempt.state,
        native_id=attempt.native_id,
        bound=attempt.bound,
        handed=attempt.handed,
        started=attempt.started,
        ended=attempt.ended,
        outcome=attempt.outcome,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        reason=attempt.reason,
        entry=attempt.entry,
    )


def whole_state(tally: Mapping[JobState, int]) -> JobState:
    """Return the state of an array as a whole."""
    return next((state for state in _PROGRESS if tally.get(state)), JobState.PENDING)


def _array_view(array: Array, tally: Mapping[JobState, int], specimen: Job, sites: Reach) -> JobView:
    state = whole_state(tally)
    over = state in ENDED
    ran = ", ".join(f"{count} {name}" for name, count in sorted(tally.items()))
    return job_view(specimen, sites).model_copy(
        update={
            "id": array.id,
            "state": state,
            "reason": ran,
            "site": None,
            "guest": False,
            "attempt": 0,
            "started": None,
            "ended": specimen.ended if over else None,
            "exit_code": None,
            "signal": None,
            "tasks": dict(tally),
            "unreachable_since": None,
        }
    )


def _first_tasks(arrays: Iterable[Array]) -> list[JobId]:
    return [_first(array) for array in arrays]


def _first(array: Array) -> JobId:
    return JobId(f"{array.id}_{array.lowest}")


def _read_cursor(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    number, _, task = cursor.partition(".")
    if not _CURSOR.fullmatch(cursor):
        raise BadInput(
            Fault(path="cursor", fault=f"{cursor!r} is no cursor", remedy="use `next` of the page before, unchanged")
        )
    return int(number), int(task)


def _write_cursor(job: Job) -> str:
    return f"{job.number}.{-1 if job.task is None else job.task}"
