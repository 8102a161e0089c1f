"""Sends the declared outputs of attempts that are over, piece by piece; a broken transfer goes on where it stopped.

An attempt whose job goes on elsewhere sends its checkpoint in their place.
"""

import os
from dataclasses import dataclass, field

from foedus.agent import reconcile
from foedus.agent.accounts import Account, look_up
from foedus.agent.context import Context
from foedus.agent.rights import rights_of
from foedus.agent.stopping import called_home, recalled, to_send
from foedus.agent.workspace import pack_outputs
from foedus.client.bundle import Caps, Guard, Packed, read_piece
from foedus.core.base.errors import FoedusError, NotAuthenticated, SiteTrouble, Stale, Unreachable
from foedus.core.base.ids import Digest
from foedus.core.base.instant import Instant
from foedus.core.jobs.paths import picked
from foedus.store.journal import Key
from foedus.store.journal_rows import Row, Step

_MEBIBYTE = 1024 * 1024
_IDLE_S = 5.0


@dataclass(slots=True, kw_only=True)
class OutputSender:
    """One thread's work."""

    context: Context
    _packed: dict[Key, Packed] = field(default_factory=dict[Key, Packed])

    def step(self) -> float:
        """Send the files of every attempt that is over."""
        if not self.context.talking:
            return _IDLE_S
        for row in self.context.journal.open_rows():
            if row.step is Step.ENDED and not row.sent and not reconcile.owes_records(row):
                with self.context.apart(row.order.job, "the sending of outputs"):
                    self._send(row)
        return _IDLE_S

    def _send(self, row: Row) -> None:
        context = self.context
        try:
            packed = self._upload(row)
            kept = packed.manifest.files or not _goes_on(row)
            digest, note = packed.manifest.digest if kept else None, _note(row, packed)
        except (Unreachable, Stale, NotAuthenticated):
            raise
        except FoedusError as error:
            digest, note = None, f"its {_name(row)} did not come back: {error.message}"
            context.log.warning("outputs not sent", job=row.order.job, attempt=row.newest, error=str(error))
        self._packed.pop(row.key, None)
        context.change(row.key, lambda row: _sent(row, digest, note, context.clock.now()))

    def _upload(self, row: Row) -> Packed:
        context, project = self.context, row.order.project
        guard = self._guard(row)
        packed = self._packed.get(row.key)
        if packed is None:
            caps = Caps(size=context.settings.output_cap_mib * _MEBIBYTE, files=context.settings.files_cap)
            packed = pack_outputs(context.place(row.order), to_send(row), guard, caps)
            self._packed[row.key] = packed
        missing = set(context.hub.missing(project, packed.pieces))
        for piece in packed.pieces:
            if piece in missing:
                context.hub.put_piece(project, piece, read_piece(packed, piece, guard=guard))
        context.log.info(
            "outputs sent", job=row.order.job, attempt=row.newest, files=len(packed.manifest.files), sent=len(missing)
        )
        return packed

    def _guard(self, row: Row) -> Guard:
        found = look_up(row.account, self.context.account_rules)
        if not isinstance(found, Account):
            raise SiteTrouble(found.reason)
        return rights_of(found)


def _note(row: Row, packed: Packed) -> str:
    """Tell the user what was declared and is not there."""
    paths = [file.path for file in packed.manifest.files]
    absent = [pattern for pattern in to_send(row) if not any(picked(path, (pattern,)) for path in paths)]
    words = [f"no file matches the declared {_name(row)} {', '.join(absent)}"] if absent else []
    if packed.skipped:
        words.append(f"not sent, being no regular files: {', '.join(map(_readable, packed.skipped[:5]))}")
    return "; ".join(words)


def _readable(path: str) -> str:
    """Return a file's name as text that can be sent; bytes that are no UTF-8 are shown as such."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _name(row: Row) -> str:
    return "checkpoint" if _goes_on(row) else "output"


def _goes_on(row: Row) -> bool:
    return recalled(row) or called_home(row)


def _sent(row: Row, digest: Digest | None, note: str, now: Instant) -> Row:
    if row.step is not Step.ENDED:
        return row
    words = "; ".join(part for part in (row.note, note) if part)
    files = {"checkpoint": digest} if _goes_on(row) else {"outputs": digest}
    return reconcile.closed(row.model_copy(update={"sent": True, "note": words, **files}), now)
