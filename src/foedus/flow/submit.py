"""Submit: scripts become jobs, admitted or refused, in one transaction with the key that makes a repeat harmless."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from foedus.core.agreement.admit import Admitted, Reason, Refused
from foedus.core.agreement.request import Applicant
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import Digest, JobId, ProjectId, array_task
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Array, Job, Story, StoryKind
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import ArraySpec, Dependency, JobSpec
from foedus.core.jobs.state import JobState
from foedus.flow.access import Caller, no_job
from foedus.flow.admit import Admission, Decision, Rules
from foedus.flow.ports import BROKER, Project, Transaction
from foedus.flow.release import release_new
from foedus.wire.alliance import Scope
from foedus.wire.jobs import ReasonView, Submission, SubmittedView


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One submission, read."""

    submission: Submission
    spec: JobSpec
    project: Project


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One submission, decided on, with the jobs that it becomes."""

    name: JobId
    spec: JobSpec
    decision: Decision
    jobs: Sequence[Job]
    array: Array | None


Line = Callable[[Sequence[tuple[ProjectId, int]], Callable[[ProjectId], int]], None]
"""Lets so many new jobs of projects join those that wait, or raises `TooMany`; it may ask how many wait already."""


def submit(
    tx: Transaction,
    caller: Caller,
    submissions: Sequence[Submission],
    rules: Rules,
    now: Instant,
    *,
    line: Line | None = None,
) -> list[SubmittedView]:
    """Take all submissions, or none: faults of any of them are raised together as `BadInput`.

    A submission that the agreement, the budget or the sites' sizes forbid is taken and kept as refused, so that its
    story can be told.
    """
    caller.needs(Scope.SUBMIT)
    asked = _read_all(tx, caller, submissions)
    if line is not None:
        line([(one.project.id, one.spec.task_count) for one in asked], tx.jobs.waiting)
    digests = tx.jobs.put_specs([one.spec for one in asked])
    first = tx.jobs.numbers(len(asked))
    admission = Admission(tx, rules, now)
    taken = [
        _take(caller, one, spec, first + offset, admission=admission, rules=rules, now=now)
        for offset, (one, spec) in enumerate(zip(asked, digests, strict=True))
    ]
    admission.settle()
    tx.jobs.add([job for one in taken for job in one.jobs], [one.array for one in taken if one.array])
    tx.jobs.tell([line for one in taken for line in _story(one, rules, now)])
    admitted = [one for one in taken if isinstance(one.decision.verdict, Admitted)]
    tx.shadows.arrive([job.id for one in admitted for job in _hold(tx, one, now)], now)
    tx.ring(BROKER)
    return _views(tx, taken)


def _read_all(tx: Transaction, caller: Caller, submissions: Sequence[Submission]) -> list[_Asked]:
    asked: list[_Asked] = []
    faults: list[Fault] = []
    projects: dict[ProjectId, Project | None] = {}
    for index, submission in enumerate(submissions):
        prefix = f"jobs[{index}]." if len(submissions) > 1 else ""
        try:
            asked.append(_read(tx, caller, submission, projects))
        except BadInput as bad:
            faults += [replace(fault, path=f"{prefix}{fault.path}") for fault in bad.faults]
    if faults:
        raise BadInput(*faults)
    return asked


def _read(tx: Transaction, caller: Caller, submission: Submission, projects: dict[ProjectId, Project | None]) -> _Asked:
    spec = parse(submission.script, submission.overrides, submission.arguments, submission.environment)
    name = spec.project or caller.only or (next(iter(caller.roles)) if len(caller.roles) == 1 else None)
    if name is None:
        raise BadInput(_no_project(caller))
    if name not in projects:
        projects[name] = tx.projects.get(name) if name in caller.roles else None
    project = projects[name]
    if project is None:
        yours = f"yours: {', '.join(caller.roles)}" if caller.roles else "you are in none; ask a project's lead"
        raise BadInput(Fault(path="project", fault=f"you are in no project {name!r}", remedy=yours))
    faults = [*_dependency_faults(tx, caller, spec), *_bundle_faults(tx, submission, project)]
    if faults:
        raise BadInput(*faults)
    return _Asked(submission=submission, spec=replace(spec, project=project.id), project=project)


def _no_project(caller: Caller) -> Fault:
    if not caller.roles:
        return Fault(path="project", fault="you are in no project", remedy="ask a project's lead to add you")
    remedy = f"add `#FOEDUS project=NAME` or --project=NAME with one of: {', '.join(caller.roles)}"
    return Fault(path="project", fault="the job names no project and you are in several", remedy=remedy)


def _dependency_faults(tx: Transaction, caller: Caller, spec: JobSpec) -> Iterable[Fault]:
    ids = [each.job for each in spec.dependencies.each]
    jobs, arrays = tx.jobs.get(ids), tx.jobs.arrays(ids)
    for each in spec.dependencies.each:
        found = jobs.get(each.job) or arrays.get(each.job)
        if found is None or not caller.sees(found):
            yield Fault(path="dependency", fault=no_job(each.job).message, remedy="name jobs that you can see")


def _bundle_faults(tx: Transaction, submission: Submission, project: Project) -> Iterable[Fault]:
    if submission.bundle and tx.pieces.missing(project.id, [submission.bundle]):
        yield Fault(path="bundle", fault="its manifest is not here", remedy="upload the bundle first, then submit")


def _take(
    caller: Caller,
    asked: _Asked,
    spec: Digest,
    number: int,
    *,
    admission: Admission,
    rules: Rules,
    now: Instant,
) -> _Taken:
    applicant = Applicant(
        user=caller.user.id, partner=caller.user.partner, project=asked.project.id, sector=asked.project.sector
    )
    decision = admission.decide(asked.spec, applicant)
    jobs, array = _jobs(caller, asked, spec, number, decision.verdict, rules=rules, now=now)
    return _Taken(name=JobId(str(number)), spec=asked.spec, decision=decision, jobs=jobs, array=array)


def _views(tx: Transaction, taken: Sequence[_Taken]) -> list[SubmittedView]:
    """Say what became of each; one that depends on what is over may be over itself by now."""
    dependent = tx.jobs.get([one.jobs[0].id for one in taken if one.spec.dependencies.each])
    views: list[SubmittedView] = []
    for one in taken:
        job, verdict = one.jobs[0], one.decision.verdict
        reasons = verdict.reasons if isinstance(verdict, Refused) else verdict.refusals
        view = SubmittedView(
            id=one.name,
            state=dependent.get(job.id, job).state,
            tasks=len(one.jobs),
            sites=list(job.sites),
            reasons=[reason_view(reason) for reason in reasons],
            notices=list(one.spec.notices),
        )
        views.append(view)
    return views


def _jobs(
    caller: Caller,
    asked: _Asked,
    spec: Digest,
    number: int,
    verdict: Admitted | Refused,
    *,
    rules: Rules,
    now: Instant,
) -> tuple[list[Job], Array | None]:
    name = JobId(str(number))
    indices = asked.spec.array.indices if asked.spec.array else (None,)
    admitted = isinstance(verdict, Admitted)
    template = Job(
        id=name,
        number=number,
        task=None,
        user=caller.user.id,
        partner=caller.user.partner,
        project=asked.project.id,
        sector=asked.project.sector,
        purpose=asked.spec.purpose,
        name=asked.spec.name,
        spec=spec,
        bundle=asked.submission.bundle,
        resources=asked.spec.resources,
        state=JobState.PENDING if admitted else JobState.REFUSED,
        reason="waits for room at a site" if admitted else str(verdict.reasons[0]),
        sites=verdict.sites if admitted else (),
        attempt=0,
        site=None,
        guest=False,
        reserved=GpuSeconds(verdict.cost // len(indices)) if admitted else GpuSeconds(0),
        agreement_version=rules.agreement.version,
        submitted=now,
        changed=now,
        ended=None if admitted else now,
    )
    array = asked.spec.array
    if array is None:
        return [template], None
    tasks = [replace(template, id=array_task(name, index), task=index) for index in array.indices]
    return tasks, _array(template, array)


def _array(job: Job, array: ArraySpec) -> Array:
    return Array(
        id=job.id,
        user=job.user,
        partner=job.partner,
        project=job.project,
        spec=job.spec,
        name=job.name,
        count=len(array.indices),
        lowest=array.indices[0],
        highest=array.indices[-1],
        step=array.step,
        at_once=array.at_once,
        submitted=job.submitted,
    )


def _hold(tx: Transaction, taken: _Taken, now: Instant) -> Sequence[Job]:
    """Keep back what waits for other jobs, and the tasks beyond the array's throttle; return what may go at once."""
    spec, jobs = taken.spec, taken.jobs
    throttle = spec.array.at_once if spec.array else None
    if spec.dependencies.each:
        tx.jobs.depend(taken.name, spec.dependencies)
        words = "waits for " + ", ".join(_say(each) for each in spec.dependencies.each)
        tx.jobs.hold([job.id for job in jobs], held=True, reason=words, at=now)
        release_new(tx, taken.name, now)
    elif throttle and throttle < len(jobs):
        words = f"waits for another task of the array to end ({throttle} at once)"
        tx.jobs.hold([job.id for job in jobs[throttle:]], held=True, reason=words, at=now)
        return jobs[:throttle]
    else:
        return jobs
    return ()


