"""One file that holds a backup: a tar archive whose last member says what is in it, each with its SHA-256.

It is readable by its owner alone, is there whole or not at all, and is checked from end to end before anything of it is
put anywhere.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from foedus.core.base.errors import BadInput, Conflict, Fault

FORMAT: Final = "foedus-backup/1"
_LIST: Final = "manifest.json"
_CHUNK: Final = 1024 * 1024
_REMEDY: Final = "use another backup; this file was changed or cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a backup holds."""

    kind: str
    """``hub`` or ``agent``."""
    facts: Mapping[str, object]
    files: Mapping[str, str]
    """SHA-256 by name."""


def write(path: Path, kind: str, facts: Mapping[str, object], members: Iterable[tuple[str, Path]]) -> Contents:
    """Write a backup of these files; raises `Conflict` if `path` exists.

    A member that is gone when its turn comes (a piece that is just being renamed) is left out.
    """
    if path.exists():
        raise Conflict(f"{path} exists; a backup is never written over another file", remedy="name another file")
    aside = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        fault = Fault(path=str(path), fault=f"cannot be written ({error.strerror})", remedy="choose another folder")
        raise BadInput(fault) from error
    try:
        with os.fdopen(handle, "wb") as file:
            files: dict[str, str] = {}
            with tarfile.open(fileobj=file, mode="w|") as archive:
                for name, source in members:
                    digest = _add(archive, name, source)
                    if digest is not None:
                        files[name] = digest
                contents = Contents(kind=kind, facts=dict(facts), files=files)
                _add_list(archive, contents)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return contents


def check(path: Path, kind: str) -> Contents:
    """Read a backup from end to end; raises `BadInput` unless it is whole and of this kind."""
    return _read(path, kind, lambda _name, _data: None)


def unpack(path: Path, kind: str, places: Callable[[str], Path | None]) -> Contents:
    """Put the members where `places` says (`None`: nowhere), after the whole file was checked."""
    check(path, kind)

    def put(name: str, data: IO[bytes]) -> None:
        place = places(name)
        if place is None:
            return
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(data, file, _CHUNK)
            file.flush()
            os.fsync(file.fileno())

    return _read(path, kind, put)


def _add(archive: tarfile.TarFile, name: str, source: Path) -> str | None:
    try:
        file = source.open("rb")
    except FileNotFoundError:
        return None
    with file:
        header = tarfile.TarInfo(name)
        header.size, header.mode = os.fstat(file.fileno()).st_size, 0o600
        hashed = _Hashing(file)
        archive.addfile(header, cast("IO[bytes]", hashed))
        return hashed.digest.hexdigest()


def _add_list(archive: tarfile.TarFile, contents: Contents) -> None:
    listed = {"format": FORMAT, "kind": contents.kind, "facts": contents.facts, "files": contents.files}
    data = json.dumps(listed, indent=1, sort_keys=True).encode()
    header = tarfile.TarInfo(_LIST)
    header.size, header.mode = len(data), 0o600
    archive.addfile(header, io.BytesIO(data))


class _Hashing:
    """Passes a file on and hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _read(path: Path, kind: str, put: Callable[[str, IO[bytes]], None]) -> Contents:
    found: dict[str, str] = {}
    listed: dict[str, object] = {}
    try:
        with tarfile.open(path, mode="r:") as archive:
            for member in archive:
                data = archive.extractfile(member)
                if data is None or _is_odd(member.name):
                    raise _unsound(path, f"holds {member.name!r}, which no backup does")
                if member.name == _LIST:
                    listed = cast("dict[str, object]", json.load(data))
                    continue
                hashed = _Hashing(data)
                put(member.name, cast("IO[bytes]", hashed))
                while hashed.read(_CHUNK):
                    pass
                found[member.name] = hashed.digest.hexdigest()
    except (OSError, tarfile.TarError, ValueError) as error:
        raise _unsound(path, f"cannot be read ({error})") from error
    if listed.get("format") != FORMAT or listed.get("files") != found:
        raise _unsound(path, "is no whole backup: its contents are not those that it lists")
    if listed.get("kind") != kind:
        raise BadInput(
            Fault(path=str(path), fault=f"is of kind {listed.get('kind')}, not {kind}", remedy="name another backup")
        )
    return Contents(kind=kind, facts=cast("dict[str, object]", listed.get("facts", {})), files=found)


def _is_odd(name: str) -> bool:
    parts = PurePosixPath(name)
    return parts.is_absolute() or ".." in parts.parts


def _unsound(path: Path, fault: str) -> BadInput:
    return BadInput(Fault(path=str(path), fault=fault, remedy=_REMEDY))
