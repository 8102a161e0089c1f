"""Countersigns the ledger's heads: only such as follow from the one sealed before, and as no other site contradicts."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from foedus.agent.context import Context
from foedus.agent.exchange import Exchange
from foedus.agent.reporter import PENDING_SEAL
from foedus.core.base.errors import BadInput
from foedus.core.base.instant import Instant, after, iso
from foedus.core.ledger.chain import Head, follows, head_from_json, sign_head
from foedus.core.ledger.entry import Entry, Kind, entry_from_json
from foedus.keys import ed25519
from foedus.wire.ledger import SealView, SignedHead

_SEALED = "sealed"
_ALARM = "alarm"
_IDLE_S = 30.0
_EXCHANGE_S = 60
"""How often the other sites' seals are looked at while no new head comes."""
_PROVE_S = 5.0
"""How long a hub that shows less than it did has to learn the rest back, which the site proves to it meanwhile."""
_NOT_HUBS = "the head is not signed with the hub's key of the agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A head that the site may seal."""

    head: Head
    entries: tuple[Entry, ...]
    shown: SignedHead
    """The head as the hub signed it."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The hub has less than it showed before: it may have been restored, and is given the time to learn the rest."""


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
    exchange: Exchange
    _refused: SignedHead | None = None
    _behind: SignedHead | None = None
    """A head that was shown, and lies behind the one that the site sealed."""
    _exchanged: Instant = field(default=Instant(0))

    def step(self) -> float:
        """Look at the newest head and at the other sites' seals, and seal it if nothing is wrong with it."""
        context = self.context
        shown = context.head
        if shown is None or shown == self._refused or not context.talking:
            return _IDLE_S
        held = self._held()
        now = context.clock.now()
        known = held is not None and (shown.seq, shown.hash) == (held.seq, held.hash)
        if known and now < after(self._exchanged, _EXCHANGE_S):
            return _IDLE_S
        found = self._examine(shown, held)
        self._exchanged = now
        if isinstance(found, Deceived) and found.faults == (_NOT_HUBS,) and context.head != shown:
            return 0.0  # an amendment has changed the hub's key meanwhile: there will be a newer head
        if isinstance(found, Behind):
            self._behind = shown
            return _PROVE_S
        if isinstance(found, Deceived):
            self._refused = shown
            self._alarm(shown, found)
            return _IDLE_S
        if found.head != held:
            self._seal(found)
        if any(entry.kind is Kind.AGREEMENT for entry in found.entries):
            self.refresh()
        return _IDLE_S

    def _examine(self, shown: SignedHead, held: Head | None) -> Believed | Behind | Deceived:
        context = self.context
        if not self._is_hubs(shown):
            return Deceived(faults=(_NOT_HUBS,))
        if held is not None and shown.seq == held.seq and shown.hash != held.hash:
            return Deceived(faults=(f"two heads with number {held.seq}: {held.hash} and {shown.hash}",))
        reply = context.hub.heads(held.seq if held else 0)
        if not self._is_hubs(reply.head):
            return Deceived(faults=(_NOT_HUBS,))
        try:
            entries = tuple(entry_from_json(one) for one in reply.entries)
        except BadInput as error:
            return Deceived(faults=tuple(str(fault) for fault in error.faults))
        new = reply.head.head
        if held is not None and new.seq < held.seq and shown != self._behind:
            return Behind()
        faults = _shorter(held, new) or follows(held, entries, new)
        if new.alliance != context.alliance:
            faults = (*faults, f"the head is of alliance {new.alliance}")
        shown_entry = next((entry for entry in entries if entry.seq == shown.seq), None)
        if shown_entry is not None and shown_entry.hash != shown.hash:
            faults = (
                *faults,
                f"entry {shown.seq} is {shown_entry.hash}, but the head that was shown says {shown.hash}",
            )
        if not faults:
            self.exchange.learn(held, entries)
            faults = self.exchange.faults(reply.seals, new)
        return Deceived(faults=faults) if faults else Believed(head=new, entries=entries, shown=reply.head)

    def _is_hubs(self, shown: SignedHead) -> bool:
        """Check the hub's signature; if it is another key's, an amendment that the site has not seen may name that."""
        context = self.context
        if _signed_by(shown, context.agreement.hub_key):
            return True
        self.refresh()
        return _signed_by(shown, context.agreement.hub_key)

    def _seal(self, found: Believed) -> None:
        context, head = self.context, found.head
        # what is sealed is written first: a site never seals two heads that do not follow from one another
        notes = {_SEALED: json.dumps(head.json()), PENDING_SEAL: self._countersigned(head, "")}
        context.journal.ledger.sealed(notes, found.shown, found.entries)
        context.signals.reports.set()
        context.log.info("sealed", seq=head.seq, hash=head.hash[:16])

    def _countersigned(self, head: Head, hub_sig: str) -> str:
        """Return the site's seal under a head, for the outbox: the reporter sends it until the hub has it."""
        signature = sign_head(self.context.keys.present(), head)
        seal = SealView(
            site=self.context.site,
            seq=head.seq,
            hash=head.hash,
            at=head.at,
            keyid=signature.keyid,
            sig=signature.sig,
            hub_sig=hub_sig,
        )
        return seal.model_dump_json()

    def _alarm(self, shown: SignedHead, found: Deceived) -> None:
        context = self.context
        words = "; ".join(found.faults)
        # with the hub's signature under what it shows, this proves what it did: whoever sees the alarm finds it
        evidence = {"shown": shown.model_dump(mode="json"), "sealed": context.journal.note(_SEALED)}
        context.journal.write_note("evidence", json.dumps(evidence))
        context.journal.write_note(_ALARM, f"{iso(context.clock.now())} head {shown.seq} refused: {words}")
        self._remind()
        context.log.critical(
            "the hub shows a ledger that does not follow from the one sealed before: nothing is sealed",
            seq=shown.seq,
            faults=list(found.faults),
        )

    def _remind(self) -> None:
        """Send the held seal again, with the hub's own signature: it tells the hub, and through it the other sites."""
        journal = self.context.journal
        shown = journal.ledger.newest_head()
        if shown is not None and shown.head == self._held():
            journal.write_note(PENDING_SEAL, self._countersigned(shown.head, shown.sig))
            self.context.signals.reports.set()

    def _held(self) -> Head | None:
        found = self.context.journal.note(_SEALED)
        return None if found is None else head_from_json(json.loads(found))


def _shorter(held: Head | None, new: Head) -> tuple[str, ...]:
    if held is None or new.seq >= held.seq:
        return ()
    return (f"the ledger ends at entry {new.seq}, and entry {held.seq} was sealed: entries have vanished",)


def _signed_by(shown: SignedHead, key: str) -> bool:
    return shown.keyid == key and shown.is_signed(ed25519.verify)
