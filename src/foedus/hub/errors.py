"""How errors leave the hub: the only place that knows HTTP status codes."""

from collections.abc import Sequence
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from foedus.core.base.errors import BadInput, Broken, FoedusError
from foedus.wire.alliance import ErrorView, FaultView

STATUS: dict[str, HTTPStatus] = {
    "bad-input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not-authenticated": HTTPStatus.UNAUTHORIZED,
    "not-allowed": HTTPStatus.FORBIDDEN,
    "not-found": HTTPStatus.NOT_FOUND,
    "conflict": HTTPStatus.CONFLICT,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "stale": HTTPStatus.CONFLICT,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "site-trouble": HTTPStatus.BAD_GATEWAY,
    "scheduler-refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unreachable": HTTPStatus.SERVICE_UNAVAILABLE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "broken": HTTPStatus.INTERNAL_SERVER_ERROR,
}

REQUEST_ID = "x-request-id"
"""Header with the id of a request."""
_LOG = structlog.get_logger("foedus.hub")


def view(error: FoedusError, request: str = "") -> ErrorView:
    """Put an error on the wire."""
    faults = error.faults if isinstance(error, BadInput) else ()
    return ErrorView(
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        retryable=error.retryable,
        faults=[FaultView(path=one.path, fault=one.fault, remedy=one.remedy) for one in faults],
        request=request,
    )


def install(app: FastAPI) -> None:
    """Answer every error as an `ErrorView`."""
    app.add_exception_handler(FoedusError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


def answer(error: FoedusError, request: Request, status: int | None = None) -> JSONResponse:
    """Make the response for an error."""
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "not-authenticated" else {}
    if error.retryable:
        headers["Retry-After"] = "1"
    body = view(error, getattr(request.state, "request_id", ""))
    code = status if status is not None else STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse(body.model_dump(mode="json"), status_code=code, headers=headers)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, FoedusError):
        raise error
    if error.code == Broken.code:
        _LOG.error("broken", message=error.message, exc_info=error)
    return answer(error, request)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [
        FaultView(
            path=_path(one["loc"]),
            fault=str(one["msg"]),
            remedy="see the API's description at /docs",
        )
        for one in error.errors()
    ]
    body = ErrorView(
        code=BadInput.code,
        message="\n".join(f"{one.path}: {one.fault}" for one in faults),
        faults=faults,
        request=getattr(request.state, "request_id", ""),
    )
    return JSONResponse(body.model_dump(mode="json"), status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


def _path(where: Sequence[str | int]) -> str:
    """Write where a fault is as the rules do: ``jobs[3].script``."""
    parts = where[1:] if where[:1] == ("body",) and len(where) > 1 else where
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


async def _framework(request: Request, error: Exception) -> JSONResponse:
    """Errors of the framework itself, such as an unknown path."""
    if not isinstance(error, HTTPException):
        raise error
    codes = {404: "not-found", 401: "not-authenticated", 403: "not-allowed", 413: "too-large"}
    body = ErrorView(
        code=codes.get(error.status_code, "bad-input"),
        message=str(error.detail),
        remedy="see the API's description at /docs",
        request=getattr(request.state, "request_id", ""),
    )
    return JSONResponse(body.model_dump(mode="json"), status_code=error.status_code, headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("unexpected", path=request.url.path, exc_info=error)
    broken = Broken("the hub met a fault of its own", remedy="tell the alliance's office, with the request's id")
    response = answer(broken, request)
    # This answer alone is made outside of all middleware.
    response.headers[REQUEST_ID] = getattr(request.state, "request_id", "")
    return response
