"""The bytes of pieces, as files: ``ROOT/PROJECT/ab/abcdef...``, on a file system that all hub processes share."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, Fault, Unreachable
from foedus.core.base.ids import DIGEST, NAME, Digest, ProjectId

_HALF_WRITTEN: Final = ".incoming-"


class PieceFiles:
    """The port `PieceStore`. A file is either absent or whole: it is written aside, synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, project: ProjectId, piece: Digest, data: bytes) -> None:
        """Store durably; raises `BadInput` if the bytes are not those that the digest names."""
        path = self._path(project, piece)
        if sha256(data) != piece:
            raise BadInput(
                Fault(path=f"pieces.{piece}", fault="the bytes have another SHA-256", remedy="send the piece again")
            )
        try:
            if not path.is_file():
                _write(path, data)
        except OSError as error:
            raise Unreachable(f"cannot store a piece: {error.strerror}", remedy="look at the hub's disk") from error

    def get(self, project: ProjectId, piece: Digest) -> bytes | None:
        """Load, or `None`; raises `Broken` if the file is damaged."""
        path = self._path(project, piece)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"cannot load a piece: {error.strerror}", remedy="look at the hub's disk") from error
        if sha256(data) != piece:
            raise Broken(f"piece {piece} of project {project} is damaged", remedy="delete its file and send it again")
        return data

    def _path(self, project: ProjectId, piece: Digest) -> Path:
        """Name the file. Only what is spelled as a name and as a digest becomes part of a path."""
        faults = [
            Fault(path=path, fault=f"{text!r} is malformed", remedy="give the name as the hub shows it")
            for path, text, pattern in (("project", project, NAME), ("piece", piece, DIGEST))
            if not pattern.fullmatch(text)
        ]
        if faults:
            raise BadInput(*faults)
        return self._root / project / piece[:2] / piece


def _write(path: Path, data: bytes) -> None:
    made = _make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=_HALF_WRITTEN, dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    for folder in (path.parent, *made):
        _sync_folder(folder)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents; return the folders that got a new entry by it."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [one.parent for one in missing]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
