"""Routes of jobs."""

import time
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from foedus.core.base.ids import JobId, ProjectId, SiteId, UserId, job_id
from foedus.core.jobs.state import ENDED, JobState
from foedus.flow.access import Caller, visible_whole
from foedus.flow.cancel import cancel
from foedus.flow.ports import JobFilter, job_topic
from foedus.flow.submit import submit
from foedus.flow.views import one, page, reach, status
from foedus.flow.why import why
from foedus.hub.api.asking import REFUSALS, Asking, Key, ThisHub, ThisWaker, once
from foedus.hub.wiring import Hub
from foedus.wire.jobs import (
    CancelReply,
    CancelRequest,
    JobPage,
    JobView,
    StatusReply,
    StatusRequest,
    SubmitReply,
    SubmitRequest,
    WhyView,
)

router = APIRouter(tags=["jobs"], responses=REFUSALS)
_LOOK_AGAIN_S = 5.0
"""A waiting request looks by itself this often, in case a wake-up went astray."""
_TEXT: dict[int | str, dict[str, object]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post("/jobs", status_code=201, response_model=SubmitReply)
def submit_jobs(hub: ThisHub, caller: Asking, request: SubmitRequest, key: Key) -> Response:
    """Submit scripts: all are taken, or none. A refused job is taken and kept as refused."""
    now = hub.clock.now()
    return once(
        hub,
        caller,
        key,
        asked=("POST /jobs", request),
        act=lambda tx: SubmitReply(jobs=submit(tx, caller, request.jobs, hub.rules(tx), now, line=hub.queue.admit)),
        status=201,
    )


@router.get("/jobs")
def list_jobs(
    hub: ThisHub,
    caller: Asking,
    state: Annotated[list[JobState] | None, Query()] = None,
    project: ProjectId | None = None,
    user: UserId | None = None,
    site: SiteId | None = None,
    name: str | None = None,
    array: JobId | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobPage:
    """List jobs, newest first, a page at a time."""
    which = JobFilter(
        states=tuple(state or ()),
        project=project,
        user=user,
        site=site,
        name=name,
        array=None if array is None else job_id(array),
        visible=caller.visible(),
    )
    with hub.store.read() as tx:
        return page(tx, which, cursor, limit, reach(tx, hub.place_rules.fresh, hub.clock.now()))


@router.post("/jobs/status")
def job_status(hub: ThisHub, caller: Asking, request: StatusRequest) -> StatusReply:
    """Return many jobs at once."""
    with hub.store.read() as tx:
        return status(tx, caller, request.ids, reach(tx, hub.place_rules.fresh, hub.clock.now()))


@router.post("/jobs/cancel", response_model=CancelReply)
def cancel_jobs(hub: ThisHub, caller: Asking, request: CancelRequest, key: Key) -> Response:
    """Cancel jobs, tasks or whole arrays."""
    now = hub.clock.now()
    asked = ("POST /jobs/cancel", request)
    return once(hub, caller, key, asked=asked, act=lambda tx: cancel(tx, caller, request.ids, now), status=200)


@router.get("/jobs/{job}")
async def get_job(
    hub: ThisHub,
    waker: ThisWaker,
    caller: Asking,
    job: JobId,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 0,
) -> JobView:
    """Return one job; with `wait_s`, once it has ended or that time is over."""
    name = job_id(job)
    deadline = time.monotonic() + wait_s
    with waker.listen(job_topic(name)) as event:
        while True:
            event.clear()
            view = await run_in_threadpool(_view, hub, caller, name)
            left = deadline - time.monotonic()
            if view.state in ENDED or left <= 0 or waker.closing:
                return view
            await waker.wait(event, min(left, _LOOK_AGAIN_S))


@router.get("/jobs/{job}/why")
def why_job(hub: ThisHub, caller: Asking, job: JobId, accept_language: Annotated[str, Header()] = "en") -> WhyView:
    """Tell the whole story of a job, in the language asked for where the agreement has it."""
    language = accept_language.partition(",")[0].partition(";")[0].strip() or "en"
    with hub.store.read() as tx:
        agreement = hub.agreement(tx)
        now = hub.clock.now()
        return why(tx, caller, job_id(job), agreement, hub.place_rules, language=language, now=now)


@router.get("/jobs/{job}/script", response_class=Response, responses=_TEXT)
def job_script(hub: ThisHub, caller: Asking, job: JobId) -> Response:
    """Return the script, byte for byte as it was submitted."""
    with hub.store.read() as tx:
        found = visible_whole(tx, caller, job_id(job))
        return PlainTextResponse(tx.jobs.specs([found.spec])[found.spec].script)


def _view(hub: Hub, caller: Caller, name: JobId) -> JobView:
    with hub.store.read() as tx:
        return one(tx, caller, name, reach(tx, hub.place_rules.fresh, hub.clock.now()))
