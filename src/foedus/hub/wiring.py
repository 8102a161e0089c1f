"""Builds a hub process: the only place where its parts are put together."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.base.dsse import Signer, Verifier
from foedus.core.base.errors import Busy, NotFound
from foedus.core.base.instant import Clock
from foedus.core.base.units import Seconds
from foedus.flow.admit import Rules
from foedus.flow.balance import Folded, catch_up
from foedus.flow.place import PlaceRules
from foedus.flow.ports import PieceStore, Transaction
from foedus.flow.recover import recovering
from foedus.hub.keys import HubKeys
from foedus.hub.settings import HubSettings
from foedus.hub.shares import Queue, Rate
from foedus.keys import ed25519
from foedus.policy.cedar import CedarPolicy
from foedus.process.clock import SystemClock
from foedus.store.dialects.base import Leader
from foedus.store.pieces_files import PieceFiles
from foedus.store.unit import SqlStore, open_store

_TRIES = 5

Result = TypeVar("Result")


@dataclass(slots=True)
class Hub:
    """All that the routes and the broker work with."""

    settings: HubSettings
    store: SqlStore
    leader: Leader
    pieces: PieceStore
    keys: HubKeys
    verify: Verifier
    rate: Rate
    queue: Queue
    clock: Clock = field(default_factory=SystemClock)
    recovering: bool = False
    """Whether this hub was restored and is not whole yet: kept up to date by the broker's passes."""
    _rules: tuple[int, Rules] | None = None
    _balance: Folded = field(default_factory=Folded)
    _compiling: threading.Lock = field(default_factory=threading.Lock)
    _folding: threading.Lock = field(default_factory=threading.Lock)

    @property
    def place_rules(self) -> PlaceRules:
        """The bounds of placement."""
        return PlaceRules(
            window=self.settings.window,
            fresh=Seconds(self.settings.fresh_s),
            patience=Seconds(self.settings.patience_s),
            promise=Seconds(self.settings.promise_s),
            rest=Seconds(self.settings.rest_s),
            ahead=self.settings.ahead,
        )

    def rules(self, tx: Transaction) -> Rules:
        """Return what is in force; compiled anew only when a new version came into force."""
        version = tx.agreements.version()
        if version is None:
            raise NotFound("no agreement is in force", remedy="put one in force: `foedus hub init --agreement FILE`")
        with self._compiling:
            if self._rules is None or self._rules[0] != version:
                record = tx.agreements.current()
                if record is None:
                    raise NotFound("no agreement is in force")
                agreement = read(record.text)
                self._rules = (version, Rules(agreement=agreement, clauses=CedarPolicy(agreement.clauses)))
            return self._rules[1]

    def agreement(self, tx: Transaction) -> Agreement:
        """Return the agreement in force."""
        return self.rules(tx).agreement

    def signer(self, tx: Transaction) -> Signer:
        """Return the key that the agreement in force names as the hub's."""
        return self.keys.of(self.agreement(tx).hub_key)

    def look_whether_whole(self) -> None:
        """Read whether a restoration is going on."""
        with self.store.read() as tx:
            self.recovering = recovering(tx) is not None

    def balance(self, tx: Transaction) -> Folded:
        """Return what the ledger comes to, reading only what is new in it."""
        with self._folding:
            self._balance = catch_up(tx, self._balance)
            return self._balance

    def write(self, act: Callable[[Transaction], Result]) -> Result:
        """Do something in one transaction, again if it lost a race against another one."""
        return _retried(lambda: self.store.do(act))

    def write_alone(self, act: Callable[[Transaction], Result]) -> Result:
        """Do something in a transaction of its own: nobody may see it, and remember it, before it is durable."""

        def alone() -> Result:
            with self.store.begin() as tx:
                return act(tx)

        return _retried(alone)


def _retried(change: Callable[[], Result]) -> Result:
    """Make a change, again with a short pause while it loses a race: then nothing has happened.

    A connection that was lost is another matter: the transaction may have been committed, and only who asked for it
    can tell, by their idempotency key, whether doing it again is right.
    """
    for attempt in range(_TRIES):
        try:
            return change()
        except Busy:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("unreachable: the last try returns or raises")


def build(settings: HubSettings) -> Hub:
    """Open everything that the settings name."""
    keys = HubKeys(settings.state)
    keys.present()
    store = open_store(settings.database_url)
    return Hub(
        settings=settings,
        store=store,
        leader=store.leader(),
        pieces=PieceFiles(settings.state / "pieces"),
        keys=keys,
        verify=ed25519.verify,
        rate=Rate(settings.requests_per_s),
        queue=Queue(settings.most_waiting),
    )
