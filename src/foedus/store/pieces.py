"""Which pieces of files a project has."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from foedus.core.base.ids import Digest, ProjectId
from foedus.core.base.instant import Instant
from foedus.store.session import Session, chunks
from foedus.store.tables import pieces as table


@dataclass(frozen=True, slots=True)
class SqlPieces:
    """The port `Pieces`."""

    _session: Session

    def missing(self, project: ProjectId, pieces: Sequence[Digest]) -> Sequence[Digest]:
        """Return those that the project does not have, in order, each once."""
        wanted = list(dict.fromkeys(pieces))
        here: set[str] = set()
        for part in chunks(wanted):
            found = select(table.c.piece).where(table.c.project == project, table.c.piece.in_(part))
            here.update(row.piece for row in self._session.rows(found))
        return [piece for piece in wanted if piece not in here]

    def add(self, project: ProjectId, piece: Digest, size: int, at: Instant) -> None:
        """Note that the project has a piece."""
        self._session.add_new(table, {"project": project, "piece": piece, "size": size, "at": at})
