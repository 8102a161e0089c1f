"""One line of an exported ledger, examined by itself: spelling, hash, signatures, and whether it can be true.

Nothing is needed but the line, so that lines can be examined side by side, in several processes. What needs the lines
before it is in `foedus.core.ledger.verify`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from foedus.core.base.canon import JsonObject, canonical, sha256, written
from foedus.core.base.dsse import Signature, Verifier, pae, signature_from_json, unbase64
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import AllianceId, Digest, JobId, PartnerId, SiteId
from foedus.core.base.instant import Instant, exact_instant
from foedus.core.ledger.bodies import body_faults
from foedus.core.ledger.booked import correction_from_body
from foedus.core.ledger.chain import HEAD_TYPE, Head, head_from_json
from foedus.core.ledger.entry import ENTRY_CHECKS, Kind, payload, payload_type
from foedus.core.ledger.members import (
    Check,
    a_list,
    an_object,
    anything,
    digest,
    from_one,
    key,
    member_faults,
    name,
    time,
)
from foedus.core.ledger.plausible import implausible
from foedus.core.ledger.usage_json import usage_from_body

FORMAT: Final = "foedus-ledger/1"
EXPORT_TYPE: Final = "application/vnd.foedus.export+json"
LONGEST_LINE: Final = 8 * 1024 * 1024
"""Bytes; a longer line is not read."""
TRAILER_START: Final = b'{"alliance":'
"""How a trailer begins (and the header); entries and seals begin otherwise."""


class Whose(NamedTuple):
    """Whose usage record it is, under which version of the agreement, and how large a share of the site it had."""

    alliance: AllianceId
    version: int
    site: SiteId
    site_partner: PartnerId
    user_partner: PartnerId
    nodes: int
    gpus: int


class UsageFacts(NamedTuple):
    """What the lines before a usage record have a say in."""

    whose: Whose
    job: JobId
    attempt: int
    corrects: int | None


class HeaderSeen(NamedTuple):
    """The first line."""

    alliance: str
    faults: tuple[str, ...]


class EntrySeen(NamedTuple):
    """An entry whose members have the right types."""

    seq: int
    prev: Digest
    hash: Digest
    """As the line states it; a fault says if it is not the true one."""
    at: Instant
    kind: Kind
    signers: tuple[str, ...]
    """Keys whose signatures match."""
    usage: UsageFacts | None
    body: JsonObject | None
    """Kept for the kinds that change who is trusted."""
    faults: tuple[str, ...]


class SealSeen(NamedTuple):
    """A site's countersignature."""

    site: SiteId
    head: Head
    signers: tuple[str, ...]
    faults: tuple[str, ...]


class TrailerSeen(NamedTuple):
    """The last line."""

    head: Head
    body: Digest
    signers: tuple[str, ...]
    faults: tuple[str, ...]


class BrokenSeen(NamedTuple):
    """A line that is none of these."""

    faults: tuple[str, ...]


Seen: TypeAlias = HeaderSeen | EntrySeen | SealSeen | TrailerSeen | BrokenSeen


def examine(line: bytes, check: Verifier) -> Seen:
    """Say all that one line alone tells."""
    if len(line) > LONGEST_LINE:
        return BrokenSeen((f"is longer than {LONGEST_LINE} bytes",))
    try:
        found = cast("object", json.loads(line))
        if not isinstance(found, dict):
            return BrokenSeen(("is not an object",))
        parts = cast("dict[str, object]", found)
        if "seq" in parts and "body" in parts and parts.get("kind") != "trailer":
            return _entry(parts, line, check)
        return _other(parts, line, check)
    except BadInput as error:
        return BrokenSeen(_sentences(error.faults))
    except (ValueError, RecursionError) as error:
        return BrokenSeen((f"is not canonical JSON: {error}",))


def _other(parts: dict[str, object], line: bytes, check: Verifier) -> Seen:
    faults = _spelling(line, canonical(cast("JsonObject", parts)) + b"\n")
    kind = parts.get("kind")
    if kind == "seal":
        return _seal(parts, check, faults)
    if kind == "trailer":
        return _trailer(parts, check, faults)
    if parts.keys() == {"alliance", "format"}:
        alliance = parts["alliance"]
        if parts["format"] != FORMAT:
            faults.append(f"the format is {parts['format']!r}, not {FORMAT!r}")
        return HeaderSeen(alliance if isinstance(alliance, str) else "", tuple(faults))
    return BrokenSeen(("is neither header, entry, seal nor trailer",))


