"""Addresses in what users, agents and hubs say: nobody is made to call them."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from served import API
from whole import Whole, script, wait_for

from foedus.agent.post import connect, send

_CALLED: list[object] | None = None


def _hook(event: str, given: tuple[object, ...]) -> None:
    if _CALLED is not None and event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        _CALLED.append(given[1] if event == "socket.connect" else (given[0], given[1] if len(given) > 1 else None))


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[object]]:
    """Note every connection and every look at the DNS that this process makes: the hub's and the agent's."""
    global _CALLED  # noqa: PLW0603 - an audit hook cannot be taken away again
    found: list[object] = []
    _CALLED = found
    try:
        yield found
    finally:
        _CALLED = None


class Canary(BaseHTTPRequestHandler):
    """Somebody's server inside the site's network: it must never be asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Canary,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_hub_and_agent_call_nobody_but_each_other(whole: Whole, canary: tuple[str, list[str]]):
    """Abuse 18: addresses of the inner network in every text that a user may send. Each is a text and stays one."""
    address, asked = canary
    metadata = "http://169.254.169.254/latest/meta-data"
    hub = whole.served.url.rsplit(":", 1)
    with watched() as found:
        text = script("true", options=f"--job-name={address}/name --comment={address}/comment")
        text += f"# {metadata}\n"
        _, state, _ = whole.run(text, arguments=[address, metadata])
        with whole.served.http("lead") as http:
            for dataset in (f"{address}/data", metadata, "file:///etc/passwd", "did:web:127.0.0.1"):
                body = {"script": script("true", foedus=f"dataset={dataset}"), "environment": {"URL": address}}
                assert http.post("/jobs", json={"jobs": [body]}).status_code in {201, 422}
            for header in ("X-Forwarded-Host", "Host", "Referer", "X-Request-ID"):
                http.get("/whoami", headers={header: address.removeprefix("http://")})
        with whole.served.http("office") as http:
            project = {"id": "linked", "title": f"{address}/title", "sector": "cybersecurity", "lead": "noa"}
            assert http.post("/projects", json=project).status_code == 201
            allocation = {"gpu_hours": 1, "reason": f"{metadata}#why"}
            assert http.post("/projects/linked/allocations", json=allocation).status_code == 201
            vouch = {"payload": address, "payloadType": address, "signatures": [{"keyid": address, "sig": address}]}
            enrol = {"code": address, "site": "jerusalem", "vouch": vouch}
            assert http.post("/agents/enrol", json=enrol).status_code == 422
    assert state == "completed"
    assert asked == []
    calls = {one for one in found if isinstance(one, tuple)}
    assert {str(one[1]) for one in calls} == {hub[1]}, calls
    assert {one[0] for one in calls} == {"127.0.0.1"}


def test_an_agent_follows_no_redirect(canary: tuple[str, list[str]]):
    """Abuse 18: a hub sends its agents elsewhere."""
    address, asked = canary

    class Redirecting(Canary):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("location", f"{address}/inner")
            self.send_header("content-length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with connect(f"http://127.0.0.1:{server.server_port}", None) as http:
            answer = send(http, "GET", f"{API}/agents/jerusalem/agreement", body=b"", headers={})
    finally:
        server.shutdown()
        server.server_close()
    assert (answer.status, asked) == (307, [])


def test_the_canary_sings(canary: tuple[str, list[str]]):
    """Were somebody to call it, the tests above would notice."""
    address, asked = canary
    with watched() as found, connect(address, None) as http:
        send(http, "GET", "/inner", body=b"", headers={})
    wait_for(lambda: asked == ["/inner"], "it was asked")
    assert ("127.0.0.1", int(address.rsplit(":", 1)[1])) in found
    assert socket.gethostname()
