"""Sends what the hub has not heard, until it says that it has; and what the site can start now."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from foedus.agent.context import Context
from foedus.agent.pace import rest
from foedus.agent.reconcile import returned
from foedus.agent.statuses import board
from foedus.core.base.errors import FoedusError
from foedus.core.base.ids import JobId
from foedus.core.base.instant import Instant, after, passed, seconds_between
from foedus.core.placement.capacity import TURNOVER_S, Capacity
from foedus.store.journal import Key
from foedus.store.journal_rows import Outbox, Row, Step
from foedus.wire.agents import ReportReply, ReportRequest, StatusItem, UsageItem
from foedus.wire.ledger import SealView

_MOST = 500
_IDLE_S = 1.0
_GATHER_S = 0.1
"""Least time between two reports: what happens within it is told together."""
_NEVER = Instant(0)
PENDING_SEAL = "seal"
"""Note that holds the countersignature which the hub has not acknowledged."""


@dataclass(slots=True, kw_only=True)
class Reporter:
    """One thread's work: the outbox."""

    context: Context
    _full: Instant = field(default=_NEVER)
    """When everything was reported last."""
    _measured: Instant = field(default=_NEVER)
    _took: float = 0.0
    """How many seconds that took."""
    _told: Instant = field(default=_NEVER)
    """When the last report was sent."""
    _outdated: bool = True
    """Something has changed since what is free was measured."""
    _drained: bool | None = None
    _epoch: str = ""

    def step(self) -> float:
        """Send one report, if there is anything to say or it is time."""
        context = self.context
        if not context.talking:
            return _IDLE_S
        now = context.clock.now()
        early = seconds_between(now, after(self._told, _GATHER_S))
        if 0 < early <= _GATHER_S:
            return early
        epoch = context.journal.note("epoch") or ""
        full = epoch != self._epoch or passed(self._full, context.settings.board_s, now)
        if full:
            context.journal.offer_refused()
        outbox = context.journal.due(_MOST, _MOST)
        seal = context.journal.note(PENDING_SEAL) or ""
        changed = bool(outbox.statuses or outbox.usages or seal) or self._drained != context.flags.draining
        self._outdated = self._outdated or changed
        capacity = self._capacity(now)
        if not (full or changed or capacity is not None):
            return self._until_next(now)
        draining = context.flags.draining
        self._told = now
        usages = [context.meter.signed(usage) for usage in outbox.usages]
        reply = context.hub.report(
            ReportRequest(
                at=now,
                full=full,
                capacity=capacity,
                draining=draining,
                statuses=_with_board(outbox, context.journal.open_rows()) if full else _items(outbox),
                usages=usages,
                seals=[SealView.model_validate_json(seal)] if seal else [],
            )
        )
        self._heard(outbox, usages, reply)
        if seal and context.journal.note(PENDING_SEAL) == seal:
            context.journal.write_note(PENDING_SEAL, "")
        self._drained = draining
        if full:
            self._full, self._epoch = now, epoch
        more = len(outbox.statuses) == _MOST or len(outbox.usages) == _MOST
        return 0.0 if more else self._until_next(now)

    def _until_next(self, now: Instant) -> float:
        """Return the seconds until what is free is to be measured again: soon after a change, else at leisure."""
        settings = self.context.settings
        least = rest(self._took, settings.capacity_s) if self._outdated else settings.report_s
        return 0.0 if passed(self._measured, least, now) else seconds_between(now, after(self._measured, least))

    def _capacity(self, now: Instant) -> Capacity | None:
        """Measure what can start now; `None` if that was said a moment ago, or the cluster does not answer."""
        context = self.context
        if self._until_next(now) > 0:
            return None
        self._measured, self._outdated = now, False
        try:
            ended = context.journal.closed_since(after(now, -TURNOVER_S))
            return replace(context.driver.capacity(), turnover=ended)
        except FoedusError as error:
            context.log.warning("the cluster does not say what is free", error=str(error))
            return None
        finally:
            self._took = max(0.0, seconds_between(now, context.clock.now()))

    def _heard(self, outbox: Outbox, usages: Sequence[UsageItem], reply: ReportReply) -> None:
        context = self.context
        present = context.keys.present().key
        answers = [
            (_key(usage), usage.keyid, answer.accepted) for usage, answer in zip(usages, reply.usages, strict=True)
        ]
        context.journal.heard(
            [((due.item.job, due.item.attempt), due.version) for due in outbox.statuses],
            [key for key, _, accepted in answers if accepted],
            # one that was refused under a key that has been changed meanwhile is signed anew and sent again
            [key for key, keyid, accepted in answers if not accepted and keyid == present],
        )
        for item in reply.statuses:
            if not item.accepted:
                context.log.warning("the hub does not take this", job=item.job, attempt=item.attempt, why=item.text)
                # where nothing was done yet, nothing has to be: the hub does not know of this order any more
                context.change((item.job, item.attempt), lambda row, why=item.text: _withdrawn(row, why))
        for item in reply.usages:
            if not item.accepted:
                context.log.error(
                    "the hub does not book this record", job=item.job, attempt=item.attempt, why=item.text
                )
                note = {"job": item.job, "attempt": item.attempt, "why": item.text}
                context.journal.write_note("refused", json.dumps(note))


def _withdrawn(row: Row, why: str) -> Row:
    return returned(row, why or "the hub has withdrawn it") if row.step is Step.INTENDED else row


def _items(outbox: Outbox) -> list[StatusItem]:
    return [due.item for due in outbox.statuses]


def _with_board(outbox: Outbox, rows: Sequence[Row]) -> list[StatusItem]:
    """Return everything that the site has, and what the hub has not heard of others."""
    items = {(item.job, item.attempt): item for row in rows for item in board(row)}
    items |= {(item.job, item.attempt): item for item in _items(outbox)}
    return [items[key] for key in sorted(items)]


def _key(usage: UsageItem) -> Key:
    body = usage.body
    return JobId(str(body["job"])), int(str(body["attempt"]))
