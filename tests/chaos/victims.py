"""What can be struck: processes, each with its family, under a supervisor that starts them again when they end."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from chaos.beside import Beside
from chaos.history import History

_LOOK_S = 0.5


class Victim:
    """One of the parts of a run.

    `start` begins it and returns at once or when it works; what it raises is noted, and it is tried again. `kill` ends
    it as a crash does, `stop` by the book, `pids` are all its processes, the first one of which `alive` is about.
    """

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[], None],
        kill: Callable[[], None],
        stop: Callable[[], None] | None = None,
        alive: Callable[[], bool],
        pids: Callable[[], Sequence[int]],
    ) -> None:
        self.name = name
        self._start, self._kill, self._stop, self._alive, self._pids = start, kill, stop or kill, alive, pids
        self._lock = threading.RLock()

    @property
    def alive(self) -> bool:
        return self._alive()

    @contextmanager
    def down(self, *, hard: bool = True) -> Generator[None]:
        """Kill it (or stop it by the book), and start it afterwards; meanwhile nobody else starts or kills it."""
        with self._lock:
            (self._kill if hard else self._stop)()
            try:
                yield
            finally:
                with contextlib.suppress(Exception):  # the supervisor tries it again
                    self._start()

    @contextmanager
    def held(self) -> Generator[None]:
        """Let nobody else kill it or start it."""
        with self._lock:
            yield

    def kill_again(self) -> None:
        """Kill it while it may still be starting, and start it at once."""
        with self.down():
            pass

    def freeze(self) -> list[int]:
        """Stop all its processes where they stand; return them."""
        stopped = list(self._pids())
        signal_all(stopped, signal.SIGSTOP)
        return stopped

    def revive(self, history: History) -> None:
        """Start it if it has ended by itself; leave it alone while somebody else has it down."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self._alive():
                history.note("ended by itself", who=self.name)
                self._start()
        except Exception as error:  # noqa: BLE001 - what it needs may be down too: it is tried again
            history.note("does not start", who=self.name, error=repr(error)[:500])
        finally:
            self._lock.release()


def signal_all(pids: Sequence[int], what: signal.Signals) -> None:
    """Send a signal to those that still exist."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


class Supervisor(Beside):
    """Starts what has ended by itself, as an init system does."""

    def __init__(self, victims: Sequence[Victim], history: History) -> None:
        super().__init__(_LOOK_S)
        self._victims, self._history = victims, history

    def look(self) -> None:
        """Start what is not there."""
        for victim in self._victims:
            victim.revive(self._history)
