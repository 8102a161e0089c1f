"""How errors leave the hub: the only place that knows HTTP status codes."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from foedus.core.base.errors import Broken, FoedusError, TooMany
from foedus.wire.errors import ErrorView, unfit, view_of

STATUS: dict[str, HTTPStatus] = {
    "bad-input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not-authenticated": HTTPStatus.UNAUTHORIZED,
    "not-allowed": HTTPStatus.FORBIDDEN,
    "not-found": HTTPStatus.NOT_FOUND,
    "conflict": HTTPStatus.CONFLICT,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "stale": HTTPStatus.CONFLICT,
    "forgotten": HTTPStatus.CONFLICT,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too-many": HTTPStatus.TOO_MANY_REQUESTS,
    "site-trouble": HTTPStatus.BAD_GATEWAY,
    "scheduler-refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unreachable": HTTPStatus.SERVICE_UNAVAILABLE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "broken": HTTPStatus.INTERNAL_SERVER_ERROR,
}

REQUEST_ID = "x-request-id"
"""Header with the id of a request."""
_LOG = structlog.get_logger("foedus.hub")


def install(app: FastAPI) -> None:
    """Answer every error as an `ErrorView`."""
    app.add_exception_handler(FoedusError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


def answer(error: FoedusError, request: Request) -> JSONResponse:
    """Make the response for an error."""
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "not-authenticated" else {}
    if error.retryable:
        headers["Retry-After"] = str(error.after_s if isinstance(error, TooMany) else 1)
    body = view_of(error, getattr(request.state, "request_id", ""))
    status = STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse(body.model_dump(mode="json"), status_code=status, headers=headers)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, FoedusError):
        raise error
    if error.code == Broken.code:
        _LOG.error("broken", message=error.message, exc_info=error)
    return answer(error, request)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [{**one, "loc": _within(one["loc"])} for one in error.errors()]
    return answer(unfit(found, "see the API's description at /docs"), request)


def _within(where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the path within the body, where the fault is in one."""
    return where[1:] if where[:1] == ("body",) and len(where) > 1 else where


async def _framework(request: Request, error: Exception) -> JSONResponse:
    """Errors of the framework itself, such as an unknown path."""
    if not isinstance(error, HTTPException):
        raise error
    codes = {404: "not-found", 401: "not-authenticated", 403: "not-allowed", 413: "too-large", 429: "too-many"}
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
