"""What a site keeps of the ledger: the entries up to the head that it countersigned, and the hub's own heads over them.

With the hub's signature under a head the hub cannot deny what it showed; and a hub that was restored from a backup
learns from here what it has lost.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, cast

from foedus.core.base.canon import JsonObject, canonical
from foedus.core.base.instant import Instant
from foedus.core.ledger.entry import Entry
from foedus.wire.ledger import SignedHead

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS heads (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCopy:
    """A part of the journal."""

    look: Callable[[], AbstractContextManager[sqlite3.Connection]]
    change: Callable[[], AbstractContextManager[sqlite3.Connection]]

    def sealed(self, notes: Mapping[str, str], shown: SignedHead, entries: Sequence[Entry]) -> None:
        """Keep a head with the entries that led to it, and what the seal itself has to remember, in one transaction."""
        with self.change() as db:
            db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", list(notes.items()))
            db.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (shown.seq, shown.at, shown.model_dump_json()))
            db.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
                [(entry.seq, entry.at, canonical(entry.json()).decode()) for entry in entries],
            )

    def newest_head(self) -> SignedHead | None:
        """Return the newest head that was countersigned, with the hub's signature."""
        with self.look() as db:
            found = db.execute("SELECT body FROM heads ORDER BY seq DESC LIMIT 1").fetchone()
        return None if found is None else SignedHead.model_validate_json(found[0])

    def stretch(self, after: int, most: int) -> tuple[SignedHead, list[JsonObject]] | None:
        """Return the entries after a number, at most so many where a head lies in reach, and the head they lead to."""
        with self.look() as db:
            found = db.execute(
                "SELECT body FROM heads WHERE seq = coalesce("
                "(SELECT max(seq) FROM heads WHERE seq > ? AND seq <= ?), (SELECT min(seq) FROM heads WHERE seq > ?))",
                (after, after + most, after),
            ).fetchone()
            if found is None:
                return None
            head = SignedHead.model_validate_json(found[0])
            lines = db.execute(
                "SELECT body FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq", (after, head.seq)
            ).fetchall()
        return head, [cast("JsonObject", json.loads(body)) for (body,) in lines]


def prune(db: sqlite3.Connection, before: Instant) -> None:
    """Forget what was booked before then, but for the newest head."""
    db.execute("DELETE FROM entries WHERE at < ?", (before,))
    db.execute("DELETE FROM heads WHERE at < ? AND seq < (SELECT max(seq) FROM heads)", (before,))
