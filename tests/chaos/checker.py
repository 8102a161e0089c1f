"""Says what went wrong in a run, from four sources that know nothing of each other.

What users were told (accepted submissions), what the hub says (jobs and attempts), what the machines did (markers that
the jobs themselves wrote, the clusters' own accounting), and what the books say (usage entries of the ledger).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

ENDED = frozenset({"completed", "failed", "timeout", "cancelled", "node-fail", "refused", "out-of-memory"})
RAN_AGAIN = frozenset({"requeued", "preempted", "node-fail"})
"""Outcomes after which a job may rightly begin once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A submission that the hub has answered."""

    tag: str
    job: str
    expected: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the hub says of one attempt."""

    number: int
    site: str
    state: str
    outcome: str | None
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHub:
    """What the hub says of one job."""

    job: str
    tag: str
    state: str
    attempts: tuple[Told, ...]
    story: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A job began: what its own first line wrote. ``again`` if that attempt had begun before."""

    tag: str
    attempt: int
    native: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run in a cluster's own accounting."""

    site: str
    job: str
    order: int
    """The attempt that was handed over; the restarts of its native job are the attempts that follow it."""
    native: str
    started: bool
    gpu_seconds: int
    state: str = ""
    """The cluster's own word."""
    over: bool = True
    """Whether the accounting has its end; a controller that forgot a job never tells it."""
    index: int = 0
    """Number of the accounting's record, which may be written over later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One usage entry."""

    site: str
    job: str
    attempt: int
    native: str
    gpu_seconds: int
    source: str = "sacct"
    """``none`` where the site says that no accounting stands behind it."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What is wrong, job by job."""

    cluster: dict[str, list[str]] = field(default_factory=dict)
    """What is the clusters' own doing, by their own accounting: a controller that is killed has not saved what it did
    last, so that it forgets jobs, or begins them anew. It is told, and is none of the four wrongs."""

    lost: dict[str, list[str]] = field(default_factory=dict)
    doubled: dict[str, list[str]] = field(default_factory=dict)
    misbooked: dict[str, list[str]] = field(default_factory=dict)
    stuck: dict[str, list[str]] = field(default_factory=dict)
    trails: dict[str, list[str]] = field(default_factory=dict)

    @property
    def line(self) -> str:
        kinds = ("lost", "doubled", "misbooked", "stuck")
        return " ".join(f"{kind} {len(getattr(self, kind))}" for kind in kinds)

    def __str__(self) -> str:
        lines = [self.line]
        lines += [
            f"by the cluster itself: job {job}: {'; '.join(words)}" for job, words in sorted(self.cluster.items())
        ]
        for kind in ("lost", "doubled", "misbooked", "stuck"):
            for job, faults in sorted(getattr(self, kind).items()):
                lines += [f"{kind}: job {job}: {'; '.join(faults)}", *(f"    {one}" for one in self.trails[job])]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that is known of a run."""

    accepted: Sequence[Accepted]
    hub: Sequence[AtHub]
    markers: Sequence[Marker]
    runs: Sequence[Run]
    booked: Sequence[Booked]
    readings: Collection[Run] = ()
    """What the accounting said of runs that were over, while it went on. A controller that was killed has forgotten the
    last ends of jobs and tells others later, over the same records."""


def check(sources: Sources) -> Verdict:
    """Compare the sources with each other."""
    verdict = Verdict()
    at_hub = {job.job: job for job in sources.hub}
    began: defaultdict[str, list[Marker]] = defaultdict(list)
    for marker in sources.markers:
        began[marker.tag].append(marker)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for run in sources.runs:
        runs[run.job].append(run)
    for one in sources.accepted:
        job = at_hub.get(one.job)
        if job is None:
            verdict.lost.setdefault(one.job, []).append("the hub has accepted it and does not know it")
        else:
            _fate(verdict, one, job, began[one.tag], runs[one.job])
    _submissions(verdict, sources)
    _starts(verdict, sources, began, runs)
    _books(verdict, sources, at_hub)
    for job in {**verdict.lost, **verdict.doubled, **verdict.misbooked, **verdict.stuck}:
        verdict.trails[job] = _trail(sources, at_hub.get(job), job)
    return verdict


def _fate(verdict: Verdict, one: Accepted, job: AtHub, markers: Sequence[Marker], runs: Sequence[Run]) -> None:
    if job.state not in ENDED:
        verdict.stuck.setdefault(job.job, []).append(f"is {job.state}")
        return
    if job.state not in one.expected and _by_the_cluster(job, markers, runs):
        verdict.cluster.setdefault(job.job, []).append(f"ended as {job.state}")
    elif job.state not in one.expected:
        verdict.lost.setdefault(job.job, []).append(f"ended as {job.state}")
    if job.state == "completed" and not markers:
        verdict.lost.setdefault(job.job, []).append("is said to be completed and never began")


def _by_the_cluster(job: AtHub, markers: Sequence[Marker], runs: Sequence[Run]) -> bool:
    """Say whether a job ended otherwise than it should by its cluster's own doing."""
    newest = max((attempt.number for attempt in job.attempts), default=0)
    mine = [run for run in runs if run.order <= newest and run.native in {marker.native for marker in markers}]
    if job.state == "node-fail":
        return bool(markers) and (not mine or not mine[-1].over or mine[-1].state == "NODE_FAIL")
    return job.state == "failed" and any(_begun_anew(marker, markers, runs) for marker in markers if marker.again)


