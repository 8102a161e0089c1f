"""Why: the story of a job, told from what the stages left behind and from where it stands now."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from foedus.core.agreement.model import Agreement, in_language
from foedus.core.base.ids import ClauseId, JobId, array_task
from foedus.core.base.instant import Instant
from foedus.core.base.units import hours
from foedus.core.jobs.job import Array, Job, Story, StoryKind
from foedus.core.jobs.state import JobState
from foedus.core.placement.decide import Considered, consider
from foedus.flow.access import Caller, visible_whole
from foedus.flow.alone import alone_view
from foedus.flow.place import PlaceRules, sites_now, waiting_job
from foedus.flow.ports import Transaction
from foedus.flow.views import attempt_view, job_view, one, reach
from foedus.wire.jobs import StoryLine, WhyView

_Data = Mapping[str, object]
_MINUTE = 60


def why(
    tx: Transaction,
    caller: Caller,
    name: JobId,
    agreement: Agreement,
    rules: PlaceRules,
    *,
    language: str,
    now: Instant,
) -> WhyView:
    """Tell the story of a job or task; of an array as a whole what all its tasks have in common."""
    found = visible_whole(tx, caller, name)
    sites = reach(tx, rules.fresh, now)
    told = tx.jobs.story(name)
    story = [_line(line, agreement, language) for line in told]
    if isinstance(found, Array):
        view = one(tx, caller, name, sites)
        example = array_task(found.id, found.lowest)
        reason = view.reason.rstrip(".")
        answer = f"It is an array of {found.count} tasks: {reason}. See `foedus why {example}` for one of them."
        return WhyView(job=view, attempts=[], story=story, answer=answer)
    considered = _considered(tx, found, agreement, rules, now)
    alone, saved = alone_view(tx, found, now)
    return WhyView(
        job=job_view(found, sites),
        attempts=[attempt_view(attempt) for attempt in tx.attempts.of(name)],
        story=story,
        answer=_refusal(told, agreement, language) or _answer(found, considered),
        alone=alone,
        saved=saved,
    )


def _considered(
    tx: Transaction, job: Job, agreement: Agreement, rules: PlaceRules, now: Instant
) -> tuple[Considered, ...]:
    """Ask placement's own rule what stands between a waiting job and each of its sites at this moment."""
    if job.state is not JobState.PENDING or job.held:
        return ()
    return consider(waiting_job(tx, job, agreement, rules, now), sites_now(tx, agreement, rules, now))


def _answer(job: Job, considered: tuple[Considered, ...]) -> str:
    at = f"{job.site}{' as a guest' if job.guest else ''}"
    words = {
        JobState.PENDING: f"It waits: {_waits(considered) or job.reason}.",
        JobState.BOUND: f"It was given to {at}; its agent has not confirmed yet.",
        JobState.STARTING: f"It waits in the queue of {at}: {job.reason}.",
        JobState.RUNNING: f"It runs at {at}, attempt {job.attempt}.",
        JobState.REFUSED: f"It was refused: {job.reason.rstrip('.')}.",
    }
    if job.site is None and job.state is JobState.CANCELLED:
        return f"It was cancelled: {job.reason}."
    code = "" if job.exit_code is None else f" (exit code {job.exit_code})"
    return words.get(job.state, f"It ended at {at}, attempt {job.attempt}: {job.state}{code}.")


def _refusal(story: Sequence[Story], agreement: Agreement, language: str) -> str:
    """Say what an admission that ended in a refusal found, and what to do about it; nothing if there was none."""
    refused = next((line.data for line in story if line.kind is StoryKind.REFUSED and line.data.get("reasons")), None)
    if refused is None:
        return ""
    faults = "; ".join(words.rstrip(".") for words in _reasons(refused, "reasons", agreement, language, " forbids it"))
    remedies = dict.fromkeys(str(reason["remedy"]) for reason in _objects(refused, "reasons"))
    return " ".join((f"It was refused: {faults}.", *(f"{one[:1].upper()}{one[1:].rstrip('.')}." for one in remedies)))


def _waits(considered: tuple[Considered, ...]) -> str:
    """Say what was found at each site. Where one could start it now, only older jobs can still be in its way."""
    return "; ".join(
        f"{found.site}: {found.text if found.hindrance else 'it has room, and gets the job unless an older one does'}"
        for found in considered
    )


def _line(line: Story, agreement: Agreement, language: str) -> StoryLine:
    text = _TELL[line.kind](line.data, agreement, language)
    return StoryLine(at=line.at, kind=line.kind, text=text, data=dict(line.data))


def _submitted(data: _Data, _agreement: Agreement, _language: str) -> str:
    tasks = data.get("tasks", 1)
    notices = _texts(data, "notices")
    return ("Submitted" if tasks == 1 else f"Submitted as an array of {tasks} tasks") + "".join(
        f"; {notice}" for notice in notices
    )


