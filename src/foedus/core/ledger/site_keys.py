"""Which keys stand for which site, by what was booked about them: asked before more is booked.

What the ledger holds already is taken as it is; readers of an export check it themselves (`foedus.core.ledger.trust`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from foedus.core.base.ids import SiteId
from foedus.core.ledger.entry import Entry, Kind

KEY_KINDS = (Kind.SITE_KEY, Kind.SITE_KEY_REVOKED)
"""The entries that say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteKeys:
    """The keys, each with its site, and the revoked ones, each with the entry that revoked it."""

    standing: dict[str, SiteId]
    revoked: dict[str, int]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Read it from entries in their order; those of other kinds say nothing about it."""
        keys = cls(standing={}, revoked={})
        for entry in entries:
            if entry.kind in KEY_KINDS:
                keys.learn(entry)
        return keys

    def vouch_fault(self, site: SiteId, key: str) -> str | None:
        """Say why a key cannot be given to a site: it was revoked, or is another site's."""
        if key in self.revoked:
            return f"was revoked (ledger entry {self.revoked[key]}) and cannot come back"
        owner = self.standing.get(key, site)
        return None if owner == site else f"is already the key of site {owner}"

    def learn(self, entry: Entry) -> None:
        """Take in one of the `KEY_KINDS`."""
        key = str(entry.body["key"])
        if entry.kind is Kind.SITE_KEY:
            self.standing[key] = SiteId(str(entry.body["site"]))
        else:
            self.standing.pop(key, None)
            self.revoked[key] = entry.seq
