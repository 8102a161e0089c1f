"""The running agent: its threads, and the operator's flags."""

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from foedus.agent.context import Context
from foedus.agent.threads import Loop, run
from foedus.core.base.errors import FoedusError
from foedus.core.base.instant import Instant, passed
from foedus.store.journal_rows import Flags
from foedus.wire.message import Message
from foedus.wire.times import Time

_FLAGS_S = 1.0
_BEAT_S = 10.0
_PATIENCE_S = 30.0
_SEVER_S = 0.5
"""How long a call that is under way may still take when the site severs itself."""
_STOP_S = 5.0
BEAT = "beat"


class Beat(Message):
    """What a running agent says of itself, for ``foedus agent status``."""

    at: Time
    pid: int
    talking: bool
    trouble: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Agent:
    """One site's agent, built and not yet started."""

    context: Context
    loops: Sequence[Loop]
    pid: int
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    _beaten: Instant = field(default=Instant(0))

    def run(self) -> None:
        """Work until told to stop; jobs go on afterwards.

        Raises what made it impossible to go on: `Stale` where another agent has taken over the site.
        """
        context = self.context
        context.log.info(
            "runs", site=context.site, driver=context.settings.driver_kind, open=len(context.journal.open_rows())
        )
        for loop in self.loops:
            thread = threading.Thread(target=run, args=(loop, context), name=loop.name, daemon=True)
            self._threads.append(thread)
            thread.start()
        try:
            while not context.stopping.wait(_FLAGS_S):
                self._watch()
        finally:
            self._end()
        if context.fatal:
            raise context.fatal[0]

    def stop_on(self, *signals: signal.Signals) -> None:
        """Stop gracefully when one of these arrives."""
        for number in signals:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        # not here: this interrupts the main thread, which may hold the event's own lock at this moment
        threading.Thread(target=self.context.stopping.set, name="stop").start()

    def _watch(self) -> None:
        context = self.context
        try:
            flags = context.journal.flags()
            if flags != context.flags:
                self._obey(flags)
            now = context.clock.now()
            if passed(self._beaten, _BEAT_S, now):
                self._beaten = now
                beat = Beat(
                    at=context.machine.now(), pid=self.pid, talking=context.talking, trouble=dict(context.trouble)
                )
                context.journal.write_note(BEAT, beat.model_dump_json())
        except FoedusError as error:
            context.log.warning("the journal does not answer", error=str(error))

    def _obey(self, flags: Flags) -> None:
        context = self.context
        old, context.flags = context.flags, flags
        context.log.warning("told by the operator", draining=flags.draining, severed=flags.severed)
        if flags.severed and not old.severed:
            context.greeted.clear()
            context.hub.hang_up(_SEVER_S)
        for event in context.signals.all():
            event.set()

    def _end(self) -> None:
        """Let every thread finish its step: a hand-over that has begun is written down."""
        context = self.context
        context.stopping.set()
        context.hub.hang_up(_STOP_S)
        for event in context.signals.all():
            event.set()
        deadline = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        context.hub.hang_up(0)  # a greeting that began before may have taken up the line again
        still = [thread.name for thread in self._threads if thread.is_alive()]
        if still:
            context.log.warning("stopped while a step was under way; it is looked into at the next start", parts=still)
        else:
            context.journal.close()
            close = getattr(context.driver, "close", None)
            if callable(close):
                close()
        context.log.info("stopped; jobs go on")
