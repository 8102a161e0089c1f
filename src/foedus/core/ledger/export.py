"""Writes the ledger as a file that anyone can verify: see ``docs/reference/ledger-format.md``."""

import hashlib
from collections.abc import Iterable, Iterator

from foedus.core.agreement.read import read
from foedus.core.base.canon import Json, canonical
from foedus.core.base.dsse import Signature, Signer, sign
from foedus.core.base.ids import AllianceId, Digest, SiteId
from foedus.core.base.instant import Instant, parse_iso
from foedus.core.ledger.chain import Head, Seal, head_of, sign_head
from foedus.core.ledger.entry import Entry, Kind
from foedus.core.ledger.lines import EXPORT_TYPE, FORMAT, trailer_payload


def export(alliance: AllianceId, entries: Iterable[Entry], seals: Iterable[Seal], signer: Signer) -> Iterator[bytes]:
    """Write all entries from the first on, line by line; `signer` is the hub's.

    Each seal comes right after the entry that it seals. Left out are seals that prove nothing to a reader: of entries
    that are not written, by keys that did not stand for their site there yet (a new site catches up with an old
    ledger) or no longer, and heads that the hub signed with another key than the one in force. Needs at least one
    entry; memory does not grow with their number.
    """
    so_far = hashlib.sha256()
    newest: Entry | None = None
    for line, entry in _lines(alliance, entries, seals):
        so_far.update(line)
        newest = entry or newest
        yield line
    if newest is None:
        raise ValueError("a ledger without entries cannot be exported")
    head = head_of(alliance, newest)
    body = Digest(so_far.hexdigest())
    signature = sign(signer, EXPORT_TYPE, trailer_payload(head, body))
    trailer: dict[str, Json] = {**head.json(), "body": body, "kind": "trailer", "signatures": [signature.json()]}
    yield canonical(trailer) + b"\n"


def seal(signer: Signer, site: SiteId, head: Head, countersignature: Signature) -> Seal:
    """Put the hub's signature beside a site's: both under the same head."""
    return Seal(site=site, head=head, hub=sign_head(signer, head), countersignature=countersignature)


def _lines(
    alliance: AllianceId, entries: Iterable[Entry], seals: Iterable[Seal]
) -> Iterator[tuple[bytes, Entry | None]]:
    yield canonical({"alliance": alliance, "format": FORMAT}) + b"\n", None
    waiting: dict[int, list[Seal]] = {}
    for one in sorted(seals, key=lambda found: found.site):
        waiting.setdefault(one.head.seq, []).append(one)
    standing = _Standing()
    for entry in entries:
        yield entry.line(), entry
        standing.learn(entry)
        for one in waiting.pop(entry.seq, ()):
            if standing.counts(one):
                yield one.line(), None


class _Standing:
    """Whose seals count at an entry. What an honest hub has booked is taken as it is: readers check."""

    def __init__(self) -> None:
        self._hub_key = ""
        self._keys: dict[tuple[str, str], Instant] = {}

    def learn(self, entry: Entry) -> None:
        body = entry.body
        match entry.kind:
            case Kind.AGREEMENT:
                self._hub_key = read(str(body["text"]).encode("utf-8")).hub_key
            case Kind.SITE_KEY:
                place = (str(body["site"]), str(body["key"]))
                not_before = parse_iso(str(body["not_before"]))
                self._keys[place] = min(not_before, self._keys.get(place, not_before))
            case Kind.SITE_KEY_REVOKED:
                self._keys.pop((str(body["site"]), str(body["key"])), None)
            case _:
                pass

    def counts(self, one: Seal) -> bool:
        not_before = self._keys.get((one.site, one.countersignature.keyid))
        return one.hub.keyid == self._hub_key and not_before is not None and one.head.at >= not_before
