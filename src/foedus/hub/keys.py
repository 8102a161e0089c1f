"""The hub's keys: the agreement in force says which of them speaks, in every hub process from the same moment on."""

from pathlib import Path

from foedus.core.base.dsse import Signer
from foedus.core.base.errors import Broken, NotFound
from foedus.keys import ed25519

KEY_FILE = "hub.key"
NEXT_FILE = "hub.next.key"
"""The key that an amendment is to name. It is made first, and signs nothing before that amendment is in force."""


class HubKeys:
    """The key files in the hub's state folder, which all hub processes share."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._held: dict[str, Signer] = {}

    def of(self, key: str) -> Signer:
        """Return the private half of a public key; raises `Broken` if it is not here."""
        found = self._held.get(key) or self._read().get(key)
        if found is None:
            raise Broken(
                f"the agreement in force names {key} as the hub's key, and {self._state} does not hold it",
                remedy=f"put the right {KEY_FILE} there; a backup has it only if it was made with --with-key",
            )
        return found

    def all(self) -> frozenset[str]:
        """Return the public halves of all keys that are here now."""
        return frozenset(self._read())

    def present(self) -> Signer:
        """Return the key of `KEY_FILE`; raises `NotFound` if there is none."""
        return ed25519.load(self._state / KEY_FILE)

    def make(self, given: Path | None = None) -> Signer:
        """Return the present key; if there is none, take the private key in `given`, or make one."""
        return self._made(KEY_FILE, given)

    def make_next(self) -> Signer:
        """Return the key that is to come, made now if there is none."""
        return self._made(NEXT_FILE, None)

    def promote(self, key: str) -> bool:
        """Put the next key in the present one's place, if it is `key`; the old one is gone. Says whether it was."""
        path = self._state / NEXT_FILE
        if not path.exists() or ed25519.load(path).key != key:
            return False
        path.rename(self._state / KEY_FILE)
        return True

    def _made(self, name: str, given: Path | None) -> Signer:
        path = self._state / name
        if not path.exists():
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            ed25519.save(ed25519.load(given) if given else ed25519.make(), path)
        return ed25519.load(path)

    def _read(self) -> dict[str, Signer]:
        for name in (KEY_FILE, NEXT_FILE):
            try:
                found = ed25519.load(self._state / name)
            except NotFound:
                continue
            self._held[found.key] = found
        return self._held
