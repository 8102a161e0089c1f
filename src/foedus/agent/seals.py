"""Countersigns the ledger's heads: only such as follow from the one that the site sealed before."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from foedus.agent.context import Context
from foedus.agent.reporter import PENDING_SEAL
from foedus.core.base.dsse import Signature
from foedus.core.base.errors import BadInput
from foedus.core.base.instant import iso
from foedus.core.ledger.chain import Head, follows, head_from_json, head_signed_by, sign_head
from foedus.core.ledger.entry import Entry, Kind, entry_from_json
from foedus.keys import ed25519
from foedus.wire.ledger import SealView, SignedHead

_SEALED = "sealed"
_ALARM = "alarm"
_IDLE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A head that the site may seal."""

    head: Head
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deceived:
    """Why it may not."""

    faults: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Sealer:
    """One thread's work."""

    context: Context
    refresh: Callable[[], None]
    """Looks for a newer agreement: the ledger has recorded one."""
    _refused: SignedHead | None = None

    def step(self) -> float:
        """Look at the newest head, and seal it if it follows."""
        context = self.context
        shown = context.head
        if shown is None or shown == self._refused or not context.talking:
            return _IDLE_S
        held = self._held()
        if held is not None and shown.seq < held.seq:
            return _IDLE_S
        if held is not None and (shown.seq, shown.hash) == (held.seq, held.hash):
            return _IDLE_S
        found = self._examine(shown, held)
        if isinstance(found, Deceived):
            self._refused = shown
            self._alarm(shown, found)
            return _IDLE_S
        self._seal(found.head)
        if any(entry.kind is Kind.AGREEMENT for entry in found.entries):
            self.refresh()
        return _IDLE_S

    def _examine(self, shown: SignedHead, held: Head | None) -> Believed | Deceived:
        context = self.context
        if not _is_hubs(shown, context.agreement.hub_key):
            return Deceived(faults=("the head is not signed with the hub's key of the agreement",))
        if held is not None and shown.seq == held.seq:
            return Deceived(faults=(f"two heads with number {held.seq}: {held.hash} and {shown.hash}",))
        reply = context.hub.heads(held.seq if held else 0)
        if not _is_hubs(reply.head, context.agreement.hub_key):
            return Deceived(faults=("the head is not signed with the hub's key of the agreement",))
        try:
            entries = tuple(entry_from_json(one) for one in reply.entries)
        except BadInput as error:
            return Deceived(faults=tuple(str(fault) for fault in error.faults))
        new = _head(reply.head)
        faults = follows(held, entries, new)
        if new.alliance != context.alliance:
            faults = (*faults, f"the head is of alliance {new.alliance}")
        shown_entry = next((entry for entry in entries if entry.seq == shown.seq), None)
        if shown_entry is not None and shown_entry.hash != shown.hash:
            faults = (
                *faults,
                f"entry {shown.seq} is {shown_entry.hash}, but the head that was shown says {shown.hash}",
            )
        return Deceived(faults=faults) if faults else Believed(head=new, entries=entries)

    def _seal(self, head: Head) -> None:
        context = self.context
        signature = sign_head(context.signer, head)
        seal = SealView(
            site=context.site, seq=head.seq, hash=head.hash, at=head.at, keyid=signature.keyid, sig=signature.sig
        )
        # what is sealed is written first: a site never seals two heads that do not follow from one another
        context.journal.write_note(_SEALED, json.dumps(head.json()))
        context.journal.write_note(PENDING_SEAL, seal.model_dump_json())
        context.log.info("sealed", seq=head.seq, hash=head.hash[:16])
        context.signals.reports.set()

    def _alarm(self, shown: SignedHead, found: Deceived) -> None:
        context = self.context
        words = "; ".join(found.faults)
        context.journal.write_note(_ALARM, f"{iso(context.clock.now())} head {shown.seq} refused: {words}")
        # with the hub's signature under what it shows, this proves what it did
        evidence = {"shown": shown.model_dump(mode="json"), "sealed": context.journal.note(_SEALED)}
        context.journal.write_note("evidence", json.dumps(evidence))
        context.log.critical(
            "the hub shows a ledger that does not follow from the one sealed before: nothing is sealed",
            seq=shown.seq,
            faults=list(found.faults),
        )

    def _held(self) -> Head | None:
        found = self.context.journal.note(_SEALED)
        return None if found is None else head_from_json(json.loads(found))


def _head(shown: SignedHead) -> Head:
    return Head(alliance=shown.alliance, seq=shown.seq, hash=shown.hash, at=shown.at)


def _is_hubs(shown: SignedHead, key: str) -> bool:
    return head_signed_by(ed25519.verify, key, _head(shown), Signature(keyid=shown.keyid, sig=shown.sig))
