"""Output of jobs, and the pieces of files that travel."""

from collections.abc import Sequence
from typing import Protocol

from foedus.core.base.ids import Digest, JobId, ProjectId
from foedus.core.base.instant import Instant


class Logs(Protocol):
    """Output of jobs, as their agents send it."""

    def append(self, job: JobId, attempt: int, stream: str, offset: int, data: bytes, *, truncated: bool) -> int:
        """Append a stretch that begins at `offset`; what is there already is skipped, a gap is not stored.

        Return the offset that the stream has reached.
        """
        ...

    def read(self, job: JobId, attempt: int, stream: str, offset: int, limit: int) -> tuple[bytes, int, bool]:
        """Return at most `limit` bytes from `offset`, the stream's whole length, and whether it was truncated."""
        ...


class Pieces(Protocol):
    """Which pieces of files a project has. The bytes are in a `PieceStore`."""

    def missing(self, project: ProjectId, pieces: Sequence[Digest]) -> Sequence[Digest]:
        """Return those that the project does not have, in order."""
        ...

    def add(self, project: ProjectId, piece: Digest, size: int, at: Instant) -> None:
        """Note that the project has a piece."""
        ...


class PieceStore(Protocol):
    """The bytes of pieces, by project and digest; shared by all hub processes."""

    def put(self, project: ProjectId, piece: Digest, data: bytes) -> None:
        """Store durably; storing the same again is no error."""
        ...

    def get(self, project: ProjectId, piece: Digest) -> bytes | None:
        """Load, or `None`."""
        ...
