"""A hub that answers from a script: faults first, then what the test wants."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from foedus.client import Means, Retry

Reply = httpx2.Response | Exception


@dataclass
class ScriptedHub:
    """Gives one reply after another, and keeps what was asked."""

    replies: list[Reply]
    asked: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def lines(self) -> list[str]:
        return [f"{one.method} {one.url.raw_path.decode()}" for one in self.asked]


@dataclass
class FakeClock:
    """Time that passes only in sleep."""

    at: float = 0
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def means(clock: FakeClock, retry: Retry | None = None, *, draw: Callable[[], float] = lambda: 1.0) -> Means:
    return Means(
        tell=clock.told.append,
        hub="http://127.0.0.1:1",
        retry=retry or Retry(),
        clock=clock.now,
        draw=draw,
        new_key=lambda: "key-1",
    )


def ok(message: object, status: int = 200, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, text=message.model_dump_json(), headers=headers)


def error(status: int, **fields: object) -> httpx2.Response:
    return httpx2.Response(status, json={"message": "no", **fields})