def _admitted(data: _Data, agreement: Agreement, language: str) -> str:
    sites = ", ".join(_texts(data, "sites"))
    cost = hours(cast("int", data.get("cost", 0)))
    refusals = "".join(f"; not {reason}" for reason in _reasons(data, "refusals", agreement, language))
    return f"Admitted under version {data['agreement']} for {sites}, at most {cost} GPU-hours{refusals}"


def _refused(data: _Data, agreement: Agreement, language: str) -> str:
    reasons = _reasons(data, "reasons", agreement, language)
    return "Refused: " + ("; ".join(reasons) or str(data.get("reason", "")))


def _reasons(data: _Data, key: str, agreement: Agreement, language: str, does: str = "") -> list[str]:
    """Say each reason once, with all the sites that gave it."""
    sites: dict[str, list[str]] = {}
    for reason in _objects(data, key):
        clause = agreement.clause(ClauseId(str(reason["clause"]))) if reason.get("clause") else None
        words = f"clause {clause.id}{does}: {in_language(clause.text, language)}" if clause else str(reason["text"])
        sites.setdefault(words, []).extend([str(reason["site"])] if reason.get("site") else [])
    return [f"{', '.join(where)}: {words}" if where else words for words, where in sites.items()]


def _bound(data: _Data, _agreement: Agreement, _language: str) -> str:
    others = [one for one in _objects(data, "considered") if one["site"] != data["site"]]
    passed = "".join(f"; {one['site']}: {one['text']}" for one in others)
    guest = " as a guest" if data.get("guest") else ""
    return f"Bound to {data['site']}{guest}, attempt {data['attempt']}: it could start it at once{passed}"


def _returned(data: _Data, _agreement: Agreement, _language: str) -> str:
    policies = _texts(data, "policy")
    whose = f"; local policy: {', '.join(policies)}" if policies else ""
    again = "; it will not take this job later either" if data.get("final") else ""
    if data.get("by"):
        return f"Taken back from {data['site']} by {data['by']} (attempt {data['attempt']}): {data.get('reason', '')}"
    return f"Given back by {data['site']} (attempt {data['attempt']}): {data.get('reason', '')}{whose}{again}"


def _ended(data: _Data, _agreement: Agreement, _language: str) -> str:
    words = f" ({data['reason']})" if data.get("reason") else ""
    signal = f", signal {data['signal']}" if data.get("signal") else ""
    code = "" if data.get("exit_code") is None else f", exit code {data['exit_code']}"
    if data.get("home"):
        progress = "with its checkpoint" if data.get("checkpoint") else "without a checkpoint: it begins anew"
        return f"Attempt {data['attempt']} ran {_duration(data)} at {data['site']}, called home {progress}{words}"
    return f"Attempt {data['attempt']} at {data['site']}: {data['outcome']}{code}{signal}{words}"


def _requeued(data: _Data, _agreement: Agreement, _language: str) -> str:
    after = f" after {_duration(data)}" if data.get("ran") else ""
    return f"Attempt {data['attempt']} at {data['site']} was {data['outcome']}{after}; the site queued the job again"


def _duration(data: _Data) -> str:
    """Say how long an attempt ran."""
    seconds = cast("int", data.get("ran", 0))
    return f"{seconds} s" if seconds < _MINUTE else f"{seconds // _MINUTE} min"


def _booked(data: _Data, _agreement: Agreement, _language: str) -> str:
    used = hours(cast("int", data["gpu_seconds"]))
    return f"Attempt {data['attempt']} booked as ledger entry {data['entry']}: {used} GPU-hours"


def _plain(text: str) -> "Callable[[_Data, Agreement, str], str]":
    def tell(data: _Data, _agreement: Agreement, _language: str) -> str:
        return text.format_map(data)

    return tell


_TELL: dict[StoryKind, Callable[[_Data, Agreement, str], str]] = {
    StoryKind.SUBMITTED: _submitted,
    StoryKind.ADMITTED: _admitted,
    StoryKind.REFUSED: _refused,
    StoryKind.BOUND: _bound,
    StoryKind.RETURNED: _returned,
    StoryKind.HANDED_OVER: _plain("Handed to {site}'s scheduler as {native_id}"),
    StoryKind.RUNNING: _plain("Running at {site}"),
    StoryKind.REQUEUED: _requeued,
    StoryKind.ENDED: _ended,
    StoryKind.BOOKED: _booked,
    StoryKind.CANCEL_ASKED: _plain("{by} asked to cancel it; {site} was told"),
    StoryKind.CANCELLED: _plain("Cancelled: {reason}"),
    StoryKind.RECALLED: _plain("Asked back from {site}, which had not started it, for {for}"),
    StoryKind.CALLED_HOME: _plain("Called home from {site} while it ran: {reason}"),
    StoryKind.REVIVED: _plain("{site} ran it again after it had ended, as attempt {next}"),
}


def _texts(data: _Data, key: str) -> list[str]:
    return [str(one) for one in cast("list[object]", data.get(key) or [])]


def _objects(data: _Data, key: str) -> list[_Data]:
    return cast("list[_Data]", data.get(key) or [])
