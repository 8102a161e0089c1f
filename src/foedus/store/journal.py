"""An agent's durable memory: what it was told to do, how far it is, and what the hub has not heard yet.

SQLite with a write-ahead log and full synchronisation: what a method has returned from survives power loss. One
process writes the attempts (the agent, under its lock); commands only set flags and read.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from foedus.core.base.errors import Broken
from foedus.core.base.ids import JobId
from foedus.core.base.instant import Instant
from foedus.store import journal_ledger
from foedus.store.journal_ledger import LedgerCopy
from foedus.store.journal_rows import OVER, Due, Flags, Outbox, Row, Step, Tail
from foedus.wire.agents import StatusItem, UsageItem

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  job TEXT NOT NULL, attempt INTEGER NOT NULL, step TEXT NOT NULL, changed INTEGER NOT NULL,
  starting TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, attempt)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_by_step ON attempts (step, changed);
CREATE TABLE IF NOT EXISTS statuses (
  job TEXT NOT NULL, attempt INTEGER NOT NULL, version INTEGER NOT NULL, heard INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (job, attempt)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS statuses_due ON statuses (job) WHERE heard < version;
CREATE TABLE IF NOT EXISTS usages (
  job TEXT NOT NULL, attempt INTEGER NOT NULL, heard INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, attempt)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS usages_due ON usages (job) WHERE heard = 0;
CREATE TABLE IF NOT EXISTS tails (
  job TEXT NOT NULL, attempt INTEGER NOT NULL, stream TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (job, attempt, stream)
) WITHOUT ROWID;
"""

_SETTLED = """
step IN ('closed', 'returned') AND changed < ?
AND job NOT IN (SELECT job FROM statuses WHERE heard < version) AND job NOT IN (SELECT job FROM usages WHERE heard <> 1)
"""
"""Over before a time, with nothing about the job that the hub has not heard."""

