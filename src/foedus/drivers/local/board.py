"""All open attempts, and the moves between their states. Every method is called while the shelf's turn is held.

An attempt waits until it has `Orders`; with them it goes to a supervisor, which claims the run by its `Begun` file;
`Done` ends the run. Whoever finds a run whose supervisor is gone writes that down, so that no attempt is lost, and
nobody starts a run that was ever claimed, so that none runs twice.
"""

import os
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from foedus.core.base.units import Mebibytes
from foedus.core.jobs.signals import Whom
from foedus.core.jobs.state import Outcome
from foedus.drivers.local import processes
from foedus.drivers.local.environment import Placed, default_output, output_path, variables
from foedus.drivers.local.foreman import Foreman
from foedus.drivers.local.nodes import Node, Piece
from foedus.drivers.local.queue import Holding, Wait, Waiting, decide
from foedus.drivers.local.records import Begun, Done, Orders, path_of, put, read, write
from foedus.drivers.local.settings import LocalSettings
from foedus.drivers.local.shelf import Shelf, ticket_of
from foedus.drivers.local.supervisor import MARK, ORDERED, SIGNAL, STOP
from foedus.drivers.local.ticket import Ticket

_MEBIBYTE = 1024 * 1024
_REMEMBERED = 1000
"""How many attempts that are over are kept in memory."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What the files of one attempt say."""

    ticket: Ticket
    folder: Path
    restart: int = 0
    orders: Orders | None = None
    begun: Begun | None = None
    over: bool = False
    stopping: bool = False
    wait: Wait = Wait.PRIORITY
    runs: list[tuple[Orders | None, Done]] = field(default_factory=list[tuple[Orders | None, Done]])
    """Finished runs, in order."""

    @property
    def cancelled(self) -> bool:
        """Whether it was told to end for good."""
        return (self.folder / "cancel").exists()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the present run holds."""
        return pieces_of(self.orders)

    def finish(self, done: Done) -> None:
        """Take the end of the present run into account: over, or queued again."""
        self.runs.append((self.orders, done))
        if not _again(self.ticket, done) or self.cancelled:
            self.over = True
            return
        self.restart += 1
        self.orders = self.begun = None
        self.stopping = False


def pieces_of(orders: Orders | None) -> tuple[Piece, ...]:
    """Read the pieces of a run; none before it has a place."""
    if orders is None:
        return ()
    return tuple(
        Piece(
            node=table["node"],
            cpus=tuple(table["cpus"]),
            gpus=tuple(table["gpus"]),
            memory=Mebibytes(table["memory"]),
            tasks=table["tasks"],
            gpu_model=table["gpu_model"],
        )
        for table in orders.pieces
    )


def read_attempt(folder: Path) -> Attempt:
    """Read an attempt, open or over."""
    attempt = Attempt(ticket=ticket_of(folder), folder=folder)
    while not attempt.over:
        attempt.orders = read(folder, attempt.restart, Orders)
        done = read(folder, attempt.restart, Done)
        if done is None:
            break
        attempt.finish(done)
    return attempt


def _again(ticket: Ticket, done: Done) -> bool:
    """Whether the site queues it again: a displaced guest unless it forbids that, a failed node if it asks for that."""
    if done.outcome == Outcome.PREEMPTED:
        return ticket.requeue is not False
    return done.outcome == Outcome.NODE_FAIL and ticket.requeue is True


class Board:
    """The open attempts of one state folder."""

    def __init__(self, settings: LocalSettings, shelf: Shelf) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.over: OrderedDict[str, Attempt] = OrderedDict()
        """The newest of those that are over, which are asked about most."""
        self._settings = settings
        self._shelf = shelf
        self._foreman = Foreman()
        self._nodes: Mapping[str, Node] = {node.name: node for node in settings.nodes}
        self._boot = processes.boot()

    def close(self) -> None:
        """Let the spawner go; running jobs go on."""
        self._foreman.close()

    def advance(self, now: int, *, anew: bool = False, ended: Collection[str] | None = None) -> None:
        """Bring attempts up to date, then let the queue move; `anew` reads all of them from disk.

        ``ended`` names those that are said to have ended; without it, all are looked at.
        """
        if anew:
            self._read_all()
        for attempt in self._named(None if anew else ended):
            self._settle(attempt, now)
        holdings = [_holding(each, self._settings.grace) for each in self.attempts.values() if each.orders is not None]
        waiting = [_waiting(each) for each in self.attempts.values() if each.orders is None]
        if not waiting:
            return
        decision = decide(self._settings.nodes, holdings, waiting, preempt=self._settings.preempted, now=now)
        for key, wait in decision.waits.items():
            self.attempts[key].wait = wait
        for key, pieces in decision.starts:
            self._place(self.attempts[key], pieces, now)
        for key in decision.displaced:
            self._end(self.attempts[key], Outcome.PREEMPTED, now)

    def _named(self, names: Collection[str] | None) -> list[Attempt]:
        if names is None:
            return list(self.attempts.values())
        return [self.attempts[name] for name in names if name in self.attempts]

    def add(self, ticket: Ticket, draft: Path) -> None:
        """Take a new attempt into the queue; it moves at the next `advance`."""
        self.attempts[ticket.key] = Attempt(ticket=ticket, folder=self._shelf.add(ticket, draft))

    def cancel(self, attempt: Attempt, now: int) -> None:
        """End an attempt for good."""
        put(attempt.folder / "cancel", b"")
        self._shelf.changed()
        self._end(attempt, Outcome.CANCELLED, now)

    def signal(self, attempt: Attempt, number: int, whom: Whom) -> None:
        """Have a run that has begun sent a signal by its supervisor."""
        if attempt.begun is not None and not attempt.over:
            put(_beside(attempt, SIGNAL), f"{number} {whom}".encode())
            _tell(attempt.begun)

    def _read_all(self) -> None:
        present = {folder.name: folder for folder in self._shelf.jobs.iterdir()}
        self.attempts = {key: read_attempt(folder) for key, folder in sorted(present.items())}

    def _settle(self, attempt: Attempt, now: int) -> None:
        """See what became of a run that has orders."""
        orders = attempt.orders
        if attempt.over:
            self._retire(attempt)
        if orders is None or attempt.over:
            return
        done = read(attempt.folder, attempt.restart, Done)
        if done is None and attempt.begun is None:
            done = self._await_begin(attempt, orders, now)
        if done is None and attempt.begun is not None and not self._alive(attempt.begun):
            done = read(attempt.folder, attempt.restart, Done) or self._lost(attempt, attempt.begun, now)
        if done is not None:
            self._finish(attempt, done)

    def _await_begin(self, attempt: Attempt, orders: Orders, now: int) -> Done | None:
        attempt.begun = read(attempt.folder, attempt.restart, Begun)
        if attempt.begun is not None:
            # Told again, since a driver may have died between writing the reason and sending the signal.
            attempt.stopping = _stop_file(attempt).exists()
            if attempt.stopping:
                _tell(attempt.begun)
            return None
        if orders.boot == self._boot:
            self._foreman.send(attempt.folder, attempt.restart)
            return None
        return self._forestall(attempt, Outcome.NODE_FAIL, now, "the machine was started again before the job began")

    def _alive(self, begun: Begun) -> bool:
        return begun.boot == self._boot and processes.ticks(begun.pid) == begun.ticks

    def _lost(self, attempt: Attempt, begun: Begun, now: int) -> Done:
        """Write down the end of a run that nobody watched: it lasted until its supervisor's last sign of life."""
        stop = _stop_file(attempt)
        outcome = Outcome(stop.read_text(encoding="ascii")) if stop.exists() else Outcome.NODE_FAIL
        if begun.pid == 0:
            done = _unstarted(outcome, now, "it was ended before it began")
        else:
            rebooted = begun.boot != self._boot
            if not rebooted:
                processes.kill_marked(f"{MARK}={attempt.ticket.folder}")
            last = int(path_of(attempt.folder, attempt.restart, Begun).stat().st_mtime)
            done = Done(
                outcome=outcome,
                exit_code=0,
                signal=0,
                started=begun.started,
                ended=max(last, begun.started),
                reason="the machine was started again" if rebooted else "the process that watched it was killed",
            )
        write(attempt.folder, attempt.restart, done)
        return done

    def _place(self, attempt: Attempt, pieces: tuple[Piece, ...], now: int) -> None:
        orders = self._orders(attempt, pieces, now)
        # nothing runs before its supervisor has made its own record durable, and with it the name of this one
        write(attempt.folder, attempt.restart, orders, claim=True, settle=False)
        self._shelf.changed()
        attempt.orders = orders
        self._foreman.send(attempt.folder, attempt.restart)

    def _end(self, attempt: Attempt, outcome: Outcome, now: int) -> None:
        if attempt.orders is None:
            done = _unstarted(outcome, now, "")
            write(attempt.folder, attempt.restart, done)
            self._finish(attempt, done)
            return
        if attempt.begun is None:
            done = self._forestall(attempt, outcome, now, "")
            if done is not None:
                self._finish(attempt, done)
                return
        if not attempt.stopping:  # the first reason stands
            put(_stop_file(attempt), outcome.encode())
            attempt.stopping = True
            self._shelf.changed()
        if attempt.begun is not None:
            _tell(attempt.begun)

    def _forestall(self, attempt: Attempt, outcome: Outcome, now: int, reason: str) -> Done | None:
        """End a run before its supervisor claims it; `None` if that was quicker, and `begun` is then known."""
        put(_stop_file(attempt), outcome.encode())
        claim = Begun(pid=0, ticks=0, boot=self._boot, started=now)
        if not write(attempt.folder, attempt.restart, claim, claim=True):
            attempt.begun = read(attempt.folder, attempt.restart, Begun)
            return None
        done = _unstarted(outcome, now, reason)
        write(attempt.folder, attempt.restart, done)
        return done

    def _finish(self, attempt: Attempt, done: Done) -> None:
        attempt.finish(done)
        self._shelf.changed()
        if attempt.over:
            self._retire(attempt)

    def _retire(self, attempt: Attempt) -> None:
        self._shelf.retire(attempt.folder)
        self._foreman.forget(attempt.folder)
        del self.attempts[attempt.ticket.key]
        self.over[attempt.ticket.key] = attempt
        if len(self.over) > _REMEMBERED:
            self.over.popitem(last=False)

    def _orders(self, attempt: Attempt, pieces: tuple[Piece, ...], now: int) -> Orders:
        ticket, settings = attempt.ticket, self._settings
        placed = Placed(ticket=ticket, restart=attempt.restart, pieces=pieces, nodes=self._nodes, started=now)
        start = ticket.start_folder
        stdout = start / output_path(ticket.output or default_output(ticket), ticket, pieces[0].node)
        stderr = start / output_path(ticket.error, ticket, pieces[0].node) if ticket.error else stdout
        manner = ticket.conduct
        return Orders(
            boot=self._boot,
            marker=ticket.marker.text,
            script=ticket.script,
            arguments=list(ticket.arguments),
            environment=variables(placed, cluster=settings.name, path=settings.path, mark=(MARK, str(ticket.folder))),
            user=ticket.account.name,
            uid=ticket.account.uid,
            gid=ticket.account.gid,
            folder=str(ticket.folder),
            work=str(ticket.work),
            chdir=str(start),
            stdout=str(stdout),
            stderr=str(stderr),
            append=manner.append,
            stdin=str(start / output_path(manner.stdin, ticket, pieces[0].node)) if manner.stdin else os.devnull,
            warning=manner.warning,
            warning_before=manner.warning_before,
            limit=ticket.limit,
            grace=settings.grace,
            poll=settings.poll,
            memory=sum(piece.memory for piece in pieces) * _MEBIBYTE,
            affinity=placed.cpus if settings.bind else None,
            pieces=[asdict(piece) for piece in pieces],
            planned=now,
            wake=str(self._shelf.wake),
        )


