"""What the client asks of the world, as values: the whole client is generators of these steps.

A face (`foedus.client.sync`, `foedus.client.aio`) takes one step after another from a generator, does it, and sends
back what came of it. So retries, following, uploading and fetching are written once, and tested without a network.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


class Sink(Protocol):
    """Where a long answer goes while it arrives."""

    def restart(self) -> None:
        """Forget what came so far: the answer begins again."""
        ...

    def write(self, data: bytes) -> object:
        """Take the next bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, relative to the hub's API."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    timeout_s: float = 30
    """How long to wait for the answer to begin, and between its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. Header names are lower case. ``body`` is empty where a sink took it."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No answer, or only part of one. Whether the hub did what was asked is not known."""

    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; comes back as `Answer` or `Lost`. Only the body of a good answer (2xx) goes to the sink."""

    request: Request
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Call this: it reads or writes files. Comes back as what it returns; its exceptions end the generator."""

    task: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Hand this to the caller, who iterates."""

    value: T


Step: TypeAlias = Send | Pause | Work
Steps: TypeAlias = Generator[Step, Any, R]
"""Ends in a value."""
Stream: TypeAlias = Generator[Step | Item[T], Any, None]
"""Hands out items."""


def send(request: Request, sink: Sink | None = None) -> Steps[Answer | Lost]:
    """Send one request, once."""
    return cast("Answer | Lost", (yield Send(request, sink)))


def pause(seconds: float) -> Steps[None]:
    """Wait."""
    yield Pause(seconds)


def work(task: Callable[[], R]) -> Steps[R]:
    """Touch the disk."""
    return cast("R", (yield Work(task)))
