"""Runs a hub process until it is told to stop."""

import gc
import socket
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from foedus.core.base.errors import Conflict
from foedus.hub.app import create_app
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import build
from foedus.process.logs import open_log
from foedus.store.migrate import migrate, pending

_LOG = structlog.get_logger("foedus.hub")
_GRACE_S = 10


class _Server(uvicorn.Server):
    """Tells waiting requests to answer when the process is asked to stop, so that it stops at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        if isinstance(app, FastAPI) and hasattr(app.state, "waker"):
            app.state.waker.close()
        super().handle_exit(sig, frame)


def serve(settings: HubSettings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address once the port is bound."""
    open_log(as_json=settings.log_format == "json", level=settings.log_level)
    prepare(settings)
    hub = build(settings)
    config = uvicorn.Config(
        create_app(hub),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
    )
    bound = config.bind_socket()
    address = f"{'https' if settings.tls_certificate else 'http'}://{settings.host}:{_port(bound)}"
    _LOG.info("serving", address=address)
    gc.freeze()  # what is loaded by now stays to the end: no collection need ever look at it
    ready(address)
    _Server(config).run(sockets=[bound])
    _LOG.info("stopped")


def prepare(settings: HubSettings) -> None:
    """Bring the schema up to date where the settings say so; refuse to start on an old one."""
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.migrates:
        migrate(settings.database_url)
    elif pending(settings.database_url):
        raise Conflict("the database's schema is older than this hub", remedy="run `foedus hub migrate` first")


def _port(bound: socket.socket) -> int:
    return bound.getsockname()[1]
