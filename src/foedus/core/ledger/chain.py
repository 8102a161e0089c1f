"""The chain: how an entry is appended, what a head says, and whether an old head leads to a new one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from foedus.core.base.canon import Json, JsonObject, canonical
from foedus.core.base.dsse import Signature, Signer, Verifier, sign, signature_from_json, signed_by
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import AllianceId, Digest, SiteId
from foedus.core.base.instant import Instant, exact_instant, iso
from foedus.core.ledger.entry import GENESIS, Entry, Kind
from foedus.core.ledger.members import Check, an_object_at, checked, digest, from_one, name, time

HEAD_TYPE: Final = "application/vnd.foedus.head+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the ledger stood: the newest entry's number, hash and time. One hash stands for all entries up to it."""

    alliance: AllianceId
    seq: int
    hash: Digest
    at: Instant
    """When that entry was booked."""

    def json(self) -> dict[str, Json]:
        """Return what is signed, as an object."""
        return {"alliance": self.alliance, "at": iso(self.at), "hash": self.hash, "seq": self.seq}

    def payload(self) -> bytes:
        """Return what is signed."""
        return canonical(self.json())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head with the hub's signature: the hub cannot deny later that it showed this."""

    head: Head
    signature: Signature

    def write(self) -> bytes:
        """Return the file form: what ``foedus ledger verify --head`` reads."""
        return canonical({**self.head.json(), "signatures": [self.signature.json()]}) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A site's countersignature under a head that the hub signed: both signed the same bytes."""

    site: SiteId
    head: Head
    hub: Signature
    countersignature: Signature

    def line(self) -> bytes:
        """Return its line in an export, newline included."""
        signatures: list[Json] = [self.hub.json(), self.countersignature.json()]
        parts: JsonObject = {
            "head": self.head.json(),
            "kind": "seal",
            "signatures": signatures,
            "site": self.site,
        }
        return canonical(parts) + b"\n"


def append(head: Head | None, *, kind: Kind, body: JsonObject, signatures: tuple[Signature, ...], at: Instant) -> Entry:
    """Make the entry that follows `head` (`None`: the first).

    Times never run backwards in the ledger: where the clock was set back, the entry gets the time of the one before.
    """
    if head is None:
        return Entry(seq=1, prev=GENESIS, at=at, kind=kind, body=body, signatures=signatures)
    later = max(at, head.at)
    return Entry(seq=head.seq + 1, prev=head.hash, at=later, kind=kind, body=body, signatures=signatures)


def head_of(alliance: AllianceId, entry: Entry) -> Head:
    """Return the head that the ledger has once `entry` is its newest."""
    return Head(alliance=alliance, seq=entry.seq, hash=entry.hash, at=entry.at)


def sign_head(signer: Signer, head: Head) -> Signature:
    """Sign a head: as the hub, or as a site that countersigns."""
    return sign(signer, HEAD_TYPE, head.payload())


def head_signed_by(verify: Verifier, key: str, head: Head, signature: Signature) -> bool:
    """Say whether the signature is `key`'s under the head."""
    return signed_by(verify, key, HEAD_TYPE, head.payload(), (signature,))


def follows(old: Head | None, entries: Iterable[Entry], new: Head) -> tuple[str, ...]:
    """Say what is wrong with the claim that `old`, then `entries`, lead to `new`; nothing if it holds.

    A site asks this before it countersigns. ``old`` is the head that it holds; `None` if it holds none yet.
    """
    faults: list[str] = []
    seq, digest, at = (old.seq, old.hash, old.at) if old else (0, GENESIS, None)
    if old and old.alliance != new.alliance:
        faults.append(f"the head is of alliance {new.alliance}, not of {old.alliance}")
    for entry in entries:
        if entry.seq != seq + 1:
            faults.append(f"entry {entry.seq} stands where entry {seq + 1} belongs")
        if entry.prev != digest:
            faults.append(f"entry {entry.seq} does not follow from the entry before it")
        if at is not None and entry.at < at:
            faults.append(f"entry {entry.seq} is older than the entry before it")
        seq, digest, at = entry.seq, entry.hash, entry.at
    if (seq, digest, at) != (new.seq, new.hash, new.at):
        faults.append(f"the entries lead to entry {seq} with hash {digest}, the head says {new.seq} with {new.hash}")
    return tuple(faults)


def head_from_json(found: object, path: str = "head") -> Head:
    """Read a head; raises `BadInput` with everything that is wrong."""
    parts = checked(path, found, _CHECKS, _REMEDY)
    return Head(
        alliance=AllianceId(cast("str", parts["alliance"])),
        seq=cast("int", parts["seq"]),
        hash=Digest(cast("str", parts["hash"])),
        at=cast("Instant", exact_instant(parts["at"])),
    )


def signed_head_from_json(found: object, path: str = "head") -> SignedHead:
    """Read the file form of a signed head; raises `BadInput`. Whose signature it is remains to be checked."""
    parts = dict(an_object_at(path, found, _REMEDY))
    signatures = parts.pop("signatures", None)
    head = head_from_json(parts, path)
    try:
        (one,) = cast("list[object]", signatures)
        signature = signature_from_json(one)
    except (TypeError, KeyError, ValueError) as error:
        raise BadInput(
            Fault(path=f"{path}.signatures", fault="is not a list of one signature", remedy=_REMEDY)
        ) from error
    return SignedHead(head=head, signature=signature)


_REMEDY: Final = "ask the hub for the head again"
_CHECKS: Final[dict[str, Check]] = {"alliance": name, "at": time, "hash": digest, "seq": from_one}
