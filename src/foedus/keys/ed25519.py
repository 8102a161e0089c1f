"""Ed25519 keys, one in each file (PEM, PKCS #8), readable by their owner alone."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from nacl.bindings import crypto_sign_BYTES, crypto_sign_open
from nacl.exceptions import BadSignatureError

from foedus.core.base.errors import BadInput, Conflict, Fault, NotFound
from foedus.core.base.ids import KEY

PREFIX = "ed25519:"


class PrivateKey:
    """A private key: a `foedus.core.base.dsse.Signer`. It shows its public half only."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._key = PREFIX + private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def __repr__(self) -> str:
        return f"PrivateKey({self._key})"

    @property
    def key(self) -> str:
        """The public key: ``ed25519:`` and 64 hexadecimal digits."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private.sign(message)

    def pem(self) -> bytes:
        """Return the file form: unencrypted PKCS #8 in PEM."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make() -> PrivateKey:
    """Make a new key from the system's random source."""
    return PrivateKey(Ed25519PrivateKey.generate())


def public(key: str) -> Ed25519PublicKey | None:
    """Read a public key from its text; `None` if it is none."""
    if not KEY.fullmatch(key):
        return None
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.removeprefix(PREFIX)))


def verify(key: str, message: bytes, signature: bytes) -> bool:
    """Check one signature: a `foedus.core.base.dsse.Verifier`.

    With libsodium: books of a million entries are little else, and it takes half the time of OpenSSL. Keys of small
    order, under which one signature is good for many messages, are no keys to it.
    """
    if not KEY.fullmatch(key) or len(signature) != crypto_sign_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, bytes.fromhex(key.removeprefix(PREFIX)))
    except BadSignatureError:
        return False
    return True


def save(key: PrivateKey, path: Path) -> None:
    """Write a key to a new file that only its owner can read; never over another file.

    Raises `Conflict` if the file exists, `BadInput` if it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        message = f"{path} exists; a key is never written over another file"
        raise Conflict(message, remedy="name another file, or move that one away") from error
    except OSError as error:
        raise BadInput(Fault(path=str(path), fault=f"cannot be written ({error.strerror})", remedy=_FOLDER)) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.pem())
        file.flush()
        os.fsync(file.fileno())


def load(path: Path) -> PrivateKey:
    """Read a key file.

    Raises `NotFound` if it is absent, `BadInput` if others can read it or it holds no unencrypted Ed25519 key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no key file {path}", remedy=f"make one: foedus keys new {path}") from error
    except OSError as error:
        fault = Fault(path=str(path), fault=f"cannot be read ({error.strerror})", remedy=_FOLDER)
        raise BadInput(fault) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        fault = f"can be used by others (mode {stat.S_IMODE(mode):04o})"
        raise BadInput(Fault(path=str(path), fault=fault, remedy=f"take that away: chmod 600 {path}"))
    return PrivateKey(_parse(data, path))


_FOLDER = "check its folder and your rights"
_LARGEST = 64 * 1024


def _parse(data: bytes, path: Path) -> Ed25519PrivateKey:
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        # The library's words may quote the file; the file is secret.
        fault = "holds no unencrypted private key in PEM form"
        raise BadInput(Fault(path=str(path), fault=fault, remedy="give a file that `foedus keys new` made")) from error
    if not isinstance(private, Ed25519PrivateKey):
        fault = f"holds another kind of key ({type(private).__name__})"
        raise BadInput(Fault(path=str(path), fault=fault, remedy="give an Ed25519 key"))
    return private
