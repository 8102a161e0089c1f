"""An agent's state folder: the site's key, what it learnt at enrolment, the agreement, the journal, and the lock."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from foedus.agent.site_key import NEXT, PRESENT, SiteKey
from foedus.core.base.dsse import Signer
from foedus.core.base.errors import BadInput, Broken, Conflict, Fault, NotFound
from foedus.core.base.ids import AllianceId, SiteId
from foedus.keys import ed25519
from foedus.wire.message import Message


class Enrolment(Message):
    """What the site knows since it was enrolled."""

    hub: str
    site: SiteId
    alliance: AllianceId
    hub_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """The folder; readable by its owner alone."""

    path: Path

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.path / "journal.sqlite"

    @property
    def cache(self) -> Path:
        """Folder of pieces that were fetched and not used yet."""
        return self.path / "pieces"

    @property
    def agreement(self) -> Path:
        """The site's own copy of the agreement, with its signatures."""
        return self.path / "agreement.json"

    def make(self) -> Self:
        """Create it if absent."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.cache.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            fault = Fault(
                path=str(self.path), fault=f"cannot be made ({error.strerror})", remedy="choose another folder"
            )
            raise BadInput(fault) from error
        return self

    def key(self) -> Signer:
        """Load the site's key; raises `NotFound` if there is none."""
        return self.keys().present()

    def keys(self) -> SiteKey:
        """Follow the site's key, which a rotation may change at any time."""
        return SiteKey(self.path)

    def make_key(self) -> Signer:
        """Load the site's key, made now if there is none. It never leaves this folder."""
        self.make()
        try:
            return self.key()
        except NotFound:
            key = ed25519.make()
            ed25519.save(key, self.path / PRESENT)
            return key

    def new_key(self) -> Signer:
        """Make a key in the place of the one that is there, which is lost by this, and so is a rotation begun."""
        self.make()
        key = ed25519.make()
        self.write(PRESENT, key.pem())
        (self.path / NEXT).unlink(missing_ok=True)
        return key

    def enrolment(self) -> Enrolment:
        """Read what is known since enrolment; raises `NotFound` before."""
        try:
            return Enrolment.model_validate_json(self.read("enrolment.json"))
        except FileNotFoundError as error:
            raise NotFound(f"{self.path} belongs to no enrolled site", remedy="run `foedus agent enrol`") from error
        except ValidationError as error:
            raise Broken(f"{self.path / 'enrolment.json'} is damaged", remedy="enrol the site again") from error

    def read(self, name: str) -> bytes:
        """Read one of its files; raises `FileNotFoundError`."""
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Replace one of its files so that a crash leaves the old one or the new one, never a part."""
        fresh = self.path / f".{name}.new"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / name)
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def lock(self) -> int:
        """Take the lock for as long as the process lives; raises `Conflict` if another agent has it."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise Conflict(
                f"another agent already runs with {self.path}", remedy="stop it first, or give this one its own folder"
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        return handle

    def is_locked(self) -> bool:
        """Say whether an agent runs with this folder now."""
        try:
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False
