"""Files that travel with a job, at either end: read into a manifest and pieces, written back into a folder.

Both directions walk by directory descriptors and never follow a symbolic link, so that nothing outside the folder is
read or written, even while somebody swaps its parts. A manifest lists regular files only.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, Fault, TooLarge
from foedus.core.base.ids import DIGEST, Digest
from foedus.core.jobs.paths import may_hold, pattern_fault, picked, tree_faults
from foedus.wire.files import MOST_FILES, PIECE, FileEntry, Manifest

Guard = Callable[[], AbstractContextManager[None]]
"""Wrapped around each access to the folder: the agent switches to the account's rights in it."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o700
_PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much may travel at once."""

    size: int = 1024 * 1024 * 1024
    """Bytes of all files together."""
    files: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the bytes of one piece are."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A folder's files, ready to be sent."""

    root: Path
    manifest: Manifest
    sources: dict[Digest, Source] = field(default_factory=dict[Digest, Source])
    skipped: tuple[str, ...] = ()
    """What was picked but is no regular file (links, devices, sockets): never sent."""

    @property
    def pieces(self) -> tuple[Digest, ...]:
        """Every piece, the manifest's own last: once that has arrived, the bundle is whole."""
        return (*self.sources, self.manifest.digest)


def pack(root: Path, patterns: Sequence[str], *, caps: Caps | None = None, guard: Guard | None = None) -> Packed:
    """Read the files under `root` that the patterns pick.

    Raises `BadInput` naming each pattern that may not be used, and `TooLarge` over the caps. A pattern that picks
    nothing is no error here: compare `Packed.manifest` with what was wanted.
    """
    limits = caps or Caps()
    faults = [
        fault
        for number, pattern in enumerate(patterns)
        if (fault := pattern_fault(pattern, f"pattern {number + 1}")) is not None
    ]
    if faults:
        raise BadInput(*faults)
    walk = _Walk(patterns=tuple(patterns), caps=limits, guard=guard or contextlib.nullcontext)
    with walk.guard():
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        walk.folder(top, "")
    finally:
        os.close(top)
    files = sorted(walk.files, key=lambda entry: entry.path)
    return Packed(root=root, manifest=Manifest(files=files), sources=walk.sources, skipped=tuple(sorted(walk.skipped)))


def read_piece(packed: Packed, piece: Digest, *, guard: Guard | None = None) -> bytes:
    """Return the bytes of one piece; raises `BadInput` if its file has changed since it was packed."""
    if piece == packed.manifest.digest:
        return packed.manifest.write()
    source = packed.sources[piece]
    with (guard or contextlib.nullcontext)():
        handle = _open_below(packed.root, source.path)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        data = _read_exactly(stream.fileno(), source.offset, source.size)
    if sha256(data) != piece:
        raise BadInput(Fault(path=source.path, fault="changed while it was being sent", remedy="send it again"))
    return data


def read_manifest(data: bytes, digest: Digest) -> Manifest:
    """Read a manifest as it was stored; raises `BadInput` if it is another one, malformed, or names unsafe paths."""
    where = f"bundle {digest[:12]}"
    if sha256(data) != digest:
        raise BadInput(Fault(path=where, fault="its bytes have another digest", remedy="send the bundle again"))
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise BadInput(Fault(path=where, fault=f"is not a manifest ({error})", remedy="send it again")) from error
    check_manifest(manifest, where)
    return manifest


