"""What the agent's threads share."""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from foedus.agent.accounts import Account, AccountRules, NoAccount, Table, find_account, read_accounts
from foedus.agent.folder import StateFolder
from foedus.agent.hub import Hub
from foedus.agent.meter import Meter
from foedus.agent.reconcile import Rules, doubted
from foedus.agent.settings import AgentSettings
from foedus.agent.site_key import SiteKey
from foedus.agent.statuses import statuses
from foedus.agent.watched import Watched
from foedus.core.agreement.model import Agreement
from foedus.core.base.errors import FoedusError, NotAuthenticated, Stale, Unreachable
from foedus.core.base.ids import AllianceId, JobId, SiteId
from foedus.core.base.instant import Clock
from foedus.drivers.base import SiteDriver
from foedus.store.journal import Change, Journal, Key
from foedus.store.journal_rows import Flags, Row, Step
from foedus.wire.agents import StartOrder, UsageItem
from foedus.wire.ledger import SignedHead


@dataclass(slots=True, kw_only=True)
class Signals:
    """How threads wake each other."""

    orders: threading.Event = field(default_factory=threading.Event)
    starts: threading.Event = field(default_factory=threading.Event)
    looks: threading.Event = field(default_factory=threading.Event)
    reports: threading.Event = field(default_factory=threading.Event)
    logs: threading.Event = field(default_factory=threading.Event)
    outputs: threading.Event = field(default_factory=threading.Event)
    heads: threading.Event = field(default_factory=threading.Event)

    def all(self) -> tuple[threading.Event, ...]:
        """Return every one of them."""
        return (self.orders, self.starts, self.looks, self.reports, self.logs, self.outputs, self.heads)


@dataclass(slots=True, kw_only=True)
class Context:
    """One agent. What is not mutable here is safe for threads by itself."""

    settings: AgentSettings
    folder: StateFolder
    site: SiteId
    alliance: AllianceId
    keys: SiteKey
    journal: Journal
    clock: Clock
    """Passes evenly, whatever is done to the machine's own clock: waits are measured by it."""
    machine: Clock
    """The machine's own: what is compared with times of files, of the accounting or of the hub is taken from it."""
    driver: SiteDriver
    hub: Hub
    meter: Meter
    rules: Rules
    log: structlog.stdlib.BoundLogger
    agreement: Agreement
    """Replaced as a whole when a new version is accepted."""
    flags: Flags
    """Replaced as a whole when the operator says so."""
    head: SignedHead | None = None
    """The newest head that the hub has shown."""
    signals: Signals = field(default_factory=Signals)
    greeted: threading.Event = field(default_factory=threading.Event)
    """Set while the agent has an epoch."""
    stopping: threading.Event = field(default_factory=threading.Event)
    fatal: list[BaseException] = field(default_factory=list[BaseException])
    """Why the agent has to stop, if it has to."""
    trouble: dict[str, str] = field(default_factory=dict[str, str])
    """What each thread last failed with; for ``foedus agent status``."""
    _busy: set[Key] = field(default_factory=set[Key])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _accounts: Watched[Table] = field(init=False)

    def __post_init__(self) -> None:
        self._accounts = Watched(self.settings.accounts, read_accounts)

    @property
    def talking(self) -> bool:
        """Whether the hub may be spoken to now."""
        return self.greeted.is_set() and not self.flags.severed and not self.stopping.is_set()

    def change(self, key: Key, decide: Callable[[Row], Row], usages: Sequence[UsageItem] = ()) -> Row | None:
        """Change an attempt durably, with what the hub is to hear of it."""
        return self.change_together([Change(key=key, decide=decide, usages=usages)])[0]

    def change_together(self, changes: Sequence[Change]) -> list[Row | None]:
        """Change attempts durably, all of them or none."""
        rows = self.journal.change_all(changes, self.clock.now(), statuses)
        self.signals.reports.set()
        return rows

    def change_all(self, changes: Sequence[Change], doing: str) -> list[Row | None]:
        """Change attempts durably and at once; if that fails, one by one, so that none holds up the others."""
        try:
            rows = self.journal.change_all(changes, self.clock.now(), statuses)
        except Exception as error:  # noqa: BLE001  # each is tried alone, and what is wrong with one is told then
            self.log.debug("failed with several jobs at once", doing=doing, error=str(error))
            rows = [self._change_apart(change, doing) for change in changes]
        self.signals.reports.set()
        return rows

    def _change_apart(self, change: Change, doing: str) -> Row | None:
        with self.apart(change.key[0], doing):
            (row,) = self.journal.change_all([change], self.clock.now(), statuses)
            return row
        return None

    def doubt(self) -> None:
        """Have everything that is only intended looked for first: the journal may be older than what was done."""
        intended = [row for row in self.journal.open_rows() if row.step is Step.INTENDED]
        self.change_together([self._doubting(row) for row in intended])

    def _doubting(self, row: Row) -> Change:
        folder = str(self.place(row.order))
        return Change(key=row.key, decide=lambda row: doubted(row, folder))

    @contextmanager
    def busy(self, keys: Sequence[Key]) -> Generator[None]:
        """Mark attempts as being handed over by this very process, so that nobody takes them for doubtful."""
        with self._lock:
            self._busy.update(keys)
        try:
            yield
        finally:
            with self._lock:
                self._busy.difference_update(keys)

    def is_busy(self, key: Key) -> bool:
        """Say whether this process is handing it over."""
        with self._lock:
            return key in self._busy

    @contextmanager
    def apart(self, job: JobId, doing: str) -> Generator[None]:
        """Keep what goes wrong with one attempt from holding up all that come after it.

        What concerns every attempt alike is raised: a hub that does not answer, or that refuses this agent.
        """
        try:
            yield
        except (Unreachable, Stale, NotAuthenticated):
            raise
        except FoedusError as error:
            self.log.warning("failed with one job, and is tried again", doing=doing, job=job, error=str(error))
        except Exception:
            self.log.exception("a bug that one job brings out; it is tried again", doing=doing, job=job)

    def account(self, order: StartOrder) -> Account | NoAccount:
        """Find the local account of an order in the site's account map, as it is now."""
        return find_account(self._accounts.load(), order, self.account_rules)

    @property
    def account_rules(self) -> AccountRules:
        """What accounts may be used."""
        return AccountRules(
            lowest_uid=self.settings.lowest_uid, allow_root=self.settings.allow_root, own_uid=os.geteuid()
        )

    def place(self, order: StartOrder) -> Path:
        """Return the attempt's own folder: always the same, so that a lost journal finds it again."""
        return self.settings.work / order.project / order.job / str(order.attempt)
