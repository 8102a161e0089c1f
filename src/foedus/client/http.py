"""Between the client's words and httpx2's: shared by both faces."""

from typing import TypedDict

import httpx2

from foedus.client.steps import Answer, Lost, Send

_CONNECT_S = 10.0


class Wanted(TypedDict):
    """Arguments of httpx2's `stream`."""

    method: str
    url: str
    params: list[tuple[str, str | int | float | bool | None]]
    headers: list[tuple[str, str]]
    content: bytes | None
    timeout: httpx2.Timeout


def wanted(step: Send) -> Wanted:
    """Return the arguments of the request."""
    request = step.request
    return Wanted(
        method=request.method,
        url=request.path,
        params=list(request.params),
        headers=list(request.headers),
        content=request.body,
        timeout=httpx2.Timeout(request.timeout_s, connect=min(_CONNECT_S, request.timeout_s)),
    )


def heard(response: httpx2.Response, body: bytes) -> Answer:
    """Return what came."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=body)


def lost(error: httpx2.RequestError) -> Lost:
    """Say why nothing (whole) came."""
    what = "no answer in time" if isinstance(error, httpx2.TimeoutException) else "the connection failed"
    detail = str(error).strip()
    return Lost(text=f"{what} ({detail})" if detail else what)
