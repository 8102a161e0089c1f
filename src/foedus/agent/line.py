"""The line to the hub: it can be hung up from another thread, in the middle of a call."""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, cast

import httpx2

from foedus.core.base.errors import Unreachable

Extensions: TypeAlias = dict[str, Any]
_CONNECTED = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})
_BREAK_S = 2.0


class _NetworkStream(Protocol):
    def get_extra_info(self, info: str) -> object: ...


@dataclass(slots=True)
class _Pool:
    """The connections of one kind of call."""

    http: httpx2.Client
    sockets: list[socket.socket] = field(default_factory=list[socket.socket])
    calls: int = 0


class Line:
    """Two pools of connections: one for the long poll, which is ended at once, and one for everything else."""

    def __init__(self, dial: Callable[[], httpx2.Client]) -> None:
        self._dial = dial
        self._pools: dict[bool, _Pool] = {}
        self._down = False
        self._changed = threading.Condition()

    def open(self) -> None:
        """Let calls begin again."""
        with self._changed:
            self._down = False

    @contextmanager
    def call(self, *, polls: bool) -> Generator[tuple[httpx2.Client, Extensions]]:
        """Hold the line for one call; raises `Unreachable` while it is hung up."""
        with self._changed:
            if self._down:
                raise Unreachable("the line to the hub is hung up")
            pool = self._pools.get(polls)
            if pool is None:
                pool = self._pools[polls] = _Pool(self._dial())
            pool.calls += 1
        try:

            def note(event: str, info: Mapping[str, object]) -> None:
                self._note(pool, event, info)

            yield pool.http, {"trace": note}
        finally:
            with self._changed:
                pool.calls -= 1
                self._changed.notify_all()

    def hang_up(self, patience: float) -> None:
        """Begin no call, end the long poll at once, and everything else after `patience` seconds."""
        with self._changed:
            self._down = True
            poll, rest = self._pools.pop(True, None), self._pools.pop(False, None)
            _cut(poll)
            if rest is not None:
                self._changed.wait_for(lambda: rest.calls == 0, patience)
                _cut(rest)
            for pool in (poll, rest):
                if pool is not None:
                    self._changed.wait_for(lambda pool=pool: pool.calls == 0, _BREAK_S)
        for pool in (poll, rest):
            if pool is not None:
                pool.http.close()

    def _note(self, pool: _Pool, event: str, info: Mapping[str, object]) -> None:
        """Remember the sockets as they are connected; one that comes too late is cut at once."""
        if event not in _CONNECTED:
            return
        found = cast("_NetworkStream", info["return_value"]).get_extra_info("socket")
        if not isinstance(found, socket.socket):
            return
        with self._changed:
            pool.sockets = [one for one in pool.sockets if one.fileno() >= 0]
            pool.sockets.append(found)
            if self._pools.get(True) is not pool and self._pools.get(False) is not pool:
                _cut(pool)


def _cut(pool: _Pool | None) -> None:
    """End what is being read and written; the thread that does it then closes the socket itself."""
    for one in pool.sockets if pool is not None else ():
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
