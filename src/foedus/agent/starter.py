"""Hands orders to the cluster: the checks, the folder, the bundle, and then the one step that must not happen twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from foedus.agent import refusals
from foedus.agent.accounts import Account, NoAccount
from foedus.agent.context import Context
from foedus.agent.reconcile import handed, handing, marker, returned
from foedus.agent.refusals import Refusal
from foedus.agent.watched import Watched
from foedus.agent.workspace import Cache, make_folder, unpack_bundle
from foedus.client.bundle import Caps
from foedus.core.agreement.request import RunRequest, Verdict
from foedus.core.base.errors import (
    BadInput,
    Fault,
    FoedusError,
    NotFound,
    SchedulerRefused,
    SiteTrouble,
    TooLarge,
    Unreachable,
)
from foedus.core.base.instant import Instant
from foedus.drivers.base import Launch
from foedus.policy.cedar import CedarPolicy
from foedus.policy.local import read_local
from foedus.store.journal import Change, Key
from foedus.store.journal_rows import Row, Step
from foedus.wire.agents import StartOrder

_MEBIBYTE = 1024 * 1024
_RETRY_S = 5.0
_IDLE_S = 30.0
_TOGETHER = 32
"""How many attempts share the two waits for the disk of a hand-over."""

HandOver = Callable[[Row], Change | None]
"""Hands one attempt over, and says what is to be written down of it."""
AtOnce = Callable[[HandOver, Sequence[Row], int], list[Change | None]]
"""Does that with several attempts, so many at the same time; answers in their order."""


def by_threads(hand: HandOver, rows: Sequence[Row], width: int) -> list[Change | None]:
    """Hand attempts over in so many threads."""
    with ThreadPoolExecutor(width, thread_name_prefix="start") as pool:
        return list(pool.map(hand, rows))


class Policy(Watched[CedarPolicy]):
    """The site's policy file. One that cannot be read permits nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _read_policy)

    def judge(self, request: RunRequest) -> Verdict:
        """Answer one question; a broken file is a refusal."""
        try:
            (verdict,) = self.load().judge([request])
        except FoedusError as error:
            return Verdict(site=request.site, allowed=False, fault=error.message)
        return verdict


def _read_policy(path: Path) -> CedarPolicy:
    """Read a policy file; raises `BadInput` with every fault."""
    try:
        return CedarPolicy(read_local(path.read_bytes()))
    except OSError as error:
        raise BadInput(
            Fault(
                path=str(path),
                fault=f"cannot be read ({error.strerror})",
                remedy="name the site's policy file in the settings",
            )
        ) from error