def _entry(parts: dict[str, object], line: bytes, check: Verifier) -> Seen:
    wrong = member_faults(parts, ENTRY_CHECKS, "entry", "")
    if wrong:
        return BrokenSeen(_sentences(wrong))
    text = cast("Mapping[str, str]", parts)
    kind, body = Kind(text["kind"]), cast("JsonObject", parts["body"])
    signatures = _signatures(parts["signatures"])
    at = cast("Instant", exact_instant(text["at"]))
    usage, wrong = _body(kind, body, at)
    # All of a usage record was just checked: an ASCII one has a canonical form, and checking that again costs much.
    body_bytes = written(body) if usage and line.isascii() else canonical(body)
    front = b'{"at":"%b","body":%b,' % (text["at"].encode(), body_bytes)
    signed = ",".join([f'{{"keyid":"{one.keyid}","sig":"{one.sig}"}}' for one in signatures])
    back = f'"kind":"{kind}","prev":"{text["prev"]}","seq":{parts["seq"]},"signatures":[{signed}]}}'.encode()
    faults = _spelling(line, b'%b"hash":"%b",%b\n' % (front, text["hash"].encode(), back))
    if sha256(front + back) != text["hash"]:
        faults.append("the hash is not that of what the entry says")
    faults.extend(_sentences(wrong))
    message = payload(kind, body) if kind is Kind.AGREEMENT and not wrong else body_bytes
    signers = _signers(signatures, pae(payload_type(kind), message), check, faults)
    kept = body if usage is None and not wrong else None
    return EntrySeen(
        cast("int", parts["seq"]),
        Digest(text["prev"]),
        Digest(text["hash"]),
        at,
        kind,
        signers,
        usage,
        kept,
        tuple(faults),
    )


def _body(kind: Kind, body: JsonObject, at: Instant) -> tuple[UsageFacts | None, Sequence[Fault]]:
    corrects: int | None = None
    try:
        if kind is Kind.USAGE:
            usage = usage_from_body(body)
        elif kind is Kind.CORRECTION:
            usage, corrects, _ = correction_from_body(body)
        else:
            return None, body_faults(kind, body)
    except BadInput as error:
        return None, error.faults
    whose = Whose(
        usage.alliance,
        usage.agreement_version,
        usage.site,
        usage.site_partner,
        usage.user_partner,
        usage.nodes,
        sum(usage.gpus.values()),
    )
    return UsageFacts(whose, usage.job, usage.attempt, corrects), implausible(usage, at)


def _seal(parts: dict[str, object], check: Verifier, faults: list[str]) -> Seen:
    wrong = member_faults(parts, _SEAL, "seal", "")
    if wrong:
        return BrokenSeen(_sentences(wrong))
    head = head_from_json(parts["head"], "seal.head")
    signers = _signers(_signatures(parts["signatures"]), pae(HEAD_TYPE, head.payload()), check, faults)
    return SealSeen(SiteId(str(parts["site"])), head, signers, tuple(faults))


def _trailer(parts: dict[str, object], check: Verifier, faults: list[str]) -> Seen:
    wrong = member_faults(parts, _TRAILER, "trailer", "")
    if wrong:
        return BrokenSeen(_sentences(wrong))
    head = head_from_json({part: parts[part] for part in ("alliance", "at", "hash", "seq")}, "trailer")
    body = Digest(str(parts["body"]))
    message = pae(EXPORT_TYPE, trailer_payload(head, body))
    signers = _signers(_signatures(parts["signatures"]), message, check, faults)
    return TrailerSeen(head, body, signers, tuple(faults))


def trailer_payload(head: Head, body: Digest) -> bytes:
    """Return what the hub signs at the end of an export."""
    return canonical({**head.json(), "body": body})


def _signatures(found: object) -> list[Signature]:
    """Read signatures that are spelled so that they need no escapes; raises `ValueError`."""
    signatures: list[Signature] = []
    for one in cast("list[object]", found):
        try:
            signature = signature_from_json(one)
            unbase64(signature.sig)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"a signature is malformed ({error})") from error
        if key(signature.keyid):
            raise ValueError(f"a signature is by {signature.keyid!r}, which is no key")
        if len(cast("dict[str, object]", one)) != len(signature.json()):
            raise ValueError("a signature has members that do not belong there")
        signatures.append(signature)
    return signatures


def _signers(signatures: Sequence[Signature], message: bytes, check: Verifier, faults: list[str]) -> tuple[str, ...]:
    signers: list[str] = []
    for one in signatures:
        if one.keyid in signers:
            faults.append(f"{one.keyid} signed twice")
        elif check(one.keyid, message, unbase64(one.sig)):
            signers.append(one.keyid)
        else:
            faults.append(f"the signature of {one.keyid} does not match")
    return tuple(signers)


def _spelling(line: bytes, wanted: bytes) -> list[str]:
    if line == wanted:
        return []
    if line + b"\n" == wanted:
        return ["is cut off: the newline is missing"]
    return ["is not spelled in the one canonical way"]


def _sentences(faults: Iterable[Fault]) -> tuple[str, ...]:
    return tuple(f"{fault.path} {fault.fault}" for fault in faults)


_SEAL: Final[dict[str, Check]] = {"head": an_object, "kind": anything, "signatures": a_list, "site": name}
_TRAILER: Final[dict[str, Check]] = {
    "alliance": name,
    "at": time,
    "body": digest,
    "hash": digest,
    "kind": anything,
    "seq": from_one,
    "signatures": a_list,
}
