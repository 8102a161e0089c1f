"""What takes several calls: listing, waiting, following output. Written as steps, so that both faces share them."""

from collections.abc import Sequence
from dataclasses import dataclass

from foedus.client import alliance, jobs
from foedus.client.jobs import Filter, LogChunk
from foedus.client.retry import Means, exchange
from foedus.client.steps import Item, Steps, Stream, pause
from foedus.core.base.errors import NotFound
from foedus.core.base.ids import JobId
from foedus.core.jobs.state import ENDED
from foedus.wire.jobs import MOST_JOBS, JobView, StatusReply
from foedus.wire.message import WireObject

POLL_S = 20.0
"""How long the hub is asked to hold a call back."""
_BREATH_S = 1.0
"""Pause after an answer that came at once and said nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How far a wait has come."""

    jobs: tuple[JobView, ...]
    """In the order asked for."""

    @property
    def open(self) -> tuple[JobView, ...]:
        """Those that have not ended."""
        return tuple(job for job in self.jobs if job.state not in ENDED)


def each_job(which: Filter, means: Means, page_size: int | None) -> Stream[JobView]:
    """Hand out all jobs of a list, newest first."""
    cursor: str | None = None
    while True:
        page = yield from exchange(jobs.page(which, cursor, page_size), means)
        for job in page.jobs:
            yield Item(job)
        cursor = page.next
        if cursor is None:
            return


def each_entry(start: int, means: Means, page_size: int) -> Stream[WireObject]:
    """Hand out the ledger's entries from number `start` on."""
    following: int | None = start
    while following is not None:
        page = yield from exchange(alliance.ledger_entries(following, page_size), means)
        for entry in page.entries:
            yield Item(entry)
        following = page.next


def status(ids: Sequence[str], means: Means) -> Steps[StatusReply]:
    """Ask for any number of jobs, in as many calls as it takes."""
    found: list[JobView] = []
    absent: list[JobId] = []
    for first in range(0, len(ids), MOST_JOBS):
        reply = yield from exchange(jobs.status(ids[first : first + MOST_JOBS]), means)
        found.extend(reply.jobs)
        absent.extend(reply.absent)
    return StatusReply(jobs=found, absent=absent)


def waiting(ids: Sequence[str], timeout_s: float | None, means: Means) -> Stream[Waited]:
    """Hand out how far the jobs are, at first and after each change or poll, until all have ended or time is up.

    Raises `NotFound` if one of them is absent.
    """
    begun = means.clock()
    while True:
        now = yield from status(ids, means)
        if now.absent:
            raise NotFound(f"no job {', '.join(now.absent)}", remedy="see `foedus list --all`")
        waited = Waited(jobs=tuple(now.jobs))
        yield Item(waited)
        left = POLL_S if timeout_s is None else begun + timeout_s - means.clock()
        if not waited.open or left <= 0:
            return
        asked = means.clock()
        seen = yield from exchange(jobs.get(waited.open[0].id, wait_s=max(0.1, min(POLL_S, left))), means)
        if seen.state not in ENDED and means.clock() - asked < min(_BREATH_S, left):
            yield from pause(min(_BREATH_S, left))


def wait(ids: Sequence[str], timeout_s: float | None, means: Means) -> Steps[tuple[JobView, ...]]:
    """Wait until all have ended or time is up, and return where they are."""
    last: tuple[JobView, ...] = ()
    stream = waiting(ids, timeout_s, means)
    came: object = None
    while True:
        try:
            step = stream.send(came)
        except StopIteration:
            return last
        came = None
        if isinstance(step, Item):
            last = step.value.jobs
        else:
            came = yield step


def output(job: str, stream: str, attempt: int | None, means: Means, *, follow: bool) -> Stream[LogChunk]:
    """Hand out what an attempt wrote; with `follow`, what it and later attempts write until the job is over.

    Without `attempt` it is the newest one. A job that has not begun is waited for only with `follow`.
    """
    at, offset, over, cut = attempt, 0, False, False
    while True:
        asked = means.clock()
        call = jobs.log(job, stream, attempt=at, offset=offset, limit=None, wait_s=POLL_S if follow else 0)
        try:
            chunk = yield from exchange(call, means)
        except NotFound:
            if not follow or (yield from _over(job, means)):
                raise
            yield from pause(_BREATH_S)
            continue
        moved = chunk.next > offset
        if moved or (chunk.truncated and not cut):
            yield Item(chunk)
        cut = chunk.truncated
        at, offset = chunk.attempt or None, chunk.next
        if not follow and not moved:
            return
        if over and not moved:
            return
        if chunk.ended and not moved:
            later = None if attempt is not None else (yield from _later_attempt(job, chunk.attempt, means))
            if later is None:
                # the site may have sent its last words together with the news of the end
                over = True
            else:
                at, offset = later, 0
        elif not moved and means.clock() - asked < _BREATH_S:
            yield from pause(_BREATH_S)


def _over(job: str, means: Means) -> Steps[bool]:
    view = yield from exchange(jobs.get(job), means)
    return view.state in ENDED


def _later_attempt(job: str, attempt: int, means: Means) -> Steps[int | None]:
    """Wait until the job is over (`None`) or tried again (the number of the new attempt)."""
    while True:
        view = yield from exchange(jobs.get(job), means)
        if view.attempt > attempt:
            return view.attempt
        if view.state in ENDED:
            return None
        yield from pause(_BREATH_S)
