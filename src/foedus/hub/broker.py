"""The broker: places jobs, in whichever hub process holds the lead at a time."""

import asyncio
import time
from collections.abc import Callable

import structlog
from starlette.concurrency import run_in_threadpool

from foedus.core.base.errors import FoedusError
from foedus.core.base.ids import JobId
from foedus.core.base.instant import Instant
from foedus.flow.place import PlaceRules, place, recall, withdraw
from foedus.flow.ports import BROKER, Transaction
from foedus.flow.release import sweep
from foedus.flow.shadows import LiveShadows
from foedus.hub.metrics import BROKER_FAILURES, BROKER_PASS, LAST_PASS, LEADER, PLACED
from foedus.hub.waker import Waker
from foedus.hub.wiring import Hub
from foedus.store.cleanup import forget
from foedus.store.dialects.base import LEASE_SECONDS

_LOG = structlog.get_logger("foedus.broker")
_SWEEP_EVERY_S = 5.0
_LOOK_EVERY_S = 1.0
_SWEEP = 500
"""Held jobs that are looked at in one transaction: others wait for it."""
_FORGET_EVERY_S = 3600.0


class Broker:
    """One pass after another, each at once when something is to be placed."""

    def __init__(self, hub: Hub, waker: Waker, seconds: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._waker = waker
        self._seconds = seconds
        self._swept = 0.0
        self._swept_to: JobId | None = None
        self._looked = time.monotonic()
        self._forgot = -_FORGET_EVERY_S
        self._shadows = LiveShadows()

    async def run(self) -> None:
        """Work until the process stops."""
        with self._waker.listen(BROKER) as event:
            while not self._waker.closing:
                event.clear()
                began = self._seconds()
                more = await run_in_threadpool(self.one_pass)
                if not more:
                    # However often it is rung for: half of the time at most, so that others get at the database.
                    await asyncio.sleep(min(self._seconds() - began, self._hub.settings.pass_s))
                    await self._waker.wait(event, min(self._hub.settings.pass_s, LEASE_SECONDS / 2))

    def one_pass(self) -> bool:
        """Make one pass; true if it placed as much as it looked at, so that another should follow at once."""
        try:
            leading = self._hub.leader.hold()
            LEADER.set(leading)
            self._look_whether_whole()
            if not leading or self._hub.recovering:
                self._shadows.forget()
                return False
            more = self._placed()
            self._forget()
            LAST_PASS.set_to_current_time()
            return more
        except FoedusError as error:
            _LOG.warning("pass failed", code=error.code, message=error.message)
        except Exception:  # noqa: BLE001 - whatever it was, the next pass starts afresh; the log has it
            _LOG.exception("pass failed")
        BROKER_FAILURES.inc()
        return False

    def _look_whether_whole(self) -> None:
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self._hub.look_whether_whole()
            self._looked = time.monotonic()

    def _placed(self) -> bool:
        with BROKER_PASS.time():
            now = self._hub.clock.now()
            rules = self._hub.place_rules
            self._follow(now)
            placed = self._hub.write(lambda tx: self._place(tx, rules, now)) if self._waited() else 0
            PLACED.inc(placed)
            if self._seconds() - self._swept > _SWEEP_EVERY_S:
                self._swept = self._seconds()
                self._hub.write(lambda tx: withdraw(tx, rules, now))
                self._hub.write(lambda tx: recall(tx, self._hub.agreement(tx), rules, now, self._shadows))
                self._swept_to = self._hub.write(lambda tx: sweep(tx, _SWEEP, now, self._swept_to))
        return placed >= rules.window // 2

    def _place(self, tx: Transaction, rules: PlaceRules, now: Instant) -> int:
        return place(tx, self._hub.agreement(tx), rules, now, self._shadows)

    def _follow(self, now: Instant) -> None:
        """Let the shadows take in what happened since the last pass; jobs are placed even where that fails."""
        with self._hub.store.read() as tx:
            agreement = self._hub.agreement(tx)
        try:
            self._shadows.follow(self._hub.store.read, self._hub.write, agreement, now)
        except FoedusError:
            raise
        except Exception:  # noqa: BLE001 - a fault of theirs may cost the order, never the jobs; the log has it
            _LOG.exception("the shadows begin anew")
            BROKER_FAILURES.inc()

    def _waited(self) -> bool:
        """Say whether any job waits for a place: most passes find none, and need not hold up whoever writes."""
        with self._hub.store.read() as tx:
            return bool(tx.jobs.pending(1))

    def _forget(self) -> None:
        """Once an hour, let go of what nobody can ask for any more."""
        if self._seconds() - self._forgot < _FORGET_EVERY_S:
            return
        self._forgot = self._seconds()
        forgotten = forget(self._hub.store, self._hub.clock.now())
        if forgotten:
            _LOG.info("forgot answered requests and old enrolment codes", count=forgotten)
