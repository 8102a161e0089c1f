"""Changes that come at the same time share one transaction, where a database lets one writer in at a time.

Each happens wholly or not at all, and whoever asked for it hears of it only once all of them are durable. So those that
have queued up wait for the disk once, and not one after the other. A change may see what others of its transaction have
changed before it; if they come to nothing when it is committed, so does it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar, cast

from foedus.core.base.errors import Busy
from foedus.store.dialects.base import WAIT_SECONDS

_LONGEST_S: Final = 0.1
"""How long a transaction takes up further changes: the first ones wait for its end."""

Result = TypeVar("Result")


class Shared(Protocol):
    """What is needed of a transaction."""

    @property
    def open(self) -> bool:
        """Whether it is still open: a database may end it by itself, when its disk is full."""
        ...

    def apart(self) -> AbstractContextManager[None]:
        """Undo what was done in the block, and that alone, if it raises."""
        ...


Tx = TypeVar("Tx", bound=Shared)


@dataclass(slots=True, eq=False)
class _Change(Generic[Tx]):
    """One change that somebody waits for."""

    act: Callable[[Tx], object]
    context: Context = field(default_factory=copy_context)
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    """Whether who asked for it is to do it now, with those that have queued up behind it."""
    answer: object = None
    error: BaseException | None = None

    def run(self, tx: Tx) -> None:
        """Do it as if in the thread that asked for it."""
        self.answer = self.context.run(self.act, tx)


class Together(Generic[Tx]):
    """Has the thread that comes first do what the others have queued up meanwhile; then the next one's turn comes."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Tx]]) -> None:
        self._begin = begin
        self._mutex = threading.Lock()
        self._waiting: deque[_Change[Tx]] = deque()
        self._led = False

    def do(self, act: Callable[[Tx], Result]) -> Result:
        """Make one change; raises what it raises, `Busy` after a long wait, or what the common end fails with."""
        mine = _Change(act)
        with self._mutex:
            self._waiting.append(mine)
            mine.leads, self._led = not self._led, True
        if not mine.leads:
            self._await(mine)
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return cast("Result", mine.answer)

    def _await(self, mine: _Change[Tx]) -> None:
        if mine.woken.wait(WAIT_SECONDS):
            return
        with self._mutex:
            if mine in self._waiting and not mine.woken.is_set():
                self._waiting.remove(mine)
                raise Busy("other transactions hold the database; nothing happened")
        mine.woken.wait()  # its turn has come in this very moment

    def _lead(self) -> None:
        done: list[_Change[Tx]] = []
        try:
            self._do(done)
        except BaseException as error:  # noqa: BLE001  # whoever asked raises it
            for change in done:
                change.error = change.error or error
        finally:
            self._hand_on(done)

    def _do(self, done: list[_Change[Tx]]) -> None:
        """Do the first change, and then the others; `done` has all that were begun, for the caller."""
        until = time.monotonic() + _LONGEST_S
        done.append(self._waiting.popleft())
        with self._begin() as tx:
            if not self._waiting:
                done[0].run(tx)
                return
            while True:
                _try(tx, done[-1])
                if not self._waiting or time.monotonic() > until:
                    return
                done.append(self._waiting.popleft())

    def _hand_on(self, done: Sequence[_Change[Tx]]) -> None:
        with self._mutex:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()
        for change in done:
            change.woken.set()


def _try(tx: Tx, change: _Change[Tx]) -> None:
    try:
        with tx.apart():
            change.run(tx)
    except Exception as error:
        change.error = error
        if not tx.open:
            raise
