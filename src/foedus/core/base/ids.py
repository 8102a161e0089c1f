"""Names of things. Each is a string with its own type, so that a site is never passed where a partner is meant."""

import re
from dataclasses import dataclass
from typing import NewType

from foedus.core.base.errors import BadInput, Fault

AllianceId = NewType("AllianceId", str)
PartnerId = NewType("PartnerId", str)
SiteId = NewType("SiteId", str)
PoolId = NewType("PoolId", str)
ProjectId = NewType("ProjectId", str)
UserId = NewType("UserId", str)
SectorId = NewType("SectorId", str)
ClauseId = NewType("ClauseId", str)
JobId = NewType("JobId", str)
"""``"1042"``, or ``"1042_3"`` for task 3 of the job array 1042: the same shape as Slurm's own."""

Digest = NewType("Digest", str)
"""Lower-case hexadecimal SHA-256, 64 characters."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
JOB_ID = re.compile(r"[1-9][0-9]{0,17}(?:_(?:0|[1-9][0-9]{0,6}))?")
DIGEST = re.compile(r"[0-9a-f]{64}")
KEY = re.compile(r"ed25519:[0-9a-f]{64}")
"""A public key as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What names one attempt at the site, where the scheduler gives it back.

    ``attempt`` counts from 1. A marker is written to the journal before the job is handed to the cluster,
    and searched for after any doubt.
    """

    alliance: AllianceId
    job: JobId
    attempt: int

    @property
    def text(self) -> str:
        """``foedus:<alliance>/<job>/<attempt>``: the comment that Slurm carries."""
        return f"foedus:{self.alliance}/{self.job}/{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> "Marker | None":
        """Read a marker back; anything else is `None`, since other people's comments are not errors."""
        match = _MARKER.fullmatch(text)
        if match is None:
            return None
        alliance, job, attempt = match.groups()
        return cls(alliance=AllianceId(alliance), job=JobId(job), attempt=int(attempt))


_MARKER = re.compile(rf"foedus:({NAME.pattern})/({JOB_ID.pattern})/([1-9][0-9]{{0,8}})")


def name_fault(text: str, path: str) -> Fault | None:
    """Tell what is wrong with a name (partner, site, project, user, clause), or `None`."""
    if NAME.fullmatch(text):
        return None
    return Fault(
        path=path,
        fault=f"{text!r} is not a name",
        remedy="use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit",
    )


def key_fault(key: str, path: str) -> Fault | None:
    """Tell what is wrong with the text of a public key, or `None`."""
    if KEY.fullmatch(key):
        return None
    return Fault(
        path=path,
        fault=f"{key!r} is not a public key",
        remedy="give 'ed25519:' and 64 hexadecimal digits, as `foedus keys show` prints them",
    )


def job_id(text: str) -> JobId:
    """Check a job id as a user types it."""
    if not JOB_ID.fullmatch(text):
        raise BadInput(
            Fault(path="job", fault=f"{text!r} is not a job id", remedy="give an id such as 1042, or 1042_3 for a task")
        )
    return JobId(text)


def array_task(array: JobId, index: int) -> JobId:
    """Name one task of a job array."""
    return JobId(f"{array}_{index}")


def parent_array(job: JobId) -> JobId | None:
    """Name the array that a task belongs to, or `None` for a job of its own."""
    head, underscore, _ = job.partition("_")
    return JobId(head) if underscore else None
