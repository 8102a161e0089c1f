"""Head exchange: each site sees what the others have sealed, so that the hub cannot tell two histories.

The hub passes the other sites' seals on. It cannot make one up, since each is signed with a key that the other site's
partner vouched for; nor can it fit one to another history, since a seal names the hash of all entries up to its own.
What is left to it is to keep a seal back: that shows when records of a site go on being booked and it seals nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from foedus.agent.context import Context
from foedus.core.base.dsse import Signature
from foedus.core.base.errors import BadInput
from foedus.core.base.ids import Digest, SiteId
from foedus.core.base.instant import Instant, iso, seconds_between
from foedus.core.ledger.chain import Head, follows, head_of, head_signed_by
from foedus.core.ledger.entry import Entry, Kind, entry_from_json, matching
from foedus.core.ledger.site_keys import KEY_KINDS, SiteKeys
from foedus.keys import ed25519
from foedus.wire.ledger import SealView

_KEYS = "site-keys"
"""Note that holds the keys of all sites, as the entries up to the sealed head give them."""
_NOT_SHOWN = Digest("not shown")
_FAR = 1000
"""How many entries back the hub must be able to lead from at once."""
_WAITING = 1000
"""Records of one site that are remembered until it is shown to have sealed them."""
_REMEMBERED = 10_000
"""Hashes of entries that are kept at hand; an older one is asked for again, and checked."""
KEPT_BACK_S = 900
"""How long a site that reports may seal nothing before that is odd: it seals each head within seconds."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What one site knows of the others' seals."""

    context: Context
    _hashes: dict[int, Digest] = field(default_factory=dict[int, Digest])
    _unsealed: dict[SiteId, list[tuple[int, Instant]]] = field(default_factory=dict[SiteId, list[tuple[int, Instant]]])
    """Number and time of the records of each other site that it was not shown to have sealed yet."""
    _keys: SiteKeys | None = None

    def learn(self, held: Head | None, entries: Sequence[Entry]) -> None:
        """Take in entries that follow from the held head; learning one twice does no harm."""
        keys = self._site_keys(held)
        for entry in entries:
            self._hashes[entry.seq] = entry.hash
            if entry.kind is Kind.USAGE:
                self._wait_for(SiteId(str(entry.body.get("site"))), entry)
        for seq in sorted(self._hashes)[:-_REMEMBERED]:
            del self._hashes[seq]
        if self._learn_keys(keys, entries) or held is None:
            self.context.journal.write_note(_KEYS, json.dumps({"standing": keys.standing, "revoked": keys.revoked}))

    def _learn_keys(self, keys: SiteKeys, entries: Iterable[Entry]) -> bool:
        about = [entry for entry in entries if entry.kind in KEY_KINDS and self._vouched(entry)]
        for entry in about:
            keys.learn(entry)
        return bool(about)

    def _wait_for(self, site: SiteId, entry: Entry) -> None:
        records = self._unsealed.setdefault(site, [])
        if site != self.context.site and len(records) < _WAITING:
            records.append((entry.seq, entry.at))

    def faults(self, seals: Iterable[SealView], head: Head) -> tuple[str, ...]:
        """Say which sites have sealed another history than the one that leads to `head`."""
        found: list[str] = []
        for seal in seals:
            if seal.site == self.context.site or not self._genuine(seal, head):
                continue
            own = self._hash(seal.seq, head)
            if own is not None and own != seal.hash:
                found.append(f"{seal.site} has sealed entry {seal.seq} as {seal.hash}, and here it is {own}")
            self._sealed(seal)
        self._notice_kept_back()
        return tuple(found)

    def _genuine(self, seal: SealView, head: Head) -> bool:
        """Whether the other site itself made the seal: under a key that stands for it in this very history."""
        if self._site_keys(None).standing.get(seal.keyid) != seal.site:
            return False
        sealed = Head(alliance=head.alliance, seq=seal.seq, hash=seal.hash, at=seal.at)
        return head_signed_by(ed25519.verify, seal.keyid, sealed, Signature(keyid=seal.keyid, sig=seal.sig))

    def _hash(self, seq: int, head: Head) -> Digest | None:
        """Return the hash of an entry in this site's own history; `None` for one that it has not reached."""
        if seq > head.seq:
            return None
        if seq == head.seq:
            return head.hash
        return self._hashes.get(seq) or self._asked(seq, head)

    def _asked(self, seq: int, head: Head) -> Digest | None:
        """Ask for an entry again: it counts only with all that lead from it to the head that this site believes."""
        if head.seq - seq > _FAR:
            return None
        reply = self.context.hub.heads(seq - 1)
        try:
            entries = [entry_from_json(one) for one in reply.entries]
        except BadInput:
            return _NOT_SHOWN
        if (
            not entries
            or entries[0].seq != seq
            or follows(head_of(head.alliance, entries[0]), entries[1 : head.seq - seq + 1], head)
        ):
            return _NOT_SHOWN
        self._hashes[seq] = entries[0].hash
        return entries[0].hash

    def _sealed(self, seal: SealView) -> None:
        records = self._unsealed.get(seal.site, [])
        self._unsealed[seal.site] = [record for record in records if record[0] > seal.seq]

    def _notice_kept_back(self) -> None:
        """Say in the agent's troubles whose seals do not come although its records do; no proof, and so no alarm."""
        now, standing = self.context.clock.now(), self._site_keys(None).standing.values()
        for site, records in self._unsealed.items():
            since = records[0][1] if records else now
            trouble = f"seals of {site}"
            if site in standing and seconds_between(since, now) > KEPT_BACK_S:
                words = f"{site} reports and is not shown to seal anything since {iso(since)}: ask its operators"
                if trouble not in self.context.trouble:
                    self.context.log.warning("another site's seals do not come", site=site, since=iso(since))
                self.context.trouble[trouble] = words
            else:
                self.context.trouble.pop(trouble, None)

    def _vouched(self, entry: Entry) -> bool:
        """Whether the partner of the site stands behind an entry about its key, by this site's own agreement."""
        site = self.context.agreement.site(SiteId(str(entry.body.get("site"))))
        partner = self.context.agreement.partner(site.partner) if site else None
        signers = matching(entry.kind, entry.body, entry.signatures, ed25519.verify)
        return partner is not None and partner.key in {one.keyid for one in signers}

    def _site_keys(self, held: Head | None) -> SiteKeys:
        if self._keys is None:
            note = self.context.journal.note(_KEYS)
            found: dict[str, dict[str, Any]] = json.loads(note) if note else {"standing": {}, "revoked": {}}
            self._keys = SiteKeys(standing=found["standing"], revoked=found["revoked"])
            if note is None and held is not None:
                self._catch_up(self._keys, held)
        return self._keys

    def _catch_up(self, keys: SiteKeys, held: Head) -> None:
        """Read what the ledger says of keys up to the held head; raises `BadInput` if it does not lead there."""
        at: Head | None = None
        while at is None or at.seq < held.seq:
            entries = [entry_from_json(one) for one in self.context.hub.heads(at.seq if at else 0).entries]
            within = [entry for entry in entries if entry.seq <= held.seq]
            if not within or follows(at, within, head_of(held.alliance, within[-1])):
                return
            self._learn_keys(keys, within)
            at = head_of(held.alliance, within[-1])
