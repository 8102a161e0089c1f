"""Calls about jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foedus.client.calls import Call, built, model, octets, params, path, request, text
from foedus.client.steps import Answer
from foedus.core.base.errors import Broken
from foedus.wire.files import Manifest
from foedus.wire.jobs import (
    CancelReply,
    CancelRequest,
    JobPage,
    JobView,
    StatusReply,
    StatusRequest,
    Submission,
    SubmitReply,
    SubmitRequest,
    WhyView,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs to list; `None` and empty mean all."""

    states: tuple[str, ...] = ()
    project: str | None = None
    user: str | None = None
    site: str | None = None
    name: str | None = None
    array: str | None = None
    """The tasks of this array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A stretch of what an attempt wrote."""

    data: bytes
    attempt: int
    next: int
    """Offset of the byte after it."""
    ended: bool
    """Nothing more will come from this attempt."""
    truncated: bool
    """The attempt wrote more than the site passes on."""


def submission(
    script: str,
    *,
    overrides: Sequence[str],
    arguments: Sequence[str],
    environment: Mapping[str, str] | None,
    bundle: str | None,
) -> Submission:
    """Describe one submission; raises `BadInput` with all faults of its parts."""
    return built(
        Submission,
        script=script,
        overrides=list(overrides),
        arguments=list(arguments),
        environment=dict(environment or {}),
        bundle=bundle,
    )


def submit(jobs: Sequence[Submission]) -> Call[SubmitReply]:
    """``POST /jobs``."""
    body = request(SubmitRequest, jobs=list(jobs))
    return Call(method="POST", path="/jobs", body=body, keyed=True, read=model(SubmitReply))


def status(ids: Sequence[str]) -> Call[StatusReply]:
    """``POST /jobs/status``."""
    body = request(StatusRequest, ids=list(ids))
    return Call(method="POST", path="/jobs/status", body=body, read=model(StatusReply))


def cancel(ids: Sequence[str]) -> Call[CancelReply]:
    """``POST /jobs/cancel``."""
    body = request(CancelRequest, ids=list(ids))
    return Call(method="POST", path="/jobs/cancel", body=body, keyed=True, read=model(CancelReply))


def page(which: Filter, cursor: str | None, limit: int | None) -> Call[JobPage]:
    """``GET /jobs``."""
    query = params(
        state=which.states,
        project=which.project,
        user=which.user,
        site=which.site,
        name=which.name,
        array=which.array,
        cursor=cursor,
        limit=limit,
    )
    return Call(method="GET", path="/jobs", params=query, read=model(JobPage))


def get(job: str, wait_s: float = 0) -> Call[JobView]:
    """``GET /jobs/{id}``."""
    query = params(wait_s=_seconds(wait_s)) if wait_s else ()
    return Call(method="GET", path=path("jobs", job), params=query, wait_s=wait_s, read=model(JobView))


def why(job: str, language: str) -> Call[WhyView]:
    """``GET /jobs/{id}/why``."""
    headers = (("Accept-Language", language),)
    return Call(method="GET", path=path("jobs", job, "why"), headers=headers, read=model(WhyView))


def script(job: str) -> Call[str]:
    """``GET /jobs/{id}/script``."""
    return Call(method="GET", path=path("jobs", job, "script"), read=text)


def log(job: str, stream: str, *, attempt: int | None, offset: int, limit: int | None, wait_s: float) -> Call[LogChunk]:
    """``GET /jobs/{id}/logs/{stream}``."""
    query = params(attempt=attempt, offset=offset, limit=limit, wait_s=_seconds(wait_s) if wait_s else None)
    return Call(method="GET", path=path("jobs", job, "logs", stream), params=query, wait_s=wait_s, read=_log_chunk)


def outputs(job: str, attempt: int | None) -> Call[Manifest]:
    """``GET /jobs/{id}/outputs``."""
    query = params(attempt=attempt)
    return Call(method="GET", path=path("jobs", job, "outputs"), params=query, read=model(Manifest))


def output_piece(job: str, digest: str, attempt: int | None) -> Call[bytes]:
    """``GET /jobs/{id}/outputs/pieces/{digest}``."""
    where = path("jobs", job, "outputs", "pieces", digest)
    return Call(method="GET", path=where, params=params(attempt=attempt), read=octets)


def _seconds(value: float) -> str:
    return f"{value:g}"


def _log_chunk(answer: Answer) -> LogChunk:
    try:
        return LogChunk(
            data=answer.body,
            attempt=int(answer.headers["foedus-attempt"]),
            next=int(answer.headers["foedus-offset"]),
            ended=answer.headers["foedus-ended"] == "true",
            truncated=answer.headers.get("foedus-truncated") == "true",
        )
    except (KeyError, ValueError) as error:
        raise Broken(
            f"the hub's answer is not a piece of log as this client knows it ({error})",
            remedy="client and hub are of different versions, or the address is not a Foedus hub's: check both",
        ) from error
