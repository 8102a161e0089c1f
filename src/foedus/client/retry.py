"""Sending a call until it is answered: what is tried again, when, and when to give up."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

from foedus import __version__
from foedus.client.calls import Call, Failed, failed
from foedus.client.steps import Answer, Lost, Request, Sink, Steps, pause, send
from foedus.core.base.errors import Unreachable

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How patient a client is. The pauses double from ``first_s`` to ``most_s``, each shortened by chance."""

    deadline_s: float = 30
    """Counted from the first failure; 0 means one try."""
    first_s: float = 0.25
    most_s: float = 5


def _draw() -> float:
    return random.random()  # noqa: S311 - spreads the load, keeps no secret


def _keep_quiet(_: str) -> None:
    """Tell nobody."""


def _new_key() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a client takes from outside: patience, clock, chance, keys."""

    hub: str
    """Address, for messages."""
    retry: Retry = field(default_factory=Retry)
    clock: Callable[[], float] = time.monotonic
    """Seconds, from any start."""
    draw: Callable[[], float] = _draw
    """Chance, from 0 up to 1."""
    tell: Callable[[str], None] = _keep_quiet
    """Hears, once a call, that the hub does not answer and is asked again."""
    new_key: Callable[[], str] = _new_key
    """Makes an ``Idempotency-Key``."""


def exchange(call: Call[R], means: Means, *, key: str | None = None, sink: Sink | None = None) -> Steps[R]:
    """Send the call, again if need be under the same key, and read the answer.

    Raises the error that the hub answered, or `Unreachable` when the deadline is over.
    """
    if call.keyed and key is None:
        key = means.new_key()
    tries, since = 0, means.clock()
    timeout_s = call.timeout_s
    while True:
        answer = yield from send(_request(call, key, timeout_s), sink)
        if isinstance(answer, Answer) and answer.status < 300:  # noqa: PLR2004 - HTTP's own limit
            return call.read(answer)
        failure = _unanswered(answer, means, key) if isinstance(answer, Lost) else failed(answer)
        if not failure.retryable:
            raise failure.error
        if tries == 0:
            since = means.clock()
        delay = max(_backoff(tries, means), retry_after(answer) if isinstance(answer, Answer) else 0)
        left = since + means.retry.deadline_s - means.clock()
        if delay > left:
            raise failure.error
        if tries == 0:
            means.tell(f"{failure.error.message}; trying again for {means.retry.deadline_s:g} s")
        tries += 1
        yield from pause(delay)
        timeout_s = min(call.timeout_s, max(2, left - delay) + call.wait_s)


def _request(call: Call[R], key: str | None, timeout_s: float) -> Request:
    headers = [("User-Agent", f"foedus/{__version__}"), *call.headers]
    if call.body is not None:
        headers.append(("Content-Type", call.media))
    if key is not None:
        headers.append(("Idempotency-Key", key))
    return Request(
        method=call.method,
        path=call.path,
        params=call.params,
        headers=tuple(headers),
        body=call.body,
        timeout_s=timeout_s,
    )


def _unanswered(lost: Lost, means: Means, key: str | None) -> Failed:
    error = Unreachable(
        f"no answer from {means.hub}: {lost.text}",
        remedy="check the hub's address (FOEDUS_HUB, or `foedus login`) and the network, then try again",
    )
    if key is not None:
        error.add_note(f"it is not known whether the hub did it; the same call under the key {key} is done only once")
    return Failed(error=error, retryable=True)


def _backoff(tries: int, means: Means) -> float:
    longest = min(means.retry.most_s, means.retry.first_s * 2 ** min(tries, 20))
    return longest * (0.5 + means.draw() / 2)


def retry_after(answer: Answer) -> float:
    """Read ``Retry-After``: seconds, or a date, which is taken relative to the answer's own ``Date``; else 0."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0
