"""The bell over PostgreSQL's LISTEN and NOTIFY: one thread with a connection of its own."""

import threading
from collections.abc import Callable
from typing import Final

import psycopg

from foedus.store.bell import EVERYTHING, Bell, Listener

CHANNEL: Final = "foedus"

_GLANCE_SECONDS: Final = 0.5
"""How long the thread listens before it looks whether it should end."""
_GLANCES_PER_PING: Final = 20
"""A silent connection is asked this often whether it still lives."""
_RETRY_SECONDS: Final = (0.1, 0.3, 1.0, 3.0)


class PostgresBell(Bell):
    """Rings here at once, and for what other processes announce.

    After a lost connection, topics may have been missed: `EVERYTHING` is rung.
    """

    def __init__(self, dsn: str, name: str) -> None:
        super().__init__()
        self._dsn = dsn
        self._name = name
        self._over = threading.Event()
        self._ready = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each topic from now on; return what ends that.

        Waits shortly for the first connection, so that a ring right after this is not missed. A database that is away
        is tried again in the background, and `EVERYTHING` is rung when it is back.
        """
        stop = super().listen(listener)
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="foedus-bell", daemon=True)
                self._thread.start()
        self._ready.wait(timeout=5)
        return stop

    def close(self) -> None:
        """End the thread."""
        super().close()
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        failures, missed = 0, False
        while not self._over.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    failures = 0
                    self._ready.set()
                    if missed:
                        self.ring([EVERYTHING])
                    self._hear(connection)
            except psycopg.Error:
                missed = True
                self._over.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1

    def _hear(self, connection: psycopg.Connection) -> None:
        silent = 0
        while not self._over.is_set():
            silent += 1
            for notice in connection.notifies(timeout=_GLANCE_SECONDS, stop_after=1):
                silent = 0
                self._pass_on(notice.payload)
            if silent >= _GLANCES_PER_PING:
                connection.execute("SELECT 1")
                silent = 0

    def _pass_on(self, payload: str) -> None:
        name, *topics = payload.split("\n")
        if name != self._name:
            self.ring(topics)
