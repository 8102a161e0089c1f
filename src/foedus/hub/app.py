"""The hub as a web application."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response

from foedus import __version__
from foedus.core.base.errors import FoedusError
from foedus.hub import errors
from foedus.hub.api import agents, agreement, books, files, jobs, people, projects, sites
from foedus.hub.broker import Broker
from foedus.hub.metrics import exposition, measure
from foedus.hub.middleware import Envelope, LargestBody, OnlyWhole
from foedus.hub.waker import Waker
from foedus.hub.wiring import Hub

PREFIX = "/api/v1"
_BOARDS = 2
"""How many boards are built at a time."""
_NOUNS = (jobs, files, projects, people, sites, agreement, books, agents)


def create_app(hub: Hub) -> FastAPI:
    """Build the application around a hub."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        await run_in_threadpool(hub.look_whether_whole)
        waker = Waker(asyncio.get_running_loop())
        app.state.waker = waker
        app.state.boards = asyncio.Semaphore(_BOARDS)
        stop_listening = hub.store.listen(waker.ring)
        broker = asyncio.create_task(Broker(hub, waker).run())
        yield
        waker.close()
        await broker
        await run_in_threadpool(hub.leader.release)
        stop_listening()
        await run_in_threadpool(hub.store.close)

    app = FastAPI(
        title="Foedus hub",
        version=__version__,
        summary="Submit jobs to an alliance of sovereign clusters, and read its books.",
        lifespan=lifespan,
    )
    app.state.hub = hub
    hub.store.measure = measure
    app.add_middleware(OnlyWhole, recovering=lambda: hub.recovering)
    app.add_middleware(LargestBody, limit=hub.settings.largest_body)
    app.add_middleware(Envelope)
    errors.install(app)
    app.include_router(agents.exchange, prefix=PREFIX)  # first: most requests are looked for no further
    for noun in _NOUNS:
        app.include_router(noun.router, prefix=PREFIX)
    app.add_api_route("/healthz", health, methods=["GET"], tags=["health"], summary="Say whether the hub works")
    app.add_api_route(
        "/metrics",
        metrics,
        methods=["GET"],
        tags=["health"],
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
    )
    return app


async def health(request: Request) -> Response:
    """Look at the database once; 503 if it does not answer."""
    hub: Hub = request.app.state.hub

    def look() -> dict[str, object]:
        with hub.store.read() as tx:
            head = tx.ledger.head()
        return {"status": "ok", "version": __version__, "ledger": head.seq if head else 0}

    try:
        return JSONResponse(await run_in_threadpool(look))
    except FoedusError as error:
        return JSONResponse({"status": "failing", "version": __version__, "message": error.message}, status_code=503)


async def metrics(request: Request) -> Response:
    """Return the figures in Prometheus' text format."""
    page = await run_in_threadpool(exposition, request.app.state.hub)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")
