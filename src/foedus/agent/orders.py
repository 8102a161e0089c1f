"""Greets the hub, takes its orders into the journal, and adopts what the journal has lost."""

import threading
from dataclasses import dataclass, field

from foedus import __version__
from foedus.agent import agreement as agreements
from foedus.agent.accounts import Account, NoAccount
from foedus.agent.context import Context
from foedus.agent.reconcile import adopted, ordered, told_of
from foedus.agent.recover import tell
from foedus.agent.stopping import asked_to_stop
from foedus.core.base.errors import BadInput, Forgotten, NotAllowed, Stale
from foedus.core.base.ids import JobId
from foedus.core.base.instant import seconds_between
from foedus.core.jobs.state import AttemptState
from foedus.store.journal_rows import Row
from foedus.wire.agents import BoardItem, HelloReply, HelloRequest, OrdersReply, OrdersRequest, StatusItem, StopOrder
from foedus.wire.ledger import SignedHead

_AGAIN_S = 1.0
_AT_ONCE_S = 0.1
"""An answer as quick as this was not held back; if nothing in it was new, the next question waits a moment."""
_SEVERED_S = 1.0
_MOST_KNOWN = 10_000
_GAP = 1_000_000
"""Between the numbers of one process and the next: more than any process sends in the time between two starts."""
_JUMP = 86_400_000
"""How far to jump where the hub has seen higher numbers: the journal is a copy from an earlier day."""
_JUMPS = 5
_SKEW_WARNING_S = 5


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """One thread's work: the long poll."""

    context: Context
    _fetching: threading.Lock = field(default_factory=threading.Lock)
    """Held while the agreement is fetched: two threads that did so at once might put the older version last."""

    _waits: bool = False
    """Everything is told to a hub that was restored, and it is not whole yet."""
    _proof: SignedHead | None = None
    """A head that the hub has signed and does not have any more."""

    def step(self) -> float:
        """Ask once and do what the answer says."""
        context = self.context
        if context.flags.severed:
            return _SEVERED_S
        if not context.greeted.is_set() and not self._waits:
            self._greet()
        asked = context.clock.now()
        reply = self._ask()
        if context.flags.severed or context.stopping.is_set():
            return _SEVERED_S
        if reply.recovering:
            return _AGAIN_S
        if self._waits:
            self._talk()
        news = self.take(reply)
        at_once = seconds_between(asked, context.clock.now()) < _AT_ONCE_S
        return _AGAIN_S if at_once and not news else 0.0

    def _ask(self) -> OrdersReply:
        known = self.context.journal.unheard()[:_MOST_KNOWN]
        request = OrdersRequest(wait_s=self.context.settings.poll_s, known=known, sealed=self._proof)
        try:
            reply = self.context.hub.orders(request)
        except (Forgotten, Stale):
            self._waits, self._proof = False, None
            raise
        self._proof = None
        return reply

    def _talk(self) -> None:
        """Begin to report."""
        self._waits = False
        self.context.greeted.set()
        for signal in self.context.signals.all():
            signal.set()

    def take(self, reply: OrdersReply) -> bool:
        """Write the orders down; other threads carry them out. Says whether any was new."""
        context = self.context
        orders = [order for order in reply.starts if not self._is_refused(order.job, order.attempt)]
        fresh = [ordered(order, context.machine.now()) for order in orders]
        added = {row.key for row in context.journal.add(fresh, context.clock.now())}
        for row in fresh:
            if row.key in added:
                context.log.info("ordered", job=row.order.job, attempt=row.order.attempt, project=row.order.project)
            else:
                self._repeat(row)
        stopped = [stop for stop in reply.stops if self._stop(stop)]
        if added:
            context.signals.starts.set()
        if stopped:
            context.signals.looks.set()
        if reply.head is not None and reply.head != context.head:
            context.head = reply.head
            context.signals.heads.set()
            self._compare(reply.head.seq)
        return bool(added or stopped)

    def _compare(self, shown: int) -> None:
        """Keep the proof for the next question, if the hub shows less than it has signed before."""
        newest = self.context.journal.ledger.newest_head()
        if newest is not None and shown < newest.seq:
            self.context.log.warning(
                "the hub shows less of the ledger than it has signed", shows=shown, sealed=newest.seq
            )
            self._proof = newest

    def refresh(self, version: int) -> None:
        """Fetch the agreement if the hub has that version or a newer one; accept it for its signatures alone."""
        with self._fetching:
            self._refresh(version)

    def _refresh(self, version: int) -> None:
        context = self.context
        if context.agreement.version >= version:
            return
        view = context.hub.agreement()
        try:
            agreement = agreements.accepted(view, context.agreement)
        except (BadInput, NotAllowed) as error:
            context.journal.write_note("alarm", f"an agreement was not accepted: {error.message}")
            context.log.critical("the hub's new agreement is not accepted", error=error.message)
            return
        if agreement.digest == context.agreement.digest:
            return
        agreements.store(context.folder, view)
        if agreement.hub_key != context.agreement.hub_key:
            context.head = None  # signed with the key before
        context.agreement = agreement
        context.log.info("a new version of the agreement holds", version=agreement.version)

    def _greet(self) -> None:
        context = self.context
        reply = self._hello()
        skew = seconds_between(reply.now, context.machine.now())
        if abs(skew) > _SKEW_WARNING_S:
            context.log.warning("this machine's clock differs from the hub's", seconds=round(skew, 1))
        context.log.info("greeted the hub", epoch=reply.epoch, board=len(reply.board))
        self._adopt(reply.board)
        context.journal.write_note("epoch", str(reply.epoch))
        if reply.recovery is not None:
            tell(context, reply.recovery)
            self._waits = True
            return
        self._talk()
        self.refresh_quietly()

    def refresh_quietly(self) -> None:
        """Look for a newer agreement; what goes wrong is met again when an order needs it."""
        try:
            self.refresh(self.context.agreement.version + 1)
        except Stale:
            raise
        except Exception as error:  # noqa: BLE001  # the jobs come first
            self.context.log.warning("the agreement could not be fetched", error=str(error))

    def _hello(self) -> HelloReply:
        """Begin an epoch with a number higher than every one before, those of a lost journal too."""
        context = self.context
        number = max(context.clock.now(), int(context.journal.note("sequence") or 0) + _GAP)
        known = int(context.journal.note("epoch") or 0)
        request = HelloRequest(version=__version__, driver=context.settings.driver_kind, epoch=known)
        for _ in range(_JUMPS):
            context.journal.write_note("sequence", str(number))
            try:
                return context.hub.hello(request, number)
            except Stale:
                context.log.warning("the hub has seen higher numbers from this site", number=number)
                number += _JUMP
        context.journal.write_note("sequence", str(number))
        return context.hub.hello(request, number)

    def _adopt(self, board: list[BoardItem]) -> None:
        """Compare the hub's board with the journal.

        The journal may be an old copy, and another agent may have worked on a copy of it until this very greeting: what
        is not known to be at the cluster is looked for first, whatever the journal says.
        """
        context = self.context
        lost: list[Row] = []
        for item in board:
            known = context.journal.binding(item.job, item.attempt)
            if known is not None and known.order.attempt >= item.order.attempt:
                context.change(known.key, lambda row, item=item: told_of(row, item, context.clock.now()))
                context.journal.say_again(item.job)
            else:
                lost.append(self._lost(item))
        for row in context.journal.add(lost, context.clock.now()):
            context.log.warning("adopted: the journal did not know it", job=row.order.job, attempt=row.newest)
            context.change(row.key, _same)
        context.doubt()
        context.signals.looks.set()

    def _lost(self, item: BoardItem) -> Row:
        row = adopted(item, self.context.machine.now())
        try:
            account = self.context.account(row.order)
        except BadInput as error:
            account = NoAccount(reason=error.message)
        name = account.name if isinstance(account, Account) else ""
        return row.model_copy(update={"account": name, "folder": str(self.context.place(row.order))})

    def _is_refused(self, job: JobId, attempt: int) -> bool:
        """Say whether an order was answered already without the attempt ever being in the journal."""
        status = self.context.journal.status(job, attempt)
        return (
            status is not None
            and status[0].state is AttemptState.RETURNED
            and self.context.journal.row(job, attempt) is None
        )

    def _repeat(self, row: Row) -> None:
        """Say again what became of an order that comes again: unless it is just on its way, the hub has not heard."""
        status = self.context.journal.status(*row.key)
        if status is not None and status[1]:
            self.context.journal.say_again(row.order.job)
            self.context.change(row.key, _same)

    def _stop(self, stop: StopOrder) -> bool:
        """Take one order to stop; says whether it changed anything."""
        context = self.context
        row = context.journal.binding(stop.job, stop.attempt)
        if row is None:
            words = "the site does not have it"
            context.journal.post(
                StatusItem(job=stop.job, attempt=stop.attempt, state=AttemptState.RETURNED, reason=words)
            )
            self._say_again(stop)
            return False
        changed = context.change(row.key, lambda row: asked_to_stop(row, stop.why))
        if changed == row:
            self._say_again(stop)
            return False
        context.log.info("asked to stop", job=stop.job, attempt=stop.attempt, why=stop.why)
        return True

    def _say_again(self, stop: StopOrder) -> None:
        """Repeat how it ended, if the hub has acknowledged that and asks all the same."""
        status = self.context.journal.status(stop.job, stop.attempt)
        if status is not None and status[1] and status[0].state in {AttemptState.ENDED, AttemptState.RETURNED}:
            self.context.journal.say_again(stop.job)
        self.context.signals.reports.set()


def _same(row: Row) -> Row:
    return row
