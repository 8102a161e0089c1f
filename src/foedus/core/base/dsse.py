"""Signatures in the shape of DSSE (github.com/secure-systems-lab/dsse, protocol 1.0.0), with Ed25519 keys.

A signature covers the type of what is signed as well as its bytes, so that no message can be passed off as one of
another kind. Keys are written ``ed25519:`` and 64 hexadecimal digits; the key id of a signature is that same text. The
signing itself is done by `foedus.keys`; here is only what is signed, and when it counts.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from foedus.core.base.canon import Json, canonical
from foedus.core.base.errors import BadInput, Fault


class Signer(Protocol):
    """Holds a private key."""

    @property
    def key(self) -> str:
        """The public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature."""
        ...


class Verifier(Protocol):
    """Checks one Ed25519 signature."""

    def __call__(self, key: str, message: bytes, signature: bytes) -> bool:
        """Say whether `signature` is `key`'s over `message`; malformed keys and signatures are simply false."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One party's signature: who, and the bytes in base64."""

    keyid: str
    sig: str

    def json(self) -> dict[str, Json]:
        """Return its JSON form."""
        return {"keyid": self.keyid, "sig": self.sig}

    @property
    def raw(self) -> bytes:
        """The signature's bytes; raises `ValueError` if it is not spelled canonically."""
        return unbase64(self.sig)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload with its signatures: the file form."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def json(self) -> dict[str, Json]:
        """Return its JSON form, as DSSE lays it down."""
        return {
            "payloadType": self.payload_type,
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "signatures": [signature.json() for signature in self.signatures],
        }

    def write(self) -> bytes:
        """Return the canonical bytes of the file."""
        return canonical(self.json()) + b"\n"

    @classmethod
    def read(cls, data: bytes, path: str) -> "Envelope":
        """Read a file; raises `BadInput` naming `path` if it is no DSSE envelope."""
        try:
            found = cast("object", json.loads(data))
            return cls.from_json(found)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput(
                Fault(path=path, fault=f"is not a DSSE envelope ({error})", remedy="sign the document again")
            ) from error

    @classmethod
    def from_json(cls, found: object) -> "Envelope":
        """Read the JSON form; raises `ValueError`, `KeyError` or `TypeError` if it is none."""
        if not isinstance(found, dict):
            raise TypeError("not an object")
        parts = cast("dict[str, object]", found)
        payload_type, payload, signatures = parts["payloadType"], parts["payload"], parts["signatures"]
        if not (isinstance(payload_type, str) and isinstance(payload, str) and isinstance(signatures, list)):
            raise TypeError("a part has the wrong type")
        payload_type.encode("utf-8")  # JSON may hold half of a surrogate pair, which no bytes stand for
        return cls(
            payload_type=payload_type,
            payload=unbase64(payload),
            signatures=tuple(signature_from_json(one) for one in cast("list[object]", signatures)),
        )


def signature_from_json(found: object) -> Signature:
    """Read one signature; raises `ValueError`, `TypeError` or `KeyError` if it is none."""
    if not isinstance(found, dict):
        raise TypeError("a signature is an object")
    parts = cast("dict[str, object]", found)
    keyid, sig = parts["keyid"], parts["sig"]
    if not (isinstance(keyid, str) and isinstance(sig, str)):
        raise TypeError("keyid and sig are text")
    if not (keyid.isascii() and sig.isascii()):
        raise ValueError("keyid and sig are ASCII")
    return Signature(keyid=keyid, sig=sig)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(signer: Signer, payload_type: str, payload: bytes) -> Signature:
    """Sign a payload."""
    sig = base64.b64encode(signer.sign(pae(payload_type, payload))).decode("ascii")
    return Signature(keyid=signer.key, sig=sig)


def signed_by(verify: Verifier, key: str, payload_type: str, payload: bytes, signatures: Sequence[Signature]) -> bool:
    """Say whether one of the signatures is `key`'s over the payload."""
    message = pae(payload_type, payload)
    for signature in signatures:
        if signature.keyid != key:
            continue
        try:
            raw = signature.raw
        except ValueError:
            continue
        if verify(key, message, raw):
            return True
    return False


def unbase64(text: str) -> bytes:
    """Decode base64 that is spelled in the one canonical way; raises `ValueError` for any other spelling.

    Plain decoders ignore the spare bits of the last character, which would let a byte of a file change unseen.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("base64 with spare bits set")
    return data
