"""An attempt's own folder at the site, the bundle that is unpacked into it, and the outputs that are taken from it.

The folder belongs to the job's account and to nobody else; everything below it is touched with that account's rights.
"""

import contextlib
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foedus.agent.accounts import Account
from foedus.agent.rights import rights_of
from foedus.client.bundle import Caps, Guard, Packed, pack, read_manifest, unpack
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Fault, SiteTrouble
from foedus.core.base.ids import Digest

_PASSAGE = 0o711
"""Folders on the way: everybody may pass through, nobody may look around."""
_OWN = 0o700
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(work: Path, folder: Path, account: Account) -> None:
    """Make the attempt's folder with the ``work`` folder in it, if absent, for the account.

    Raises `SiteTrouble` where the file system does not let it.
    """
    try:
        work.mkdir(mode=_PASSAGE, parents=True, exist_ok=True)
        for passage in reversed(folder.relative_to(work).parents[:-1]):
            _make(work / passage, _PASSAGE)
        _make(folder, _OWN)
        handle = os.open(folder, _DIRECTORY)
        try:
            if os.geteuid() == 0:
                os.fchown(handle, account.uid, account.gid)
            with rights_of(account)(), contextlib.suppress(FileExistsError):
                os.mkdir("work", _OWN, dir_fd=handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise SiteTrouble(f"the job's folder {folder} cannot be made: {error.strerror}") from error


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=_OWN)
    except FileExistsError:
        return
    # not left to the umask
    folder.chmod(mode)


def owner_of(folder: Path) -> Account | None:
    """Return the account that an attempt's folder belongs to, `None` if there is no folder.

    Raises `SiteTrouble` where the account is gone.
    """
    try:
        found = pwd.getpwuid(folder.lstat().st_uid)
    except FileNotFoundError:
        return None
    except (OSError, KeyError) as error:
        raise SiteTrouble(f"nobody knows whose folder {folder} is: {error}") from error
    return Account(name=found.pw_name, uid=found.pw_uid, gid=found.pw_gid)


def remove_folder(work: Path, folder: Path, account: Account) -> None:
    """Remove an attempt's folder with all that the job left in it, and the folders on the way that are empty then.

    What lies in it is removed with the account's rights: no link that a job made leads to what the account may not
    change. Raises `SiteTrouble` where something cannot be removed.
    """
    try:
        with rights_of(account)():
            handle = os.open(folder, _DIRECTORY)
            try:
                _empty(handle)
            finally:
                os.close(handle)
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SiteTrouble(f"the job's folder {folder} cannot be removed: {error.strerror}") from error
    with contextlib.suppress(OSError):  # other attempts, or other jobs, have their folders there
        for passage in folder.relative_to(work).parents[:-1]:
            (work / passage).rmdir()


def _empty(folder: int) -> None:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=folder)
            continue
        os.chmod(entry.name, _OWN, dir_fd=folder)  # jobs leave folders that nobody may write to
        inner = os.open(entry.name, _DIRECTORY, dir_fd=folder)
        try:
            _empty(inner)
        finally:
            os.close(inner)
        os.rmdir(entry.name, dir_fd=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Pieces that were fetched: a transfer that broke off goes on where it stopped."""

    folder: Path
    fetch: Callable[[Digest], bytes]

    def read(self, piece: Digest) -> bytes:
        """Return a piece, from here or from the hub; raises `BadInput` if the hub's has other bytes."""
        file = self.folder / piece
        with contextlib.suppress(OSError):
            data = file.read_bytes()
            if sha256(data) == piece:
                os.utime(file)
                return data
        data = self.fetch(piece)
        if sha256(data) != piece:
            fault = Fault(path=f"piece {piece[:12]}", fault="arrived with other bytes", remedy="send the bundle again")
            raise BadInput(fault)
        fresh = self.folder / f".{piece}.new"
        fresh.write_bytes(data)
        fresh.replace(file)
        return data

    def trim(self, most: int) -> None:
        """Forget the pieces that were not used for longest, until at most so many bytes are left."""
        files = sorted(((found.stat(), found) for found in self.folder.iterdir()), key=lambda one: -one[0].st_mtime_ns)
        kept = 0
        for found, file in files:
            kept += found.st_size
            if kept > most:
                file.unlink(missing_ok=True)


def unpack_bundle(
    bundle: Digest, cache: Cache, folder: Path, account: Account, caps: Caps, *, within: str | None = None
) -> None:
    """Write the bundle into the attempt's ``work`` folder, as the account.

    Of what another site has packed, a checkpoint, nothing is taken but files in the folder `within`: it may not change
    the rest. Raises `BadInput` or `TooLarge` for a bundle that may not be unpacked, and what fetching raises.
    """
    manifest = read_manifest(cache.read(bundle), bundle)
    paths = (entry.path for entry in manifest.files)
    stray = None if within is None else next((path for path in paths if not path.startswith(f"{within}/")), None)
    if stray is not None:
        raise BadInput(Fault(path=stray, fault=f"is not in {within}", remedy="submit the job again"))
    try:
        unpack(manifest, cache.read, folder / "work", caps=caps, guard=rights_of(account))
    except OSError as error:
        raise SiteTrouble(f"files cannot be written to {folder}: {error.strerror}") from error


def pack_outputs(folder: Path, patterns: tuple[str, ...], guard: Guard, caps: Caps) -> Packed:
    """Read the declared outputs; raises `SiteTrouble` where the folder cannot be read."""
    try:
        return pack(folder / "work", patterns, caps=caps, guard=guard)
    except OSError as error:
        raise SiteTrouble(f"the outputs in {folder} cannot be read: {error.strerror}") from error
