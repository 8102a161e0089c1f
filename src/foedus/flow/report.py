"""Run, seen from the hub: what an agent says of its attempts becomes the jobs' state.

A report may come twice, late, or after a newer attempt: then it is taken note of and moves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Attempt, Job, StopReason, Story, StoryKind
from foedus.core.jobs.state import ENDED, LIVE_ATTEMPT, AttemptState, Move
from foedus.flow.cancel import end_waiting
from foedus.flow.ports import BROKER, AttemptChange, JobChange, Stage, Transaction
from foedus.flow.release import after_end
from foedus.flow.rounds import rounds
from foedus.wire.agents import ReportItem, StatusItem


@dataclass(slots=True)
class _Follow:
    """What follows from several statuses, and is done for all of them together."""

    stories: list[Story] = field(default_factory=list[Story])
    ended: list[Job] = field(default_factory=list[Job])

    def write(self, tx: Transaction) -> None:
        """Append to the stories what was told so far."""
        tx.jobs.tell(self.stories)
        self.stories.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """One status, with what the hub has of it."""

    item: StatusItem
    site: SiteId
    attempt: Attempt
    job: Job
    epoch: int
    now: Instant
    follow: _Follow

    @property
    def newest(self) -> bool:
        """Whether it concerns the job's newest attempt: only that moves the job."""
        return self.job.attempt == self.item.attempt


def report(tx: Transaction, site: SiteId, items: Sequence[StatusItem], epoch: int, now: Instant) -> list[ReportItem]:
    """Take statuses of attempts, in order; return the answer to each."""
    answers: dict[int, ReportItem] = {}
    for together in rounds({number: item.job for number, item in enumerate(items)}):
        jobs = tx.jobs.get([items[number].job for number in together])
        attempts = tx.attempts.some([(items[number].job, items[number].attempt) for number in together])
        follow = _Follow()
        for number in together:
            item = items[number]
            job, attempt = jobs.get(item.job), attempts.get((item.job, item.attempt))
            words = _unfit(site, item, attempt)
            if words or job is None or attempt is None:
                answers[number] = _answer(item, accepted=False, text=words)
                continue
            _take(tx, _Report(item=item, site=site, attempt=attempt, job=job, epoch=epoch, now=now, follow=follow))
            answers[number] = _answer(item, accepted=True)
        follow.write(tx)
        after_end(tx, follow.ended, now)
    return [answers[number] for number in range(len(items))]


def _unfit(site: SiteId, item: StatusItem, attempt: Attempt | None) -> str:
    """Say why a status cannot be taken; empty if it can."""
    if attempt is None or attempt.site != site:
        return f"attempt {item.attempt} of job {item.job} was not given to {site}"
    if item.state is AttemptState.ENDED and item.outcome is None:
        return "an ended attempt needs its outcome"
    if item.requeued_as is not None and item.requeued_as != item.attempt + 1:
        return f"the attempt after {item.attempt} is {item.attempt + 1}"
    return ""


def _take(tx: Transaction, one: _Report) -> None:
    match one.item.state:
        case AttemptState.BOUND:
            pass
        case AttemptState.STARTING:
            _starting(tx, one)
        case AttemptState.RUNNING:
            _running(tx, one)
        case AttemptState.ENDED:
            _ended(tx, one)
        case AttemptState.RETURNED:
            _returned(tx, one)


def _answer(item: StatusItem, *, accepted: bool, text: str = "") -> ReportItem:
    return ReportItem(job=item.job, attempt=item.attempt, accepted=accepted, text=text)


def _change(one: _Report, allowed: frozenset[AttemptState], **changes: Instant | None) -> AttemptChange:
    item = one.item
    return AttemptChange(
        job=item.job,
        number=item.attempt,
        state=item.state,
        allowed=allowed,
        epoch=one.epoch,
        native_id=item.native_id or None,
        outcome=item.outcome,
        exit_code=item.exit_code,
        signal=item.signal,
        reason=item.reason or None,
        outputs=item.outputs,
        checkpoint=item.checkpoint,
        **changes,
    )


def _starting(tx: Transaction, one: _Report) -> None:
    if not tx.attempts.change(_change(one, frozenset({AttemptState.BOUND}), handed=one.now)):
        return
    reason = f"in the queue of {one.site}" + (f" ({one.item.reason})" if one.item.reason else "")
    _move(tx, one, Move.HAND_OVER, reason)
    _tell(one, StoryKind.HANDED_OVER, native_id=one.item.native_id)


def _running(tx: Transaction, one: _Report) -> None:
    allowed = frozenset({AttemptState.BOUND, AttemptState.STARTING})
    handed = one.now if one.attempt.handed is None else None
    if not tx.attempts.change(_change(one, allowed, handed=handed, started=one.item.started or one.now)):
        return
    if one.newest:
        started = one.item.started or one.now
        change = JobChange(
            job=one.job.id,
            move=Move.RUN,
            at=one.now,
            reason=f"runs at {one.site}",
            fence=one.item.attempt,
            started=started,
        )
        if tx.jobs.change(change) and one.job.started is None:
            # the site's clock may be behind the hub's
            tx.waited(Stage.START, max(0.0, seconds_between(one.job.submitted, started)))
    _tell(one, StoryKind.RUNNING, native_id=one.item.native_id)


