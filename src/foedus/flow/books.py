"""The books as others see them: signed heads, countersignatures, the export, the balance."""

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum

from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signature, Signer, Verifier
from foedus.core.base.errors import NotFound
from foedus.core.base.ids import SiteId
from foedus.core.ledger.chain import Head, head_signed_by, sign_head
from foedus.core.ledger.entry import Entry
from foedus.core.ledger.export import export, seal
from foedus.flow.orders import enrolled
from foedus.flow.ports import SealRecord, Store, Transaction
from foedus.wire.agents import HeadReply
from foedus.wire.ledger import SealList, SealState, SealView, SignedHead

_PAGE = 500
"""Entries of an export that are held at a time."""
_MOST_SINCE = 2000
"""Most entries that one call leads a site through; a site that is further behind calls again."""


class Countersigned(StrEnum):
    """What became of a site's seal."""

    KEPT = "kept"
    """The ledger holds the entry that it seals."""
    CONTRADICTS = "contradicts"
    """It does not, and the hub's key signed that head too: two histories were told, and this proves it. Kept."""
    REFUSED = "refused"
    """It is not the site's, or seals what nobody ever showed it."""


def head(tx: Transaction, signer: Signer) -> SignedHead:
    """Return the newest head, signed."""
    newest = tx.ledger.head()
    if newest is None:
        raise NotFound("the ledger has no entry yet", remedy="put an agreement in force first")
    return signed(newest, signer)


def signed(newest: Head, signer: Signer) -> SignedHead:
    """Sign a head. Ed25519 is deterministic: every hub process makes the same signature."""
    signature = sign_head(signer, newest)
    return SignedHead(
        alliance=newest.alliance,
        seq=newest.seq,
        hash=newest.hash,
        at=newest.at,
        keyid=signature.keyid,
        sig=signature.sig,
    )


def since(tx: Transaction, seq: int, signer: Signer) -> HeadReply:
    """Return the entries after number `seq`, and the head that they lead to."""
    newest = tx.ledger.head()
    if newest is None:
        raise NotFound("the ledger has no entry yet", remedy="put an agreement in force first")
    entries = tx.ledger.entries(seq + 1, _MOST_SINCE)
    reached = _head_after(newest, entries)
    return HeadReply(
        head=signed(reached, signer),
        entries=[entry_json(entry) for entry in entries],
        seals=[_seal_view(record) for record in tx.ledger.seals()],
    )


def seal_list(tx: Transaction) -> SealList:
    """Return how far each site has sealed the ledger, and whether it is this one that it sealed."""
    newest = tx.ledger.head()
    states = [
        SealState(
            site=record.site,
            seq=record.head.seq,
            hash=record.head.hash,
            at=record.head.at,
            agrees=holds(tx, record.head),
        )
        for record in tx.ledger.seals()
    ]
    return SealList(head=newest.seq if newest else 0, seals=states)


def holds(tx: Transaction, sealed: Head) -> bool:
    """Say whether the ledger has the very entry that a head names."""
    entries = tx.ledger.entries(sealed.seq, 1)
    return bool(entries) and (entries[0].seq, entries[0].hash, entries[0].at) == (sealed.seq, sealed.hash, sealed.at)


def _seal_view(record: SealRecord) -> SealView:
    sealed, signature = record.head, record.signature
    return SealView(
        site=record.site,
        seq=sealed.seq,
        hash=sealed.hash,
        at=sealed.at,
        keyid=signature.keyid,
        sig=signature.sig,
    )


def entry_json(entry: Entry) -> JsonObject:
    """Return an entry as the object that its line holds."""
    return entry.json()


def countersign(
    tx: Transaction, site: SiteId, view: SealView, *, hub_keys: Collection[str], verify: Verifier
) -> Countersigned:
    """Keep a site's seal, if it is the site's own; one of an entry that the ledger never had only with the hub's name.

    Without the hub's signature, under any of its keys, such a seal proves nothing but that the site's key signed it.
    """
    newest = tx.ledger.head()
    if newest is None or view.site != site or view.keyid != enrolled(tx, site).key:
        return Countersigned.REFUSED
    sealed = Head(alliance=newest.alliance, seq=view.seq, hash=view.hash, at=view.at)
    signature = Signature(keyid=view.keyid, sig=view.sig)
    if not head_signed_by(verify, view.keyid, sealed, signature):
        return Countersigned.REFUSED
    if not holds(tx, sealed):
        if not any(head_signed_by(verify, key, sealed, Signature(keyid=key, sig=view.hub_sig)) for key in hub_keys):
            return Countersigned.REFUSED
        tx.ledger.seal(SealRecord(site=site, head=sealed, signature=signature))
        return Countersigned.CONTRADICTS
    tx.ledger.seal(SealRecord(site=site, head=sealed, signature=signature))
    return Countersigned.KEPT


def ledger_file(store: Store, signer: Signer) -> Iterator[bytes]:
    """Write the ledger as a file that anybody can check with the agreement alone.

    It is the ledger of the moment when this begins, however slowly it is taken: entries never change, so that each page
    is read in a transaction of its own, and none is held open for a reader. A seal of another history has no place in
    it: see `seal_list`.
    """
    with store.read() as tx:
        newest = tx.ledger.head()
        seals = [
            seal(signer, record.site, record.head, record.signature)
            for record in tx.ledger.seals()
            if holds(tx, record.head)
        ]
    if newest is None:
        raise NotFound("the ledger has no entry yet", remedy="put an agreement in force first")
    return export(newest.alliance, _up_to(store, newest.seq), seals, signer)


def _up_to(store: Store, last: int) -> Iterator[Entry]:
    for first in range(1, last + 1, _PAGE):
        with store.read() as tx:
            page = tx.ledger.entries(first, min(_PAGE, last + 1 - first))
        yield from page


def _head_after(newest: Head, entries: Sequence[Entry]) -> Head:
    if not entries:
        return newest
    last = entries[-1]
    return Head(alliance=newest.alliance, seq=last.seq, hash=last.hash, at=last.at)