def check_manifest(manifest: Manifest, where: str) -> None:
    """Refuse a manifest with unsafe paths or impossible sizes: `BadInput` with every fault."""
    faults = [
        *tree_faults([entry.path for entry in manifest.files], where),
        *(
            Fault(
                path=where,
                fault=f"{entry.path!r} of {entry.size} bytes has not {-(-entry.size // PIECE)} proper pieces",
                remedy=f"cut each file into pieces of {PIECE} bytes",
            )
            for entry in manifest.files
            if len(entry.pieces) != -(-entry.size // PIECE) or not all(DIGEST.fullmatch(one) for one in entry.pieces)
        ),
    ]
    if faults:
        raise BadInput(*faults)


def unpack(
    manifest: Manifest,
    read: Callable[[Digest], bytes],
    root: Path,
    *,
    caps: Caps | None = None,
    guard: Guard | None = None,
) -> None:
    """Write the files of a manifest below `root`, which exists; each piece is checked against its digest and size.

    Files that exist already are replaced. Raises `BadInput` for a bad manifest or piece, and `TooLarge` over the caps;
    what was written until then stays.
    """
    check_manifest(manifest, "bundle")
    _within(caps or Caps(), len(manifest.files), manifest.size)
    enter = guard or contextlib.nullcontext
    with enter():
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for entry in manifest.files:
            _write_file(top, entry, read, enter)
    finally:
        os.close(top)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One pass over a folder."""

    patterns: tuple[str, ...]
    caps: Caps
    guard: Guard
    files: list[FileEntry] = field(default_factory=list[FileEntry])
    sources: dict[Digest, Source] = field(default_factory=dict[Digest, Source])
    skipped: list[str] = field(default_factory=list[str])
    size: int = 0

    def folder(self, handle: int, prefix: str) -> None:
        with self.guard():
            names = sorted(os.listdir(handle))
        for name in names:
            path = f"{prefix}{name}"
            with self.guard():
                kind = _kind(handle, name)
            if stat.S_ISDIR(kind):
                if may_hold(path, self.patterns) or picked(path, self.patterns):
                    self._below(handle, name, path)
            elif picked(path, self.patterns):
                self._file(handle, name, path, kind)

    def _below(self, handle: int, name: str, path: str) -> None:
        try:
            with self.guard():
                below = os.open(name, _FOLDER, dir_fd=handle)
        except OSError:
            self.skipped.append(path)
            return
        try:
            self.folder(below, f"{path}/")
        finally:
            os.close(below)

    def _file(self, handle: int, name: str, path: str, kind: int) -> None:
        if not stat.S_ISREG(kind) or tree_faults([path], path):
            self.skipped.append(path)
            return
        try:
            with self.guard():
                opened = os.open(name, _READ, dir_fd=handle)
        except OSError:
            self.skipped.append(path)
            return
        with os.fdopen(opened, "rb", buffering=0) as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                self.skipped.append(path)
                return
            _within(self.caps, len(self.files) + 1, self.size + found.st_size)
            self._pieces(stream.fileno(), path, found)

    def _pieces(self, handle: int, path: str, found: os.stat_result) -> None:
        pieces: list[Digest] = []
        size = 0
        for data in _pieces_of(handle):
            piece = sha256(data)
            self.sources.setdefault(piece, Source(path=path, offset=size, size=len(data)))
            pieces.append(piece)
            size += len(data)
            _within(self.caps, len(self.files) + 1, self.size + size)
        self.size += size
        mode = stat.S_IMODE(found.st_mode) & _PERMISSIONS
        self.files.append(FileEntry(path=path, mode=mode, size=size, pieces=pieces))


def _kind(handle: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except OSError:
        return 0


def _pieces_of(handle: int) -> Iterator[bytes]:
    offset = 0
    while data := _read_upto(handle, offset, PIECE):
        yield data
        offset += len(data)
        if len(data) < PIECE:
            return


def _read_upto(handle: int, offset: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(handle, size, offset)):
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return b"".join(parts)


def _read_exactly(handle: int, offset: int, size: int) -> bytes:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        return b""
    return _read_upto(handle, offset, size)


def _within(caps: Caps, files: int, size: int) -> None:
    if files > min(caps.files, MOST_FILES):
        raise TooLarge(
            f"{files} files or more, over the cap of {min(caps.files, MOST_FILES)}", remedy="pack them into an archive"
        )
    if size > caps.size:
        raise TooLarge(f"{size} bytes or more, over the cap of {caps.size}", remedy="name fewer or smaller files")


def _open_below(root: Path, path: str) -> int:
    """Open a file below a folder without following any link on the way."""
    *folders, name = path.split("/")
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, _READ, dir_fd=at)
    except OSError as error:
        fault = Fault(path=path, fault=f"cannot be read any more ({error.strerror})", remedy="send it again")
        raise BadInput(fault) from error
    finally:
        os.close(at)


def _write_file(top: int, entry: FileEntry, read: Callable[[Digest], bytes], enter: Guard) -> None:
    *folders, name = entry.path.split("/")
    with enter():
        at = os.dup(top)
        try:
            for folder in folders:
                below = _enter_folder(at, folder, entry.path)
                os.close(at)
                at = below
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=at)
            # the name may be a folder that was here before; what then fails is the open
            opened = os.open(name, _WRITE, 0o600, dir_fd=at)
        except OSError as error:
            _refuse(entry.path, f"cannot be written ({error.strerror})")
        finally:
            os.close(at)
    with os.fdopen(opened, "wb", buffering=0) as stream:
        left = entry.size
        for piece in entry.pieces:
            data = read(piece)
            if len(data) != min(left, PIECE) or sha256(data) != piece:
                _refuse(entry.path, f"piece {piece[:12]} has other bytes than its name says")
            _write_all(stream.fileno(), data)
            left -= len(data)
        with enter():
            os.fchmod(stream.fileno(), entry.mode | 0o600)


def _enter_folder(at: int, name: str, path: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _PRIVATE, dir_fd=at)
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except OSError as error:
        _refuse(path, f"{name!r} is not a folder ({error.strerror})")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.write(handle, view)
        if written <= 0:
            raise Broken("a write made no progress")
        view = view[written:]


def _refuse(path: str, fault: str) -> NoReturn:
    raise BadInput(Fault(path=path, fault=fault, remedy="send the bundle again, into a folder of its own"))
