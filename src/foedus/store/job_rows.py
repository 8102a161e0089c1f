"""Jobs, arrays and stories as rows."""

from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.job import Array, Job, Story, StoryKind
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import JobState
from foedus.store.codec import json_text, object_from, resources_from, resources_text, sites_from, sites_text
from foedus.store.session import AnyRow, Values
from foedus.store.tables import NO_TASK

_STATES = {str(state): state for state in JobState}


def job_values(job: Job) -> Values:
    """Write a job."""
    return {
        "id": job.id,
        "number": job.number,
        "task": NO_TASK if job.task is None else job.task,
        "user_id": job.user,
        "partner": job.partner,
        "project": job.project,
        "sector": job.sector,
        "purpose": None if job.purpose is None else job.purpose.value,
        "name": job.name,
        "spec": job.spec,
        "bundle": job.bundle,
        "resources": resources_text(job.resources),
        "state": job.state.value,
        "reason": job.reason,
        "sites": sites_text(job.sites),
        "attempt": job.attempt,
        "site": job.site,
        "guest": job.guest,
        "reserved": job.reserved,
        "agreement_version": job.agreement_version,
        "submitted": job.submitted,
        "changed": job.changed,
        "started": job.started,
        "ended": job.ended,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "held": job.held,
        "cancel": job.cancel,
    }


def job_from(row: AnyRow) -> Job:
    """Read a row of `jobs`, all columns."""
    return Job(
        id=JobId(row.id),
        number=row.number,
        task=None if row.task == NO_TASK else row.task,
        user=UserId(row.user_id),
        partner=PartnerId(row.partner),
        project=ProjectId(row.project),
        sector=SectorId(row.sector),
        purpose=None if row.purpose is None else Purpose(row.purpose),
        name=row.name,
        spec=Digest(row.spec),
        bundle=row.bundle,
        resources=resources_from(row.resources),
        state=_STATES[row.state],
        reason=row.reason,
        sites=sites_from(row.sites),
        attempt=row.attempt,
        site=row.site,
        guest=row.guest,
        reserved=GpuSeconds(row.reserved),
        agreement_version=row.agreement_version,
        submitted=Instant(row.submitted),
        changed=Instant(row.changed),
        started=row.started,
        ended=row.ended,
        exit_code=row.exit_code,
        signal=row.signal,
        held=row.held,
        cancel=row.cancel,
    )


def array_number(array: JobId) -> int:
    """Return the number that an array's tasks share; 0, which no job has, for an id that is no array's."""
    return int(array) if array.isdecimal() else 0


def array_values(array: Array) -> Values:
    """Write an array."""
    return {
        "id": array.id,
        "user_id": array.user,
        "partner": array.partner,
        "project": array.project,
        "spec": array.spec,
        "name": array.name,
        "tasks": array.count,
        "lowest": array.lowest,
        "highest": array.highest,
        "step": array.step,
        "at_once": array.at_once,
        "submitted": array.submitted,
    }


def array_from(row: AnyRow) -> Array:
    """Read a row of `arrays`."""
    return Array(
        id=JobId(row.id),
        user=UserId(row.user_id),
        partner=PartnerId(row.partner),
        project=ProjectId(row.project),
        spec=Digest(row.spec),
        name=row.name,
        count=row.tasks,
        lowest=row.lowest,
        highest=row.highest,
        step=row.step,
        at_once=row.at_once,
        submitted=Instant(row.submitted),
    )


def story_values(line: Story) -> Values:
    """Write a line of a story."""
    return {"job": line.job, "at": line.at, "kind": line.kind.value, "data": json_text(line.data)}


def story_from(row: AnyRow) -> Story:
    """Read a row of `stories`."""
    return Story(job=JobId(row.job), at=Instant(row.at), kind=StoryKind(row.kind), data=object_from(row.data))