def _begun_anew(marker: Marker, markers: Sequence[Marker], runs: Sequence[Run]) -> bool:
    """Say whether an attempt began twice by its cluster's own doing.

    Either it is one native job that began more than once, or the cluster began one that it knows nothing of any more:
    killed before it had saved it, it has no such job in its queue nor in its accounting.
    """
    known = {run.native for run in runs}
    first = [one.native for one in markers if one.attempt == marker.attempt and not one.again]
    return any(native == marker.native or native not in known for native in first)


def _submissions(verdict: Verdict, sources: Sources) -> None:
    """One submission is one job."""
    accepted = {one.tag: one.job for one in sources.accepted}
    for job in sources.hub:
        if accepted.get(job.tag, job.job) != job.job:
            verdict.doubled.setdefault(job.job, []).append(f"is a second job of the submission {job.tag}")


def _starts(verdict: Verdict, sources: Sources, markers: dict[str, list[Marker]], runs: dict[str, list[Run]]) -> None:
    """One attempt begins once, as one native job; a job begins again only after an end that allows it."""
    jobs = {job.tag: job for job in sources.hub}
    for marker in sources.markers:
        if marker.again:
            found = jobs.get(marker.tag)
            name = found.job if found else marker.tag
            own = _begun_anew(marker, markers[marker.tag], runs[name])
            kind = verdict.cluster if own else verdict.doubled
            kind.setdefault(name, []).append(f"attempt {marker.attempt} began twice ({marker.native})")
    natives: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for run in sources.runs:
        natives[run.job, run.order].add(f"{run.native} at {run.site}")
    for (job, order), found in natives.items():
        if len(found) > 1:
            words = ", ".join(sorted(found))
            verdict.doubled.setdefault(job, []).append(f"attempt {order} was handed over more than once: {words}")
    for tag, job in jobs.items():
        began = {marker.attempt: marker.native for marker in markers.get(tag, ())}
        outcomes = {attempt.number: attempt for attempt in job.attempts}
        for attempt, following in pairwise(sorted(began)):
            told = outcomes.get(attempt)
            if told is None or not (told.outcome in RAN_AGAIN or told.state == "returned"):
                words = f"began again after attempt {attempt}, which is {told.outcome if told else 'unknown'}"
                kind = verdict.cluster if began[attempt] == began[following] else verdict.doubled
                kind.setdefault(job.job, []).append(words)


def _books(verdict: Verdict, sources: Sources, at_hub: dict[str, AtHub]) -> None:
    """One entry for each run, with its figures; no entry without a run."""
    runs: defaultdict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in sources.runs:
        runs[run.job, run.order].append(run)
    expected = {
        (job, order + restart): run for (job, order), found in runs.items() for restart, run in enumerate(found)
    }
    entries = Counter((entry.job, entry.attempt) for entry in sources.booked)
    for (job, attempt), count in entries.items():
        if count > 1:
            verdict.misbooked.setdefault(job, []).append(f"attempt {attempt} is booked {count} times")
    by_attempt = {(entry.job, entry.attempt): entry for entry in sources.booked}
    for key in sorted(set(expected) | set(by_attempt)):
        run, entry = expected.get(key), by_attempt.get(key)
        if key[0] not in at_hub:
            continue
        words = _unequal(run, entry)
        if words:
            kind = verdict.cluster if _was_so(run, entry, sources.readings) else verdict.misbooked
            kind.setdefault(key[0], []).append(f"attempt {key[1]} {words}")


def _was_so(run: Run | None, entry: Booked | None, readings: Iterable[Run]) -> bool:
    """Say whether an entry is what the accounting first said of a run, in the record that it has written over."""
    if run is None or entry is None:
        return False
    record = (run.site, run.job, run.order, run.native, run.index)
    return any(
        (one.site, one.job, one.order, one.native, one.index) == record and not _unequal(one, entry) for one in readings
    )


def _unequal(run: Run | None, entry: Booked | None) -> str:
    if entry is None:
        return "ran and is not booked"
    if entry.source == "none" and (run is None or not run.over):
        return "" if entry.gpu_seconds == 0 else f"is booked with {entry.gpu_seconds} GPU-seconds by nobody's word"
    if run is None:
        return f"is booked with {entry.gpu_seconds} GPU-seconds and is in no accounting"
    if (run.site, run.native, run.gpu_seconds) != (entry.site, entry.native, entry.gpu_seconds):
        return f"is booked as {entry}, and the accounting has {run}"
    return ""


def _trail(sources: Sources, job: AtHub | None, name: str) -> list[str]:
    tag = job.tag if job else next((one.tag for one in sources.accepted if one.job == name), "")
    parts: list[Iterable[object]] = [
        job.story if job else (),
        job.attempts if job else (),
        (marker for marker in sources.markers if marker.tag == tag),
        (run for run in sources.runs if run.job == name),
        (entry for entry in sources.booked if entry.job == name),
    ]
    return [str(one) for part in parts for one in part]