@dataclass(slots=True, kw_only=True)
class Starter:
    """One thread's work: every attempt that is intended, in order."""

    context: Context
    policy: Policy
    refresh: Callable[[int], None]
    """Fetches the agreement, if the version held is older than that."""
    at_once: AtOnce = by_threads
    _begun: bool = False

    def step(self) -> float:
        """Hand over what may be handed over."""
        context = self.context
        self._begin()
        later = _IDLE_S
        intended = [row for row in context.journal.open_rows() if row.step is Step.INTENDED]
        for first in range(0, len(intended), _TOGETHER):
            if context.stopping.is_set() or context.flags.severed:
                return later
            later = min(later, self._start(intended[first : first + _TOGETHER]))
        return later

    def _begin(self) -> None:
        """Have what an earlier process left intended looked for: the journal may be an old copy."""
        if not self._begun:
            self.context.doubt()
            self._begun = True

    def _start(self, rows: Sequence[Row]) -> float:
        """Prepare attempts and hand them over; returns when to try again those that could not be prepared."""
        context = self.context
        later = _IDLE_S
        ready: list[tuple[Row, Account]] = []
        returns: list[Change] = []
        for row in rows:
            prepared: Account | Refusal | None = None
            with context.apart(row.order.job, "a start"):
                prepared = _DRAINING if context.flags.draining else self._tried(row)
            match prepared:
                case None:
                    later = _RETRY_S
                case Refusal():
                    returns.append(self._return(row, prepared))
                case Account():
                    ready.append((row, prepared))
        context.change_all(returns, "a return")
        if ready:
            with context.busy([row.key for row, _ in ready]):
                self._hand_over(ready)
        return later

    def _tried(self, row: Row) -> Account | Refusal | None:
        """Prepare one attempt; `None` if that has to wait for the hub."""
        try:
            return self._prepared(row)
        except Unreachable as error:
            self.context.log.warning("cannot be prepared yet", job=row.order.job, error=str(error))
            return None
        except SiteTrouble as error:
            return Refusal(reason=error.message, final=False)

    def _return(self, row: Row, refusal: Refusal) -> Change:
        order = row.order
        self.context.log.info(
            "given back", job=order.job, attempt=order.attempt, reason=refusal.reason, final=refusal.final
        )
        return Change(key=row.key, decide=lambda row: _give_back(row, refusal))

    def _prepared(self, row: Row) -> Account | Refusal:
        """Check the order and prepare its folder; safe to repeat."""
        order = row.order
        if order.agreement_version > self.context.agreement.version:
            self.refresh(order.agreement_version)
        refusal = (
            refusals.unagreed(order, self.context.agreement)
            or refusals.malformed(order)
            or refusals.misread(order)
            or refusals.forbidden(order, self.context.agreement, self.context.site, self.policy.judge)
        )
        if refusal is not None:
            return refusal
        try:
            account = self.context.account(order)
        except BadInput as error:
            return Refusal(reason=f"the site's account map has faults: {error.message}", final=False)
        if isinstance(account, NoAccount):
            return Refusal(reason=account.reason)
        folder = self.context.place(order)
        make_folder(self.context.settings.work, folder, account)
        return self._unpacked(order, account, folder) or account

    def _unpacked(self, order: StartOrder, account: Account, folder: Path) -> Refusal | None:
        """Unpack what travels with the job, and over it what an earlier attempt has saved."""
        context, settings, what = self.context, self.context.settings, "bundle"
        if order.bundle is None and order.checkpoint is None:
            return None
        cache = Cache(folder=context.folder.cache, fetch=lambda piece: context.hub.piece(order.project, piece))
        caps = Caps(size=settings.bundle_cap_mib * _MEBIBYTE, files=settings.files_cap)
        try:
            if order.bundle is not None:
                unpack_bundle(order.bundle, cache, folder, account, caps)
            if order.checkpoint is not None and order.spec.checkpoint is not None:
                what = "checkpoint"
                within = order.spec.checkpoint
                unpack_bundle(order.checkpoint, cache, folder, account, caps, within=within)
        except (BadInput, TooLarge, NotFound) as error:
            return Refusal(reason=f"the {what} cannot be used: {error.message}")
        cache.trim(settings.piece_cache_mib * _MEBIBYTE)
        return None

    def _hand_over(self, ready: Sequence[tuple[Row, Account]]) -> None:
        """Write down that they are being handed over; only then do it, and write down what came of it."""
        context = self.context
        now = context.machine.now()
        accounts = {row.key: account for row, account in ready}
        taken: dict[Key, bool] = {}
        changes = [self._handing(row, account, now, taken) for row, account in ready]
        rows = context.change_all(changes, "a hand-over")
        # what another part has put in doubt meanwhile is being handed over too, but not by this one
        going = [row for row in rows if row is not None and taken[row.key]]
        if context.flags.severed:
            return
        done = self._all_handed(lambda row: self._handed(row, accounts[row.key]), going)
        context.change_all([change for change in done if change is not None], "a hand-over")
        context.signals.looks.set()

    def _all_handed(self, hand: HandOver, rows: Sequence[Row]) -> list[Change | None]:
        width = min(self.context.settings.starts_at_once, len(rows))
        return [hand(row) for row in rows] if width <= 1 else self.at_once(hand, rows, width)

    def _handing(self, row: Row, account: Account, now: Instant, taken: dict[Key, bool]) -> Change:
        """Have it written down that it is handed over; `taken` tells then whether it still was to be."""
        folder = str(self.context.place(row.order))

        def decide(row: Row) -> Row:
            taken[row.key] = row.step is Step.INTENDED
            return handing(row, account.name, folder, now)

        return Change(key=row.key, decide=decide)

    def _handed(self, row: Row, account: Account) -> Change | None:
        """Hand one attempt over; `None` if it is in doubt."""
        with self.context.apart(row.order.job, "a hand-over"):
            return self._given(row, account)
        return None

    def _given(self, row: Row, account: Account) -> Change | None:
        context, order = self.context, row.order
        launch = Launch(
            marker=marker(context.alliance, row),
            spec=order.spec,
            task=order.task,
            account=account.name,
            guest=order.guest,
            folder=context.place(order),
            restarts=order.restarts,
        )
        try:
            native_id = context.driver.start(launch)
        except SchedulerRefused as error:
            refusal = refusals.by_scheduler(error.message)
            context.log.info("the scheduler refused", job=order.job, attempt=order.attempt, reason=refusal.reason)
            return Change(key=row.key, decide=lambda row: _give_back(row, refusal))
        except SiteTrouble as error:
            context.log.warning("in doubt; it is looked for", job=order.job, attempt=order.attempt, error=str(error))
            return None
        context.log.info("handed over", job=order.job, attempt=order.attempt, native_id=native_id, account=account.name)
        return Change(key=row.key, decide=lambda row: handed(row, native_id))


_DRAINING = Refusal(reason="the site is draining", final=False)


def _give_back(row: Row, refusal: Refusal) -> Row:
    if row.step not in {Step.INTENDED, Step.HANDING}:
        return row
    return returned(row, refusal.reason, final=refusal.final, policy=refusal.policy)