def _stop_file(attempt: Attempt) -> Path:
    return _beside(attempt, STOP)


def _beside(attempt: Attempt, suffix: str) -> Path:
    return path_of(attempt.folder, attempt.restart, Orders).with_suffix(f".{suffix}")


def _tell(begun: Begun) -> None:
    """Have the supervisor read what it is told."""
    processes.tell(begun.pid, begun.ticks, ORDERED)


def _unstarted(outcome: Outcome, now: int, reason: str) -> Done:
    return Done(outcome=outcome, exit_code=0, signal=0, started=None, ended=now, reason=reason)


def _holding(attempt: Attempt, grace: float) -> Holding:
    orders = attempt.orders
    started = attempt.begun.started if attempt.begun else orders.planned if orders else 0
    return Holding(
        key=attempt.ticket.key,
        guest=attempt.ticket.guest,
        pieces=attempt.pieces,
        started=started,
        ends=started + attempt.ticket.limit + round(grace),
        stopping=attempt.stopping,
    )


def _waiting(attempt: Attempt) -> Waiting:
    ticket = attempt.ticket
    return Waiting(
        key=ticket.key,
        guest=ticket.guest,
        asked=ticket.asked,
        limit=ticket.limit,
        order=(ticket.submitted, ticket.native_id),
    )
