"""The bell: wakes whoever waits for a topic once what they wait for is committed."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

Listener: TypeAlias = Callable[[str], None]
"""Gets the topic. It is called on whichever thread committed or heard of it, so it should only pass it on."""

EVERYTHING: Final = ""
"""Rung when topics may have been missed (a connection was lost): look at everything again."""

_log: Final = logging.getLogger(__name__)


class Bell:
    """Rings in this process."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each topic from now on; return what ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return stop

    def ring(self, topics: Iterable[str]) -> None:
        """Tell every listener, each topic once.

        What they are told of is committed already, so one that fails is logged and does not stop the others.
        """
        for topic in dict.fromkeys(topics):
            for listener in self._listeners:
                try:
                    listener(topic)
                except Exception:  # noqa: BLE001 - the caller has committed; a listener cannot undo that
                    _log.exception("a listener failed on topic %r", topic)

    def close(self) -> None:
        """Stop ringing."""
        with self._lock:
            self._listeners = ()
