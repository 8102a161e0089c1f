"""One entry of the ledger: what it says, who signed it, and its place in the chain.

An entry is a JSON object with the members ``at``, ``body``, ``hash``, ``kind``, ``prev``, ``seq`` and ``signatures``.
``hash`` is the SHA-256 of the canonical bytes of all the others; ``prev`` is the hash of the entry before. The written
format is ``docs/reference/ledger-format.md``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from foedus.core.base.canon import Json, JsonObject, canonical, sha256
from foedus.core.base.dsse import Signature, Signer, Verifier, pae, sign, signature_from_json, unbase64
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import Digest
from foedus.core.base.instant import Instant, exact_instant, iso
from foedus.core.ledger.members import (
    Check,
    a_list,
    an_object,
    an_object_at,
    digest,
    from_one,
    member_faults,
    one_of,
    time,
)

GENESIS = Digest("0" * 64)
"""``prev`` of the first entry."""


class Kind(StrEnum):
    """What an entry is about."""

    AGREEMENT = "agreement"
    """A version of the agreement came into force; signed by its partners."""
    SITE_KEY = "site-key"
    """A partner vouches for the key of one of its sites; signed by the partner."""
    SITE_KEY_REVOKED = "site-key-revoked"
    """A partner takes that back; signed by the partner."""
    PROJECT = "project"
    """A project was opened; signed by the hub or a partner."""
    ALLOCATION = "allocation"
    """A project got a budget; signed by the hub or a partner."""
    USAGE = "usage"
    """What one attempt used; signed by the site."""
    CORRECTION = "correction"
    """A usage record in place of an earlier one; signed by the site."""


_TYPES: dict[Kind, str] = {
    kind: f"application/vnd.foedus.{kind}+{'toml' if kind is Kind.AGREEMENT else 'json'}" for kind in Kind
}


def payload_type(kind: Kind) -> str:
    """Return the DSSE type that the signatures of such an entry cover."""
    return _TYPES[kind]


def payload(kind: Kind, body: JsonObject) -> bytes:
    """Return the bytes that the signatures cover: of an agreement the file, of anything else the canonical body."""
    if kind is Kind.AGREEMENT:
        return str(body["text"]).encode("utf-8")
    return canonical(body)


def signed_bytes(kind: Kind, body: JsonObject) -> bytes:
    """Return the message that each signature of such an entry is made over."""
    return pae(payload_type(kind), payload(kind, body))


def sign_body(signer: Signer, kind: Kind, body: JsonObject) -> Signature:
    """Sign what is to be booked."""
    return sign(signer, payload_type(kind), payload(kind, body))


def matching(kind: Kind, body: JsonObject, signatures: Iterable[Signature], verify: Verifier) -> tuple[Signature, ...]:
    """Return the signatures that may be booked: those that match, one of each key.

    A ledger with one that does not is unsound for ever, so whatever came from outside goes through here.
    """
    message = signed_bytes(kind, body)
    good: dict[str, Signature] = {}
    for one in signatures:
        try:
            raw = unbase64(one.sig)
        except ValueError:
            continue
        if one.keyid not in good and verify(one.keyid, message, raw):
            good[one.keyid] = one
    return tuple(good.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One link of the chain."""

    seq: int
    """Counts from 1, without gaps."""
    prev: Digest
    """Hash of the entry before; `GENESIS` for the first."""
    at: Instant
    """When the hub booked it; never before the entry before."""
    kind: Kind
    body: JsonObject
    signatures: tuple[Signature, ...]

    @property
    def hash(self) -> Digest:
        """What the next entry calls ``prev``, and what a head signs."""
        return sha256(canonical(self._unhashed()))

    def json(self) -> dict[str, Json]:
        """Return its JSON form, ``hash`` included."""
        return {**self._unhashed(), "hash": self.hash}

    def line(self) -> bytes:
        """Return its line in an export, newline included."""
        return canonical(self.json()) + b"\n"

    def _unhashed(self) -> dict[str, Json]:
        return {
            "at": iso(self.at),
            "body": self.body,
            "kind": str(self.kind),
            "prev": self.prev,
            "seq": self.seq,
            "signatures": [one.json() for one in self.signatures],
        }


def entry_from_json(found: object, path: str = "entry") -> Entry:
    """Read the JSON form of an entry and check its hash; raises `BadInput` with everything that is wrong."""
    parts = an_object_at(path, found, _REMEDY)
    faults = member_faults(parts, ENTRY_CHECKS, path, _REMEDY)
    signatures = _signatures(parts.get("signatures"), f"{path}.signatures", faults)
    if faults:
        raise BadInput(*faults)
    entry = Entry(
        seq=cast("int", parts["seq"]),
        prev=Digest(cast("str", parts["prev"])),
        at=cast("Instant", exact_instant(parts["at"])),
        kind=Kind(cast("str", parts["kind"])),
        body=cast("JsonObject", parts["body"]),
        signatures=signatures,
    )
    try:
        found_hash = entry.hash
    except ValueError as error:
        raise BadInput(_fault(f"{path}.body", f"has no canonical form ({error})")) from error
    if found_hash != parts["hash"]:
        raise BadInput(_fault(f"{path}.hash", "is not the hash of what the entry says"))
    return entry


def _signatures(found: object, path: str, faults: list[Fault]) -> tuple[Signature, ...]:
    if not isinstance(found, list):
        return ()
    read: list[Signature] = []
    for index, one in enumerate(cast("Sequence[object]", found)):
        try:
            read.append(signature_from_json(one))
        except (TypeError, KeyError, ValueError) as error:
            faults.append(_fault(f"{path}[{index}]", f"is not a signature ({error})"))
    return tuple(read)


def _fault(path: str, fault: str) -> Fault:
    return Fault(path=path, fault=fault, remedy=_REMEDY)


_REMEDY: Final = "ask for the entry again, and compare it with another partner's copy"
ENTRY_CHECKS: Final[dict[str, Check]] = {
    "at": time,
    "body": an_object,
    "hash": digest,
    "kind": one_of(Kind),
    "prev": digest,
    "seq": from_one,
    "signatures": a_list,
}
"""Members of an entry, and what they must look like."""
