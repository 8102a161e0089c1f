"""Lets a request wait for something to happen, without holding a thread."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

EVERY_TOPIC = ""
"""What the store rings when it may have missed topics: everybody looks again."""


class Waker:
    """Wakes waiting coroutines by topic. Rung from any thread; waited for on the loop it was made on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.closing = False

    def ring(self, topic: str) -> None:
        """Wake those who wait for a topic; safe from any thread, and after the loop has ended."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, topic)

    def close(self) -> None:
        """Wake everybody, for good: the process stops."""
        self.closing = True
        self.ring(EVERY_TOPIC)

    @contextmanager
    def listen(self, topic: str) -> Generator[asyncio.Event]:
        """Give an event that is set whenever the topic is rung. Clear it, look, and only then wait for it."""
        event = asyncio.Event()
        self._waiting.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[topic]
            events.discard(event)
            if not events:
                del self._waiting[topic]

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait until the event is set, the process stops, or the time is over."""
        if self.closing or seconds <= 0:
            return
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return

    def _wake(self, topic: str) -> None:
        if topic == EVERY_TOPIC:
            for events in self._waiting.values():
                for event in events:
                    event.set()
        for event in self._waiting.get(topic, ()):
            event.set()