def _ended(tx: Transaction, one: _Report) -> None:
    item = one.item
    changed = tx.attempts.change(_change(one, LIVE_ATTEMPT, started=item.started, ended=item.ended or one.now))
    if changed:
        kind = StoryKind.REQUEUED if item.requeued_as else StoryKind.ENDED
        facts = {"home": True, "checkpoint": item.checkpoint is not None} if item.back else {}
        _tell(
            one,
            kind,
            outcome=item.outcome,
            exit_code=item.exit_code,
            signal=item.signal,
            reason=item.reason,
            ran=_ran(item),
            **facts,
        )
    elif item.outputs is not None and one.attempt.state is AttemptState.ENDED:
        late = frozenset({AttemptState.ENDED})
        outputs = AttemptChange(job=item.job, number=item.attempt, state=item.state, allowed=late, outputs=item.outputs)
        tx.attempts.change(outputs)
    if item.requeued_as is not None:
        _next(tx, one, item.requeued_as)
    elif changed and one.newest and item.back:
        _back(tx, one)
    elif changed and one.newest:
        _end(tx, one)


def _ran(item: StatusItem) -> int:
    """Return the seconds that an attempt has run."""
    return 0 if item.started is None or item.ended is None else round(seconds_between(item.started, item.ended))


def _back(tx: Transaction, one: _Report) -> None:
    """Let a job that was called home wait for its place there; it is not over, and its attempts stay as they are."""
    reason = f"called home from {one.site}; {'its progress came along' if one.item.checkpoint else 'it begins anew'}"
    change = JobChange(
        job=one.job.id, move=Move.RETURN, at=one.now, reason=reason, fence=one.item.attempt, clear_run=True
    )
    if tx.jobs.change(change):
        _again(tx, one, one.job.sites)


def _end(tx: Transaction, one: _Report) -> None:
    item = one.item
    reason = item.reason or f"{item.outcome} at {one.site}"
    change = JobChange(
        job=one.job.id,
        move=Move.END,
        outcome=item.outcome,
        at=one.now,
        reason=reason,
        fence=item.attempt,
        started=item.started,
        ended=item.ended or one.now,
        exit_code=item.exit_code,
        signal=item.signal,
    )
    if tx.jobs.change(change):
        one.follow.ended.append(one.job)
        tx.ring(BROKER)


def _next(tx: Transaction, one: _Report, number: int) -> None:
    """Open the attempt that the site began by queueing the job again."""
    if not one.newest or tx.attempts.get(one.job.id, number) is not None:
        return
    revived = one.job.state in ENDED
    change = JobChange(
        job=one.job.id,
        move=Move.REVIVE if revived else Move.REQUEUE,
        at=one.now,
        reason=f"queued again by {one.site} ({one.item.outcome})",
        fence=one.item.attempt,
        attempt=number,
        site=one.site,
        guest=one.attempt.guest,
        clear_run=True,
    )
    if not tx.jobs.change(change):
        return
    if revived:
        # It came back after its budget was released: it is set aside again even if the allocation has no room for it,
        # since the job runs in any case.
        tx.projects.settle(one.job.project, released=GpuSeconds(-one.job.reserved), used=GpuSeconds(0))
        _tell(one, StoryKind.REVIVED, next=number)
    attempt = Attempt(
        job=one.job.id,
        number=number,
        site=one.site,
        state=AttemptState.STARTING,
        guest=one.attempt.guest,
        epoch=one.epoch,
        native_id=one.item.native_id or one.attempt.native_id,
        bound=one.now,
        offered=one.now,
        handed=one.now,
        stop=_still_asked(one),
    )
    tx.attempts.add([attempt])


def _still_asked(one: _Report) -> StopReason | None:
    """Say why the next attempt at the same site is to end at once: what was asked of the one before still holds."""
    if one.job.cancel:
        return StopReason.CANCEL
    return StopReason.HOME if one.attempt.stop is StopReason.HOME else None


def _returned(tx: Transaction, one: _Report) -> None:
    item = one.item
    # What was called back may have begun to run, and the hub may have heard of that, before the site ended it.
    called_back = one.attempt.stop in {StopReason.RECALL, StopReason.HOME}
    allowed = LIVE_ATTEMPT if called_back else LIVE_ATTEMPT - {AttemptState.RUNNING}
    if not tx.attempts.change(_change(one, allowed, ended=one.now)):
        return
    _tell(one, StoryKind.RETURNED, reason=item.reason, policy=list(item.policy), final=item.final)
    if not one.newest:
        return
    left = tuple(site for site in one.job.sites if site != one.site) if item.final else one.job.sites
    change = JobChange(
        job=one.job.id,
        move=Move.RETURN,
        at=one.now,
        reason=f"given back by {one.site}: {item.reason}",
        fence=item.attempt,
        sites=left,
        clear_run=True,
    )
    if tx.jobs.change(change):
        _again(tx, one, left)


def _again(tx: Transaction, one: _Report, left: tuple[SiteId, ...]) -> None:
    """After a return: cancelled meanwhile, refused by every site, or placed anew."""
    # Looked at again under the lock of the change: a cancel may have come since the job was loaded.
    if tx.jobs.get([one.job.id])[one.job.id].cancel:
        one.follow.write(tx)
        end_waiting(tx, one.job, f"cancelled before {one.site} started it", one.now)
    elif not left:
        reason = f"no site is left that would take it; {one.site} said: {one.item.reason}"
        if tx.jobs.change(JobChange(job=one.job.id, move=Move.REFUSE, at=one.now, reason=reason, ended=one.now)):
            _tell(one, StoryKind.REFUSED, reason=reason)
            one.follow.ended.append(one.job)
    else:
        tx.ring(BROKER)


def _move(tx: Transaction, one: _Report, move: Move, reason: str) -> None:
    if one.newest:
        tx.jobs.change(JobChange(job=one.job.id, move=move, at=one.now, reason=reason, fence=one.item.attempt))


def _tell(one: _Report, kind: StoryKind, **data: str | int | bool | list[str] | None) -> None:
    facts = {"attempt": one.item.attempt, "site": one.site, **data}
    one.follow.stories.append(Story(job=one.job.id, at=one.now, kind=kind, data=facts))
