"""Passes on what the jobs print, while they run and to the last byte."""

import base64
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foedus.agent import reconcile
from foedus.agent.accounts import Account, look_up
from foedus.agent.context import Context
from foedus.agent.rights import rights_of
from foedus.client.bundle import Guard
from foedus.core.base.errors import FoedusError, Stale
from foedus.core.base.instant import Instant, seconds_between
from foedus.store.journal import Change, Key
from foedus.store.journal_rows import Row, Step, Tail
from foedus.wire.agents import LogPiece, LogsRequest

CHUNK = 256 * 1024
_AT_ONCE = 16
_KIBIBYTE = 1024
_MEBIBYTE = 1024 * 1024
_STRETCH_S = 60
"""How long what was passed on counts against what may be."""
_IDLE_S = 5.0
_FOLLOWED = frozenset({Step.HANDED, Step.RUNNING, Step.ENDED})
_NANOSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """New bytes of a stream."""

    tail: Tail
    data: bytes
    last: bool
    """The cap is reached: nothing more will be passed on."""

    def piece(self) -> LogPiece:
        """Return it as it is sent."""
        return LogPiece(
            job=self.tail.job,
            attempt=self.tail.attempt,
            stream=self.tail.stream,
            offset=self.tail.offset,
            data=base64.b64encode(self.data).decode("ascii"),
            truncated=self.last,
        )

    def acknowledged(self, offset: int) -> Tail:
        """Go on from where the hub is, wherever that is."""
        position = max(0, self.tail.position + offset - self.tail.offset)
        return self.tail.model_copy(update={"offset": offset, "position": position, "done": self.last})


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose output a file holds at this moment."""

    attempt: int
    since: Instant | None
    """A file that was last written before this does not hold it yet; `None` where that is no question any more."""


def whose_turn(row: Row) -> Turn | None:
    """Say which attempt's output there is to read: while a restart waits, the file still holds the one before.

    A restart writes into the same file as the one before it, and a job may write into a file that came with it.
    """
    if row.step is Step.HANDED:
        return Turn(attempt=row.newest - 1, since=None) if row.restarts else None
    if row.step is Step.RUNNING:
        moments = [row.started, None if row.adopted else row.since]
        return Turn(attempt=row.newest, since=max((one for one in moments if one is not None), default=None))
    run = row.runs.get(row.restarts)
    if row.restarts and (run is None or run.started is None):
        return None
    return Turn(attempt=row.newest, since=None)


@dataclass(slots=True, kw_only=True)
class Tailer:
    """One thread's work: all streams of all attempts."""

    context: Context
    _accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    _passed: dict[Key, tuple[Instant, int]] = field(default_factory=dict[Key, tuple[Instant, int]])
    """For each attempt that runs: when its present stretch of time began, and how much was passed on since."""

    def step(self) -> float:
        """Send what is new; note the attempts whose output is wholly sent."""
        context = self.context
        rows = [row for row in context.journal.open_rows() if row.step in _FOLLOWED and not row.logged]
        if not context.talking:
            return 1.0 if rows else _IDLE_S
        stretches: list[Stretch] = []
        quiet: list[Row] = []
        for row in rows:
            # whether it is over has to be known before reading: what is then found is all there is
            turn = whose_turn(row)
            if turn is not None and not self._is_announced(row, turn.attempt):
                continue
            with context.apart(row.order.job, "the reading of output"):
                found = self._new(row, turn) if turn is not None else []
                stretches += found
                if not found and row.step is Step.ENDED and not reconcile.owes_records(row):
                    quiet.append(row)
        for first in range(0, len(stretches), _AT_ONCE):
            self._send(stretches[first : first + _AT_ONCE])
        self._passed = {row.key: self._passed[row.key] for row in rows if row.key in self._passed}
        now = context.clock.now()
        changes = [Change(key=row.key, decide=lambda row: _logged(row, now)) for row in quiet]
        context.change_all(changes, "its last output")
        if stretches:
            return 0.0
        return context.settings.log_tail_s if rows else _IDLE_S

    def _is_announced(self, row: Row, attempt: int) -> bool:
        """Say whether the hub knows of an attempt: of a restart it hears with the end of the one before."""
        if attempt == row.order.attempt:
            return True
        before, heard = self.context.journal.status(row.order.job, attempt - 1) or (None, False)
        return before is not None and heard and before.requeued_as == attempt

    def _new(self, row: Row, turn: Turn) -> list[Stretch]:
        tails = self.context.journal.tails((row.order.job, turn.attempt))
        guard = self._guard(row)
        if guard is None:
            return []
        room = self.context.settings.log_cap_mib * _MEBIBYTE - sum(tail.offset for tail in tails)
        share = self._share(row)
        found: list[Stretch] = []
        for tail in tails:
            if tail.done or share <= 0:
                continue
            stretch = _read(tail, guard, max(0, room), turn.since, most=share)
            if stretch is not None:
                found.append(stretch)
                room -= len(stretch.data)
                share -= len(stretch.data)
        began, passed = self._passed.get(row.key, (self.context.clock.now(), 0))
        self._passed[row.key] = (began, passed + sum(len(stretch.data) for stretch in found))
        return found

    def _share(self, row: Row) -> int:
        """Return how many bytes of an attempt may be passed on now. What is over holds up nobody: it goes at once."""
        if row.step is not Step.RUNNING:
            return CHUNK
        now = self.context.clock.now()
        began, passed = self._passed.get(row.key, (now, 0))
        seconds = seconds_between(began, now)
        if not 0 <= seconds < _STRETCH_S:
            self._passed[row.key] = (now, 0)
            return CHUNK
        return min(CHUNK, int((seconds + 1) * self.context.settings.log_rate_kib * _KIBIBYTE) - passed)

    def _guard(self, row: Row) -> Guard | None:
        """Return the rights to read with; `None` if the account is gone, and with it the output."""
        account = self._accounts.get(row.account)
        if account is None:
            found = look_up(row.account, self.context.account_rules)
            if not isinstance(found, Account):
                return None
            account = self._accounts[row.account] = found
        return rights_of(account)

    def _send(self, stretches: Sequence[Stretch]) -> None:
        try:
            reply = self.context.hub.logs(LogsRequest(pieces=[stretch.piece() for stretch in stretches]))
        except Stale:
            raise
        except FoedusError as error:
            if error.retryable or error.code in {"not-authenticated", "broken"}:
                raise
            self._refused(stretches, error)
            return
        pairs = zip(stretches, reply.offsets, strict=True)
        self.context.journal.write_tails([stretch.acknowledged(offset) for stretch, offset in pairs])

    def _refused(self, stretches: Sequence[Stretch], error: FoedusError) -> None:
        """Find out which stretch the hub does not want, and give that stream up."""
        if len(stretches) > 1:
            for stretch in stretches:
                self._send([stretch])
            return
        (only,) = stretches
        self.context.log.warning(
            "the hub does not take this output", job=only.tail.job, stream=only.tail.stream, error=str(error)
        )
        self.context.journal.write_tails([only.tail.model_copy(update={"done": True})])


def _read(tail: Tail, guard: Guard, room: int, since: Instant | None = None, *, most: int = CHUNK) -> Stretch | None:
    """Read what is new, `None` for nothing. A file that shrank is read on from its beginning.

    `room` is what may be passed on of the attempt at all, and `most` what may be at this moment.
    """
    try:
        with guard():
            handle = os.open(Path(tail.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or (since is not None and found.st_mtime_ns < since * _NANOSECONDS):
            return None
        if found.st_size < tail.position:
            tail = tail.model_copy(update={"position": 0})
        more = found.st_size > tail.position
        data = os.pread(handle, min(most, room), tail.position) if more and room else b""
    except OSError:
        return None
    finally:
        os.close(handle)
    # one byte beyond the cap is enough to know that something is left out
    last = more and room <= len(data) and found.st_size > tail.position + len(data)
    return Stretch(tail=tail, data=data, last=last) if data or last else None


def _logged(row: Row, now: Instant) -> Row:
    if row.step is not Step.ENDED:
        return row
    return reconcile.closed(row.model_copy(update={"logged": True}), now)