def _say(dependency: Dependency) -> str:
    words = {"afterok": "to succeed", "afterany": "to end", "afternotok": "to fail"}
    return f"{dependency.job} {words[dependency.condition]}"


def _story(taken: _Taken, rules: Rules, now: Instant) -> list[Story]:
    name, spec, verdict = taken.name, taken.spec, taken.decision.verdict
    clauses = [
        {"site": one.site, "allowed": one.allowed, "clauses": list(one.clauses), "fault": one.fault}
        for one in taken.decision.verdicts
    ]
    submitted = Story(
        job=name, at=now, kind=StoryKind.SUBMITTED, data={"tasks": len(taken.jobs), "notices": list(spec.notices)}
    )
    facts = {"agreement": rules.agreement.version, "verdicts": clauses}
    if isinstance(verdict, Refused):
        data = {**facts, "reasons": [_reason_data(reason) for reason in verdict.reasons]}
        return [submitted, Story(job=name, at=now, kind=StoryKind.REFUSED, data=data)]
    data = {
        **facts,
        "sites": list(verdict.sites),
        "cost": verdict.cost,
        "refusals": [_reason_data(reason) for reason in verdict.refusals],
    }
    return [submitted, Story(job=name, at=now, kind=StoryKind.ADMITTED, data=data)]


def _reason_data(reason: Reason) -> dict[str, str | None]:
    return {
        "code": reason.code,
        "text": reason.text,
        "remedy": reason.remedy,
        "clause": reason.clause,
        "site": reason.site,
    }


def reason_view(reason: Reason) -> ReasonView:
    """Put a reason on the wire."""
    return ReasonView(code=reason.code, text=reason.text, clause=reason.clause, site=reason.site, remedy=reason.remedy)
