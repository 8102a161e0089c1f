"""Who may sign what: the agreement in force, the partners' keys, and the keys that they vouch for.

All of it follows from the ledger's own entries and one agreement that the reader trusts: the versions before it are
pinned by its chain of digests, the versions after it by the signatures of the partners of the version before.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import needed
from foedus.core.agreement.term import succeeds
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, TooLarge
from foedus.core.base.ids import PartnerId, SiteId
from foedus.core.base.instant import Instant, exact_instant, iso
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.lines import EntrySeen, Whose
from foedus.core.ledger.plausible import beyond


class Trust:
    """Grows with each entry; every question answers with sentences, one per fault."""

    def __init__(self, trusted: Agreement) -> None:
        self._trusted = trusted
        self._versions: dict[int, Agreement] = {}
        self._newest: Agreement | None = None
        self._met = False
        self._keys: dict[SiteId, dict[str, Instant]] = {}
        self._revoked: set[str] = set()

    @property
    def version(self) -> int:
        """The version in force; 0 before the first."""
        return self._newest.version if self._newest else 0

    @property
    def hub_key(self) -> str | None:
        """The key that signs heads under the agreement in force."""
        return self._newest.hub_key if self._newest else None

    def missing(self) -> list[str]:
        """Say so if the agreement that the reader trusts never came into force in this ledger."""
        if self._met:
            return []
        return [f"version {self._trusted.version} of the agreement, as given, is not in this ledger"]

    def learn(self, entry: EntrySeen) -> list[str]:
        """Take in an entry that is no usage record."""
        if entry.body is None:
            return []
        body = cast("Mapping[str, object]", entry.body)
        if entry.kind is Kind.AGREEMENT:
            return self._amend(str(body["text"]).encode("utf-8"), str(body["digest"]), entry.signers)
        if self._newest is None:
            return ["no agreement is in force yet"]
        faults = _alliance(str(body["alliance"]), self._newest)
        match entry.kind:
            case Kind.SITE_KEY:
                return faults + self._vouch(body, entry.signers)
            case Kind.SITE_KEY_REVOKED:
                return faults + self._revoke(body, entry.signers)
            case _:
                return faults + self._decide(entry.signers)

    def usage_faults(self, whose: Whose, signers: Sequence[str], at: Instant) -> list[str]:
        """Say what is wrong with who signed a usage record, and for whom; what is right stays right later."""
        agreement = self._versions.get(whose.version)
        if agreement is None:
            return [f"version {whose.version} of the agreement was not in force when this was booked"]
        faults = _alliance(whose.alliance, agreement)
        site = agreement.site(whose.site)
        if site is None:
            faults.append(f"{whose.site} is no site of the agreement")
        elif site.partner != whose.site_partner:
            faults.append(f"site {whose.site} is {site.partner}'s, not {whose.site_partner}'s")
        else:
            faults += self._beyond(whose)
        if agreement.partner(whose.user_partner) is None:
            faults.append(f"{whose.user_partner} is no partner of the agreement")
        return faults + self._site_signed(whose.site, signers, at)

    def _beyond(self, whose: Whose) -> list[str]:
        """Say what is more than the site has: neither when the job was admitted nor at any time since."""
        since = [self._versions[version] for version in self._versions if version >= whose.version]
        sites = [site for agreement in since if (site := agreement.site(whose.site)) is not None]
        found = [beyond(site, whose.nodes, whose.gpus) for site in sites]
        return [] if () in found else [f"{fault.path} {fault.fault}" for fault in found[-1]]

    def seal_faults(self, site: SiteId, signers: Sequence[str], at: Instant) -> list[str]:
        """Say what is wrong with the two signatures of a seal."""
        theirs = [signer for signer in signers if signer != self.hub_key]
        faults = [] if len(theirs) < len(signers) else ["the hub did not sign this head"]
        return faults + self._site_signed(site, theirs, at)

    def _amend(self, file: bytes, stated: str, signers: Collection[str]) -> list[str]:
        if sha256(file) != stated:
            return ["the digest is not that of the agreement's text"]
        try:
            agreement = read(file)
        except BadInput as error:
            return [f"the agreement is unsound: {fault.path} {fault.fault}" for fault in error.faults]
        except TooLarge as error:
            return [f"the agreement is unsound: {error}"]
        faults = [f"the agreement's {fault.path}: {fault.fault}" for fault in succeeds(self._newest, agreement)]
        faults.extend(
            f"{partner} did not sign version {agreement.version} of the agreement with {key}"
            for partner, key in needed(agreement, self._newest)
            if key not in signers
        )
        if agreement.id != self._trusted.id:
            faults.append(f"the agreement is of alliance {agreement.id}, not of {self._trusted.id}")
        if agreement.version == self._trusted.version:
            if agreement.digest != self._trusted.digest:
                faults.append(f"version {agreement.version} of the agreement differs from the one given")
            self._met = True
        self._versions[agreement.version] = agreement
        self._newest = agreement
        return faults

    def _vouch(self, body: Mapping[str, object], signers: Sequence[str]) -> list[str]:
        site, key = SiteId(str(body["site"])), str(body["key"])
        faults = self._partner_signed(site, signers)
        if key in self._revoked:
            faults.append(f"{key} was revoked and cannot come back")
        owner = next((other for other, keys in self._keys.items() if key in keys and other != site), None)
        if owner is not None:
            faults.append(f"{key} is already the key of site {owner}")
        if not faults:
            keys = self._keys.setdefault(site, {})
            not_before = cast("Instant", exact_instant(body["not_before"]))
            keys[key] = min(not_before, keys.get(key, not_before))
        return faults

    def _revoke(self, body: Mapping[str, object], signers: Sequence[str]) -> list[str]:
        site, key = SiteId(str(body["site"])), str(body["key"])
        faults = self._partner_signed(site, signers)
        if key not in self._keys.get(site, {}):
            faults.append(f"{key} is not a key of site {site}")
        if not faults:
            self._revoked.add(key)
            del self._keys[site][key]
        return faults

    def _decide(self, signers: Sequence[str]) -> list[str]:
        agreement = cast("Agreement", self._newest)
        allowed = {agreement.hub_key, *(partner.key for partner in agreement.partners)}
        return [] if allowed.intersection(signers) else ["is not signed by the hub or a partner"]

    def _partner_signed(self, site_id: SiteId, signers: Sequence[str]) -> list[str]:
        agreement = cast("Agreement", self._newest)
        site = agreement.site(site_id)
        if site is None:
            return [f"{site_id} is no site of the agreement"]
        key = cast("str", _key_of(agreement, site.partner))
        return [] if key in signers else [f"is not signed by {site.partner}, whose site {site_id} is"]

    def _site_signed(self, site: SiteId, signers: Sequence[str], at: Instant) -> list[str]:
        keys = self._keys.get(site, {})
        if len(signers) != 1 or signers[0] not in keys:
            return [f"is not signed with a key that stands for site {site}, alone"]
        if at < keys[signers[0]]:
            return [f"the key of site {site} counts only from {iso(keys[signers[0]])}"]
        return []


def _alliance(found: str, agreement: Agreement) -> list[str]:
    return [] if found == agreement.id else [f"is of alliance {found}, not of {agreement.id}"]


def _key_of(agreement: Agreement, partner_id: PartnerId) -> str | None:
    partner = agreement.partner(partner_id)
    return partner.key if partner else None
