"""Files to and from the hub: piece by piece, so that what was interrupted goes on where it stopped."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from foedus.client import alliance, jobs
from foedus.client.bundle import Caps, Packed, Source, check_manifest, pack, read_piece, unpack
from foedus.client.calls import Call
from foedus.client.retry import Means, exchange
from foedus.client.steps import Steps, work
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, Fault
from foedus.core.base.ids import Digest
from foedus.core.jobs.paths import picked
from foedus.wire.files import MOST_FILES, PIECE, FileEntry, Manifest

PARTS = ".foedus-parts"
"""Folder, inside the one that results are fetched into, of pieces whose file is not whole yet."""
_MOST_ASKED = 10_000
_UNCAPPED = Caps(size=2**62, files=MOST_FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far a transfer is, in bytes."""

    done: int
    """Sent or received, or there already."""
    total: int


Progress = Callable[[Moved], None]


def quiet(_: Moved) -> None:
    """Show no progress."""


def upload(project: str, root: Path, patterns: Sequence[str], means: Means, progress: Progress) -> Steps[Digest]:
    """Send the files under `root` that the patterns pick, but only the pieces that the project lacks.

    Returns the bundle's name. Raises `BadInput` for patterns that may not be used or pick nothing.
    """
    packed = yield from work(lambda: _packed(root, patterns))
    absent: set[Digest] = set()
    for first in range(0, len(packed.pieces), _MOST_ASKED):
        reply = yield from exchange(alliance.missing(project, packed.pieces[first : first + _MOST_ASKED]), means)
        absent.update(reply.missing)
    sizes = {piece: source.size for piece, source in packed.sources.items()}
    total, done = sum(sizes.values()), 0
    for piece in packed.pieces:
        if piece in absent:
            data = yield from work(_reader(packed, piece))
            yield from exchange(alliance.put_piece(project, piece, data), means)
        done += sizes.get(piece, 0)
        progress(Moved(done=done, total=total))
    return packed.manifest.digest


def fetch(job: str, attempt: int | None, folder: Path, means: Means, progress: Progress) -> Steps[Manifest]:
    """Fetch the outputs of a job below `folder`, which is made if need be; every piece is checked against its name.

    Files that are there and right are left alone; others of the same names are replaced. Raises `NotFound` while
    there are no outputs.
    """
    manifest = yield from exchange(jobs.outputs(job, attempt), means)
    check_manifest(manifest, f"outputs of job {job}")
    parts = folder / PARTS
    yield from work(lambda: parts.mkdir(parents=True, exist_ok=True))
    done = 0
    progress(Moved(done=0, total=manifest.size))
    for entry in manifest.files:
        if (yield from work(_checker(folder, entry))):
            done += entry.size
        else:
            for piece in entry.pieces:
                done += yield from _piece(jobs.output_piece(job, piece, attempt), piece, parts, means)
                progress(Moved(done=done, total=manifest.size))
            yield from work(_placer(folder, entry, parts))
        progress(Moved(done=done, total=manifest.size))
    yield from work(lambda: shutil.rmtree(parts, ignore_errors=True))
    return manifest


def _packed(root: Path, patterns: Sequence[str]) -> Packed:
    packed = pack(root, patterns)
    paths = [entry.path for entry in packed.manifest.files]
    faults = [
        Fault(path=pattern, fault=f"names no file below {root}", remedy="correct it, or leave it out")
        for pattern in patterns
        if not any(picked(path, (pattern,)) for path in paths)
    ]
    if faults:
        raise BadInput(*faults)
    return packed


def _reader(packed: Packed, piece: Digest) -> Callable[[], bytes]:
    return lambda: read_piece(packed, piece)


def _piece(call: Call[bytes], piece: Digest, parts: Path, means: Means) -> Steps[int]:
    """Have a piece among the parts, and return its size."""
    held = yield from work(lambda: _held(parts, piece))
    if held is None:
        held = yield from exchange(call, means)
        if sha256(held) != piece:
            raise Broken(f"piece {piece[:12]} arrived with other bytes than its name says", remedy="fetch again")
        yield from work(_keeper(parts, piece, held))
    return len(held)


def _held(parts: Path, piece: Digest) -> bytes | None:
    try:
        data = (parts / piece).read_bytes()
    except FileNotFoundError:
        return None
    return data if sha256(data) == piece else None


def _keeper(parts: Path, piece: Digest, data: bytes) -> Callable[[], None]:
    def keep() -> None:
        unfinished = parts / f"{piece}.new"
        unfinished.write_bytes(data)
        unfinished.replace(parts / piece)

    return keep


def _checker(folder: Path, entry: FileEntry) -> Callable[[], bool]:
    """Tell whether the file is there already, byte for byte."""

    def right() -> bool:
        try:
            if (folder / entry.path).lstat().st_size != entry.size:
                return False
            for number, piece in enumerate(entry.pieces):
                at = number * PIECE
                source = Source(path=entry.path, offset=at, size=min(PIECE, entry.size - at))
                read_piece(Packed(root=folder, manifest=Manifest(files=[entry]), sources={piece: source}), piece)
        except (OSError, BadInput):
            return False
        return True

    return right


def _placer(folder: Path, entry: FileEntry, parts: Path) -> Callable[[], None]:
    def place() -> None:
        unpack(Manifest(files=[entry]), lambda piece: (parts / piece).read_bytes(), folder, caps=_UNCAPPED)
        for piece in set(entry.pieces):
            (parts / piece).unlink(missing_ok=True)

    return place