Key = tuple[JobId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of one attempt, with all that has to be written down together with it."""

    key: Key
    decide: Callable[[Row], Row]
    """Gets the row as it is now, whatever other threads did to it. May be called more than once."""
    usages: Sequence[UsageItem] = ()
    tails: Sequence[Tail] = ()


class Journal:
    """The journal of one site. Safe for threads; every change is one transaction.

    Raises `Broken` where the file is damaged or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._open: dict[Key, Row] = {}
        self._tails: dict[Key, tuple[Tail, ...]] = {}
        """Streams of attempts that are open, once they were asked for."""
        with _native(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            try:
                self._load()
            except BaseException:
                self._db.close()
                raise
        self._path = path
        self.ledger = LedgerCopy(look=self._native, change=self._change)

    def _load(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA + journal_ledger.SCHEMA)
        marks = ",".join("?" for _ in OVER)
        found = self._db.execute(
            f"SELECT starting, body FROM attempts WHERE step NOT IN ({marks})",  # noqa: S608  # marks only
            sorted(OVER),
        )
        for row in map(_row, found):
            self._open[row.key] = row

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- notes: single facts, and the operator's flags

    def note(self, name: str) -> str | None:
        """Read one fact."""
        with self._native() as db:
            found = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def write_note(self, name: str, value: str) -> None:
        """Write one fact."""
        with self._change() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def forget_notes(self, names: Iterable[str]) -> None:
        """Forget facts."""
        with self._change() as db:
            db.executemany("DELETE FROM notes WHERE name = ?", [(name,) for name in names])

    def flags(self) -> Flags:
        """Read what the operator wants; also what another process wrote a moment ago."""
        return Flags(draining=self.note("draining") == "yes", severed=self.note("severed") == "yes")

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file; nothing if it is sound."""
        with self._native() as db:
            found = [str(words) for (words,) in db.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    # -- attempts

    def add(self, rows: Iterable[Row], now: Instant) -> list[Row]:
        """Write new attempts in one transaction; return those that were not known before."""
        added: list[Row] = []
        with self._change() as db:
            for row in rows:
                done = db.execute(
                    "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?)",
                    (*row.key, row.step, now, row.order.model_dump_json(), _body(row)),
                )
                if done.rowcount:
                    added.append(row)
            self._remember(added)
        return added

    def row(self, job: JobId, attempt: int) -> Row | None:
        """Find one attempt, open or over."""
        with self._native() as db:
            row = self._open.get((job, attempt))
            if row is not None:
                return row
            found = db.execute("SELECT starting, body FROM attempts WHERE job = ? AND attempt = ?", (job, attempt))
            return next(map(_row, found), None)

    def binding(self, job: JobId, attempt: int) -> Row | None:
        """Find the attempt that `attempt` came out of: itself, or the one that the cluster queued again."""
        with self._native() as db:
            found = db.execute(
                "SELECT attempt FROM attempts WHERE job = ? AND attempt <= ? ORDER BY attempt DESC LIMIT 1",
                (job, attempt),
            ).fetchone()
            return None if found is None else self.row(job, int(found[0]))

    def open_rows(self) -> list[Row]:
        """Return every attempt that is not over, in order."""
        with self._lock:
            return [self._open[key] for key in sorted(self._open)]

    def over_since(self, since: Instant) -> list[Row]:
        """Return the attempts that were closed after `since`."""
        with self._native() as db:
            found = db.execute(
                "SELECT starting, body FROM attempts WHERE step = 'closed' AND changed > ? ORDER BY job, attempt",
                (since,),
            )
            return [_row(one) for one in found]

    def over_before(self, before: Instant) -> list[Row]:
        """Return the attempts that `prune` would forget: over before then, and wholly reported."""
        with self._native() as db:
            found = db.execute(f"SELECT starting, body FROM attempts WHERE {_SETTLED} ORDER BY job, attempt", (before,))  # noqa: S608  # fixed
            return [_row(one) for one in found]

    def changed_since(self, since: Instant) -> list[Row]:
        """Return every attempt that has changed since then, and every one that is not over."""
        with self._native() as db:
            found = db.execute(
                "SELECT starting, body FROM attempts WHERE changed >= ? OR step NOT IN ('closed', 'returned')"
                " ORDER BY job, attempt",
                (since,),
            )
            return [_row(one) for one in found]

    def closed_since(self, since: Instant) -> int:
        """Count the attempts that were closed after `since`."""
        with self._native() as db:
            asked = "SELECT count(*) FROM attempts WHERE step = 'closed' AND changed > ?"
            return int(db.execute(asked, (since,)).fetchone()[0])

    def change(
        self,
        key: Key,
        now: Instant,
        decide: Callable[[Row], Row],
        report: Callable[[Row], Sequence[StatusItem]],
        usages: Sequence[UsageItem] = (),
    ) -> Row | None:
        """Change one attempt, as `change_all` does."""
        return self.change_all([Change(key=key, decide=decide, usages=usages)], now, report)[0]

    def change_all(
        self, changes: Sequence[Change], now: Instant, report: Callable[[Row], Sequence[StatusItem]]
    ) -> list[Row | None]:
        """Change attempts, with what is to be reported about them, in one transaction: the disk is waited for once.

        All of it is written or, if anything fails, nothing. Returns the new rows, `None` where there is no such
        attempt.
        """
        if not changes:
            return []
        with self._change() as db:
            return [self._changed(db, change, now, report) for change in changes]

    def _changed(
        self, db: sqlite3.Connection, change: Change, now: Instant, report: Callable[[Row], Sequence[StatusItem]]
    ) -> Row | None:
        old = self.row(*change.key)
        if old is None:
            return None
        row = change.decide(old)
        if row != old:
            db.execute(
                "UPDATE attempts SET step = ?, changed = ?, body = ? WHERE job = ? AND attempt = ?",
                (row.step, now, _body(row), *change.key),
            )
        for item in report(row):
            self._put_status(db, item)
        for usage in change.usages:
            name = (usage.body["job"], usage.body["attempt"])
            db.execute("INSERT OR IGNORE INTO usages VALUES (?, ?, 0, ?)", (*name, usage.model_dump_json()))
        self._put_tails(db, change.tails)
        self._remember([row])
        return row

    def prune(self, before: Instant) -> int:
        """Forget attempts that were over before then and wholly reported; return how many."""
        with self._change() as db:
            done = db.execute(f"DELETE FROM attempts WHERE {_SETTLED}", (before,))  # noqa: S608  # fixed
            journal_ledger.prune(db, before)
            for table in ("statuses", "usages", "tails"):
                db.execute(f"DELETE FROM {table} WHERE job NOT IN (SELECT job FROM attempts)")  # noqa: S608  # fixed
            return done.rowcount

    # -- the outbox

    def post(self, item: StatusItem) -> None:
        """Report an attempt that the journal does not have."""
        with self._change() as db:
            self._put_status(db, item)

    def due(self, statuses: int, usages: int) -> Outbox:
        """Return what the hub has not acknowledged, at most so many of each."""
        with self._native() as db:
            items = db.execute(
                "SELECT version, body FROM statuses WHERE heard < version ORDER BY job, attempt LIMIT ?", (statuses,)
            ).fetchall()
            records = db.execute(
                "SELECT body FROM usages WHERE heard = 0 ORDER BY job, attempt LIMIT ?", (usages,)
            ).fetchall()
        return Outbox(
            statuses=[
                Due(item=StatusItem.model_validate_json(str(body)), version=int(version)) for version, body in items
            ],
            usages=[UsageItem.model_validate_json(str(body)) for (body,) in records],
        )

    def status(self, job: JobId, attempt: int) -> tuple[StatusItem, bool] | None:
        """Return the newest status of an attempt, and whether the hub has it."""
        with self._native() as db:
            found = db.execute(
                "SELECT body, heard >= version FROM statuses WHERE job = ? AND attempt = ?", (job, attempt)
            ).fetchone()
        return None if found is None else (StatusItem.model_validate_json(str(found[0])), bool(found[1]))

    def heard(self, statuses: Iterable[tuple[Key, int]], usages: Iterable[Key], refused: Iterable[Key] = ()) -> None:
        """Note what the hub has acknowledged: statuses with the version that was sent, records booked or refused."""
        with self._change() as db:
            for key, version in statuses:
                db.execute("UPDATE statuses SET heard = max(heard, ?) WHERE job = ? AND attempt = ?", (version, *key))
            for key in usages:
                db.execute("UPDATE usages SET heard = 1 WHERE job = ? AND attempt = ?", key)
            for key in refused:
                db.execute("UPDATE usages SET heard = 2 WHERE job = ? AND attempt = ?", key)

    def offer_refused(self) -> None:
        """Send once more what the hub would not book: the reason may have been a clock, or a key, of that time."""
        with self._native() as db:
            refused = db.execute("SELECT 1 FROM usages WHERE heard = 2 LIMIT 1").fetchone()
        if refused is not None:
            with self._change() as db:
                db.execute("UPDATE usages SET heard = 0 WHERE heard = 2")

    def say_again(self, job: JobId) -> None:
        """Report everything about a job once more: the hub asks as if it had not heard."""
        with self._change() as db:
            db.execute("UPDATE statuses SET heard = 0 WHERE job = ?", (job,))
            db.execute("UPDATE usages SET heard = 0 WHERE job = ?", (job,))

    def unheard(self) -> list[Key]:
        """Return the attempts of which the hub has not heard the newest, and those that are not handed over yet."""
        with self._native() as db:
            due = {
                (JobId(str(job)), int(attempt))
                for job, attempt in db.execute("SELECT job, attempt FROM statuses WHERE heard < version")
            }
            return sorted(due | {key for key, row in self._open.items() if row.step in {Step.INTENDED, Step.HANDING}})

    # -- streams of output

    def tails(self, key: Key) -> tuple[Tail, ...]:
        """Return how far the streams of an attempt have been sent."""
        with self._native() as db:
            known = self._tails.get(key)
            if known is None:
                found = db.execute("SELECT body FROM tails WHERE job = ? AND attempt = ? ORDER BY stream DESC", key)
                known = tuple(Tail.model_validate_json(str(body)) for (body,) in found)
                self._tails[key] = known
            return known

    def write_tails(self, tails: Iterable[Tail]) -> None:
        """Note how far streams have been sent."""
        with self._change() as db:
            self._put_tails(db, tails)

    # -- inside

    def _put_status(self, db: sqlite3.Connection, item: StatusItem) -> None:
        body = item.model_dump_json()
        db.execute(
            "INSERT INTO statuses VALUES (?, ?, 1, 0, ?) ON CONFLICT (job, attempt) DO UPDATE"
            " SET version = version + 1, body = excluded.body WHERE body <> excluded.body",
            (item.job, item.attempt, body),
        )

    def _put_tails(self, db: sqlite3.Connection, tails: Iterable[Tail]) -> None:
        for tail in tails:
            body = tail.model_dump_json()
            db.execute("INSERT OR REPLACE INTO tails VALUES (?, ?, ?, ?)", (tail.job, tail.attempt, tail.stream, body))
            self._tails.pop((tail.job, tail.attempt), None)

    def _remember(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.step in OVER:
                self._open.pop(row.key, None)
                for number in range(row.order.attempt, row.newest + 1):
                    self._tails.pop((row.order.job, number), None)
            else:
                self._open[row.key] = row

    @contextmanager
    def _native(self) -> Generator[sqlite3.Connection]:
        with self._lock, _native(self._path):
            yield self._db

    @contextmanager
    def _change(self) -> Generator[sqlite3.Connection]:
        with self._native() as db:
            kept = dict(self._open)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._open = kept
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


@contextmanager
def _native(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Broken(f"the journal {path} failed: {error}", remedy="check the disk; nothing more is started") from error


def _body(row: Row) -> str:
    return row.model_dump_json(exclude={"order"})


def _row(found: tuple[str, str]) -> Row:
    starting, body = found
    parts = cast("dict[str, object]", json.loads(body))
    return Row.model_validate_json(json.dumps({**parts, "order": json.loads(starting)}))
