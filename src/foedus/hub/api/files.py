"""Routes of what travels with jobs: pieces of bundles, outputs, logs."""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from foedus.core.base.ids import Digest, JobId, ProjectId, job_id
from foedus.flow.access import Caller, visible_project
from foedus.flow.files import output_piece, outputs, put_piece
from foedus.flow.logs import LogStretch, read_log
from foedus.flow.ports import job_topic
from foedus.hub.api.asking import REFUSALS, Asking, ThisHub, ThisWaker
from foedus.hub.wiring import Hub
from foedus.wire.alliance import Scope
from foedus.wire.files import Manifest, MissingReply, MissingRequest
from foedus.wire.message import AttemptNumber, Position

router = APIRouter(tags=["files"], responses=REFUSALS)
_LOOK_AGAIN_S = 5.0

WhichAttempt = Annotated[AttemptNumber | None, Query()]
"""Number of an attempt; the newest if it is left out."""
Piece = Annotated[Digest, Path(pattern="^[0-9a-f]{64}$")]
"""SHA-256 of the piece, in small letters."""
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BYTES: dict[int | str, dict[str, object]] = {200: {"content": _BINARY}}
"""What a route that answers bytes documents."""
TAKES_BYTES: dict[str, object] = {"requestBody": {"content": _BINARY, "required": True}}
"""What a route that takes bytes documents."""


@router.post("/projects/{project}/pieces/missing")
def missing_pieces(hub: ThisHub, caller: Asking, project: ProjectId, request: MissingRequest) -> MissingReply:
    """Say which pieces the project does not have yet."""
    caller.needs(Scope.SUBMIT)
    with hub.store.read() as tx:
        visible_project(tx, caller, project)
        return MissingReply(missing=list(tx.pieces.missing(project, request.pieces)))


@router.put("/projects/{project}/pieces/{piece}", status_code=204, openapi_extra=TAKES_BYTES)
async def put_project_piece(hub: ThisHub, caller: Asking, project: ProjectId, piece: Piece, request: Request) -> None:
    """Keep a piece for the project."""
    caller.needs(Scope.SUBMIT)
    data = await request.body()

    def keep() -> None:
        with hub.store.read() as tx:
            visible_project(tx, caller, project)
        put_piece(hub.store, hub.pieces, project, piece, data=data, now=hub.clock.now())

    await run_in_threadpool(keep)


@router.get("/jobs/{job}/outputs")
def job_outputs(hub: ThisHub, caller: Asking, job: JobId, attempt: WhichAttempt = None) -> Manifest:
    """List what the job brought back."""
    with hub.store.read() as tx:
        return outputs(tx, caller, hub.pieces, job_id(job), attempt)


@router.get("/jobs/{job}/outputs/pieces/{piece}", response_class=Response, responses=BYTES)
def job_output_piece(hub: ThisHub, caller: Asking, job: JobId, piece: Piece, attempt: WhichAttempt = None) -> Response:
    """Return one piece of what the job brought back."""
    with hub.store.read() as tx:
        data = output_piece(tx, caller, hub.pieces, job_id(job), number=attempt, piece=piece)
    return Response(data, media_type="application/octet-stream")


@router.get("/jobs/{job}/logs/{stream}", response_class=Response, responses=BYTES)
async def job_log(
    hub: ThisHub,
    waker: ThisWaker,
    caller: Asking,
    job: JobId,
    stream: Annotated[str, Path(pattern="^(stdout|stderr)$")],
    attempt: WhichAttempt = None,
    offset: Position = 0,
    limit: Annotated[int, Query(ge=1, le=4 * 1024 * 1024)] = 1024 * 1024,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 0,
) -> Response:
    """Return a stretch of a job's output; with `wait_s`, once there is any past `offset` or that time is over."""
    name = job_id(job)
    deadline = time.monotonic() + wait_s
    with waker.listen(job_topic(name)) as event:
        while True:
            event.clear()
            found = await run_in_threadpool(_read, hub, caller, name, (stream, attempt, offset, limit))
            left = deadline - time.monotonic()
            if found.data or found.over or left <= 0 or waker.closing:
                return _log_response(found)
            await waker.wait(event, min(left, _LOOK_AGAIN_S))


def _read(hub: Hub, caller: Caller, name: JobId, asked: tuple[str, int | None, int, int]) -> LogStretch:
    stream, attempt, offset, limit = asked
    with hub.store.read() as tx:
        return read_log(tx, caller, name, stream, number=attempt, offset=offset, limit=limit)


def _log_response(found: LogStretch) -> Response:
    headers = {
        "Foedus-Attempt": str(found.attempt),
        "Foedus-Offset": str(found.next),
        "Foedus-Ended": "true" if found.over else "false",
        "Foedus-Truncated": "true" if found.truncated else "false",
    }
    return Response(found.data, media_type="application/octet-stream", headers=headers)
