"""A TCP proxy between two processes that fails on demand, as networks and load balancers do."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Self

_PIECE = 64 * 1024


class Fault(StrEnum):
    """What the line does."""

    NONE = "none"
    CUT = "cut"
    """Connections break, new ones are closed at once: the far machine is off."""
    HOLE = "hole"
    """Packets vanish both ways, and nobody is told: a firewall, a pulled cable."""
    NO_ANSWER = "no answer"
    """What is asked arrives, what is answered vanishes."""
    SLOW = "slow"
    """Everything arrives, piece by piece and late."""


class Proxy:
    """Listens on a free loopback port and passes on to the first of its targets that answers.

    Nothing of HTTP is known here but this: an answer begins with the first byte that comes back after something was
    sent. `lose` is the chance that an answer is thrown away, with its connection, after the request was carried out.
    """

    def __init__(self, targets: Iterable[str], *, seed: str = "1") -> None:
        self._targets: list[tuple[str, int]] = []
        self.aim(targets)
        self.lose = 0.0
        self.slow_s = 1.0
        """How long each piece takes while the line is slow."""
        self.lost = 0
        """Answers that were thrown away."""
        self.port = 0
        self._fault = Fault.NONE
        self._draw = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)

    def aim(self, targets: Iterable[str]) -> None:
        """Set the addresses to pass on to."""
        pairs = (url.removeprefix("http://").split(":") for url in targets)
        self._targets = [(host, int(port)) for host, port in pairs]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        healed, self._fault = self._fault, fault
        if fault is Fault.CUT or healed in {Fault.HOLE, Fault.NO_ANSWER}:
            # what was lost in a hole is never sent again by anybody: the connection is broken for good
            self._loop.call_soon_threadsafe(self._break)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(10)
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _stop(self) -> None:
        self._server.close()
        self._break()
        self._loop.call_later(0.05, self._loop.stop)

    def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = None if self._fault is Fault.CUT else await self._connect()
        if far is None:
            writer.transport.abort()
            return
        line = _Line(self, writer, far[1])
        self._writers |= {writer, far[1]}
        try:
            await asyncio.gather(line.there(reader), line.back(far[0]), return_exceptions=True)
        finally:
            self._writers -= {writer, far[1]}
            for one in (writer, far[1]):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for host, port in self._targets:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, port)
        return None

    def draws_loss(self) -> bool:
        lost = self._draw.random() < self.lose
        self.lost += lost
        return lost


class _Line:
    """One connection."""

    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._asked = False

    async def there(self, reader: asyncio.StreamReader) -> None:
        def asked() -> bool:
            self._asked = True
            return self._proxy.fault is not Fault.HOLE

        await self._carry(reader, self._far, asked)

    async def back(self, reader: asyncio.StreamReader) -> None:
        def answered() -> bool:
            first, self._asked = self._asked, False
            if first and self._proxy.draws_loss():
                self._near.transport.abort()
                self._far.transport.abort()
                return False
            return self._proxy.fault in {Fault.NONE, Fault.SLOW}

        await self._carry(reader, self._near, answered)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may: Callable[[], bool]) -> None:
        try:
            while data := await reader.read(_PIECE):
                if self._proxy.fault is Fault.SLOW:
                    await asyncio.sleep(self._proxy.slow_s)
                if may():
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
