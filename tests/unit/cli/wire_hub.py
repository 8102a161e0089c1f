"""A hub made of canned messages, for tests of the command line: routes by method and path, and what was asked."""

import json
from dataclasses import dataclass, field

import httpx2
from typer.testing import CliRunner

from foedus.cli.main import app
from foedus.cli.session import Session
from foedus.client import Means, Retry
from foedus.wire.jobs import JobView

NOW = 1_795_424_400_000
"""2026-11-23T09:00:00Z"""
HOUR = 3_600_000


@dataclass
class WireHub:
    """Answers each route with its message; anything else is not found."""

    routes: dict[str, object] = field(default_factory=dict)
    asked: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.routes.get(f"{request.method} {request.url.path.removeprefix('/api/v1')}")
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, httpx2.Response):
            return answer
        if isinstance(answer, BaseException):
            raise answer
        if answer is None:
            return httpx2.Response(404, json={"code": "not-found", "message": "no such thing", "remedy": "look again"})
        return httpx2.Response(200, text=answer.model_dump_json())

    def body(self, number: int = -1) -> object:
        return json.loads(self.asked[number].content)


@dataclass
class Shell:
    """Runs ``foedus`` against a hub, with nothing of the machine's own settings."""

    hub: WireHub
    environment: dict[str, str]

    def __call__(self, *words: str, given: str | bytes | None = None):
        clock = iter(range(1_000_000))
        session = Session(
            environment=self.environment,
            hub=self.environment.get("FOEDUS_HUB"),
            now=lambda: NOW,
            transport=httpx2.MockTransport(self.hub),
            means=Means(hub="http://127.0.0.1:1", retry=Retry(deadline_s=2), clock=lambda: float(next(clock))),
            sleep=lambda seconds: None,
        )
        return CliRunner().invoke(app, list(words), obj=session, input=given, prog_name="foedus")


def job(name="1042", state="running", **more):
    fields = {
        "id": name,
        "name": "train",
        "user": "dana",
        "partner": "israel",
        "project": "traffic",
        "purpose": "finetune",
        "state": state,
        "reason": "",
        "site": "baku",
        "guest": True,
        "attempt": 1,
        "nodes": 1,
        "cpus": 4,
        "gpus": 2,
        "gpu_model": "a100",
        "time_limit_s": 3600,
        "submitted": NOW - 2 * HOUR,
        "started": NOW - HOUR,
        "ended": None,
        "exit_code": None,
        "signal": None,
        **more,
    }
    return JobView.model_validate(fields)
