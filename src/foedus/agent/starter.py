"""Hands orders to the cluster: the checks, the folder, the bundle, and then the one step that must not happen twice."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foedus.agent import refusals
from foedus.agent.accounts import Account, NoAccount
from foedus.agent.context import Context
from foedus.agent.reconcile import handed, handing, marker, returned
from foedus.agent.refusals import Refusal
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
from foedus.drivers.base import Launch
from foedus.policy.cedar import CedarPolicy
from foedus.policy.local import read_local
from foedus.store.journal_rows import Row, Step

_MEBIBYTE = 1024 * 1024
_RETRY_S = 5.0
_IDLE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Policy:
    """The site's policy file; read again when it changes. A file that cannot be read permits nothing."""

    path: Path
    _seen: tuple[int, int] = (0, 0)
    _policy: CedarPolicy | None = None

    def load(self) -> CedarPolicy:
        """Read the file if it has changed; raises `BadInput` with every fault."""
        try:
            found = self.path.stat()
            mark = (found.st_mtime_ns, found.st_size)
            if self._policy is None or mark != self._seen:
                self._policy = CedarPolicy(read_local(self.path.read_bytes()))
                self._seen = mark
        except OSError as error:
            raise BadInput(
                Fault(
                    path=str(self.path),
                    fault=f"cannot be read ({error.strerror})",
                    remedy="name the site's policy file in the settings",
                )
            ) from error
        return self._policy

    def judge(self, request: RunRequest) -> Verdict:
        """Answer one question; a broken file is a refusal."""
        try:
            (verdict,) = self.load().judge([request])
        except FoedusError as error:
            return Verdict(site=request.site, allowed=False, fault=error.message)
        return verdict


@dataclass(slots=True, kw_only=True)
class Starter:
    """One thread's work: every attempt that is intended, in order."""

    context: Context
    policy: Policy
    refresh: Callable[[int], None]
    """Fetches the agreement, if the version held is older than that."""

    def step(self) -> float:
        """Hand over what may be handed over."""
        context = self.context
        later = _IDLE_S
        for row in context.journal.open_rows():
            if context.stopping.is_set() or context.flags.severed:
                return later
            if row.step is not Step.INTENDED:
                continue
            if context.flags.draining:
                context.change(row.key, lambda row: _give_back(row, _DRAINING))
                continue
            wait = _RETRY_S
            with context.apart(row, "a start"):
                wait = self._start(row)
            later = min(later, wait)
        return later

    def _start(self, row: Row) -> float:
        context = self.context
        try:
            prepared = self._prepared(row)
        except Unreachable as error:
            context.log.warning("cannot be prepared yet", job=row.order.job, error=str(error))
            return _RETRY_S
        except SiteTrouble as error:
            prepared = Refusal(reason=error.message, final=False)
        if isinstance(prepared, Refusal):
            refusal = prepared
            context.log.info(
                "given back", job=row.order.job, attempt=row.order.attempt, reason=refusal.reason, final=refusal.final
            )
            context.change(row.key, lambda row: _give_back(row, refusal))
            return _IDLE_S
        with context.busy(row.key):
            self._hand_over(row, prepared)
        return _IDLE_S

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
        if order.bundle is None:
            return account
        try:
            self._unpack(row, account, folder)
        except (BadInput, TooLarge, NotFound) as error:
            return Refusal(reason=f"the bundle cannot be used: {error.message}")
        return account

    def _unpack(self, row: Row, account: Account, folder: Path) -> None:
        context, order = self.context, row.order
        if order.bundle is None:
            return
        cache = Cache(folder=context.folder.cache, fetch=lambda piece: context.hub.piece(order.project, piece))
        settings = context.settings
        caps = Caps(size=settings.bundle_cap_mib * _MEBIBYTE, files=settings.files_cap)
        unpack_bundle(order.bundle, cache, folder, account, caps)
        cache.trim(settings.piece_cache_mib * _MEBIBYTE)

    def _hand_over(self, row: Row, account: Account) -> None:
        context, order = self.context, row.order
        folder = context.place(order)
        now = context.clock.now()
        row = context.change(row.key, lambda row: handing(row, account.name, str(folder), now)) or row
        if row.step is not Step.HANDING or context.flags.severed:
            return
        launch = Launch(
            marker=marker(context.alliance, row),
            spec=order.spec,
            task=order.task,
            account=account.name,
            guest=order.guest,
            folder=folder,
        )
        try:
            native_id = context.driver.start(launch)
        except SchedulerRefused as error:
            refusal = refusals.by_scheduler(error.message)
            context.log.info("the scheduler refused", job=order.job, attempt=order.attempt, reason=refusal.reason)
            context.change(row.key, lambda row: _give_back(row, refusal))
            return
        except SiteTrouble as error:
            context.log.warning("in doubt; it is looked for", job=order.job, attempt=order.attempt, error=str(error))
            context.signals.looks.set()
            return
        context.change(row.key, lambda row: handed(row, native_id))
        context.log.info("handed over", job=order.job, attempt=order.attempt, native_id=native_id, account=account.name)
        context.signals.looks.set()


_DRAINING = Refusal(reason="the site is draining", final=False)


def _give_back(row: Row, refusal: Refusal) -> Row:
    if row.step not in {Step.INTENDED, Step.HANDING}:
        return row
    return returned(row, refusal.reason, final=refusal.final, policy=refusal.policy)
