"""Files that travel: content-addressed, in pieces, so that an interrupted transfer goes on where it stopped.

A *piece* is at most 8 MiB, named by its SHA-256. A *manifest* lists files as sequences of pieces; it is a piece
itself (its canonical JSON), and its digest names the whole bundle. Pieces belong to a project.
"""

from typing import Annotated

from pydantic import Field

from foedus.core.base.canon import canonical, sha256
from foedus.core.base.ids import Digest
from foedus.wire.message import Message

PIECE = 8 * 1024 * 1024
"""Largest piece, in bytes."""
MOST_FILES = 100_000


class FileEntry(Message):
    """One regular file."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    """Relative, with ``/``; no ``.``, ``..`` or empty parts, no control characters."""
    mode: Annotated[int, Field(ge=0, le=0o777)]
    size: Annotated[int, Field(ge=0)]
    pieces: list[Digest]


class Manifest(Message):
    """The files of a bundle, or the outputs of an attempt, sorted by path."""

    files: Annotated[list[FileEntry], Field(max_length=MOST_FILES)]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def write(self) -> bytes:
        """Return the canonical bytes: what is stored, and what the digest is taken of."""
        return canonical(self.model_dump(mode="json"))

    @property
    def digest(self) -> Digest:
        """Name of the bundle."""
        return sha256(self.write())


class MissingRequest(Message):
    """Ask which of these pieces the hub does not have yet."""

    pieces: Annotated[list[Digest], Field(max_length=10_000)]


class MissingReply(Message):
    """Those that have to be sent."""

    missing: list[Digest]
