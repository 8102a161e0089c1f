"""Backup and restore of a hub. A hub that was restored begins in recovery: see `foedus.flow.recover`."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from foedus.core.agreement.read import read
from foedus.core.base.errors import BadInput, Broken, Conflict, Fault
from foedus.core.base.instant import iso, parse_iso
from foedus.core.ledger.entry import GENESIS, entry_from_json
from foedus.core.ledger.verify import verify
from foedus.flow.ports import Transaction
from foedus.flow.recover import begin_recovery, learn, reason_of, recovering, since_backup
from foedus.hub.keys import KEY_FILE, NEXT_FILE
from foedus.hub.settings import HubSettings
from foedus.keys import ed25519
from foedus.process import archive
from foedus.process.clock import SystemClock
from foedus.store.copies import POSTGRES, SQLITE, copy_database, put_back
from foedus.store.migrate import migrate
from foedus.store.unit import SqlStore, open_store

KIND: Final = "hub"
_PIECES: Final = "pieces"
_KEYS: Final = (KEY_FILE, NEXT_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a backup holds."""

    at: str
    """The moment from which on things are not in it."""
    alliance: str
    head: int
    """Number of the ledger's newest entry at that moment; the copy has this one, and may have a few more."""
    pieces: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of a restoration."""

    saved: Saved
    head: int
    """Number of the newest entry now."""
    absent: int
    """Pieces that the backup's database knows, and whose bytes are not here: clients send them again."""
    key: bool
    """Whether the hub's key is here."""
    tokens: int
    """Tokens that are good now; some may have been revoked since the backup."""


def backup(settings: HubSettings, path: Path, *, with_key: bool, with_files: bool) -> Saved:
    """Copy a hub while it runs: first the database, as it is at one moment, then the files that it names."""
    store = open_store(settings.database_url)
    try:
        at = iso(SystemClock().now())
        with store.read() as tx:
            head = tx.ledger.head()
    finally:
        store.close()
    if head is None:
        raise Broken("this hub has not begun: there is nothing to back up", remedy="see `foedus hub init`")
    facts = {"at": at, "alliance": head.alliance, "head": head.seq}
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.absolute().parent) as name:
        folder = Path(name)
        copy = copy_database(settings.database_url, folder)
        members = [(copy, folder / copy)]
        root = settings.state / _PIECES
        if with_files:
            names = sorted(one for one in root.rglob("*") if one.is_file() and not one.name.startswith("."))
            members += [(f"{_PIECES}/{one.relative_to(root).as_posix()}", one) for one in names]
        if with_key:
            members += [(key, settings.state / key) for key in _KEYS]
        archive.write(path, KIND, facts, members)
    return look(path)


def look(path: Path) -> Saved:
    """Check a backup from end to end, and say what it holds."""
    return _saved(archive.check(path, KIND))


def restore(settings: HubSettings, path: Path) -> Restored:
    """Put a backup into an empty database, and its files into the state folder; the hub then begins in recovery.

    Files and keys that are there already stay. Raises `Conflict` where a database is.
    """
    state = settings.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=state) as name:
        folder = Path(name)

        def places(member: str) -> Path | None:
            if member in {SQLITE, POSTGRES}:
                return folder / member
            place = state / member
            return None if place.exists() else place

        saved = _saved(archive.unpack(path, KIND, places))
        put_back(settings.database_url, folder)
    migrate(settings.database_url)
    store = open_store(settings.database_url)
    try:
        return _recovering(store, settings, saved)
    finally:
        store.close()


def learn_export(store: SqlStore, path: Path) -> int:
    """Take the entries that an exported ledger has and a recovering hub lacks; returns how many.

    Raises `BadInput` unless the export verifies under the agreement in force here, and goes on from the entries here.
    """
    with store.read() as tx:
        record, before = tx.agreements.current(), tx.ledger.head()
    if record is None or before is None:
        raise Broken("no agreement is in force here", remedy="restore a backup first")
    with path.open("rb") as lines:
        report = verify(lines, agreement=read(record.text), check=ed25519.verify, held=before)
    faults = [Fault(path=str(path), fault=str(fault), remedy="use another export") for fault in report.faults]
    if faults:
        raise BadInput(*faults)
    with path.open("rb") as lines, store.begin() as tx:
        if recovering(tx) is None:
            raise Conflict("this hub is whole", remedy="see `foedus hub recovery`")
        entries = [entry_from_json(found) for line in lines if "prev" in (found := json.loads(line))]
        faults = [
            Fault(path=str(path), fault=fault, remedy="use another export")
            for fault in learn(tx, [entry for entry in entries if entry.seq > before.seq])
        ]
        if faults:
            raise BadInput(*faults)
    return sum(entry.seq > before.seq for entry in entries)


def _recovering(store: SqlStore, settings: HubSettings, saved: Saved) -> Restored:
    with store.read() as tx:
        head = _checked(tx, saved)
        absent = [
            (project, piece)
            for project, piece in tx.recovery.pieces()
            if not (settings.state / _PIECES / project / piece[:2] / piece).is_file()
        ]
        now = SystemClock().now()
        tokens = sum(token.revoked is None and token.expires > now for token in tx.people.tokens(None))
    at = parse_iso(saved.at)
    with store.begin() as tx:
        tx.recovery.drop_pieces(absent)
        begin_recovery(tx, since_backup(at), reason_of(at), now)
    return Restored(saved=saved, head=head, absent=len(absent), key=(settings.state / KEY_FILE).exists(), tokens=tokens)


def _checked(tx: Transaction, saved: Saved) -> int:
    """Walk the whole chain: each entry's hash, and that each follows from the one before."""
    before, seq = GENESIS, 0
    for entry in tx.ledger.stream():
        if (entry.seq, entry.prev) != (seq + 1, before):
            raise Broken(f"entry {entry.seq} does not follow from entry {seq}", remedy="restore another backup")
        before, seq = entry.hash, entry.seq
    head = tx.ledger.head()
    if head is None or (head.seq, head.hash) != (seq, before) or seq < saved.head:
        raise Broken(f"the ledger ends at entry {seq}, which is not its head", remedy="restore another backup")
    return seq


def _saved(contents: archive.Contents) -> Saved:
    facts = contents.facts
    try:
        return Saved(
            at=str(facts["at"]),
            alliance=str(facts["alliance"]),
            head=int(str(facts["head"])),
            pieces=sum(name.startswith(f"{_PIECES}/") for name in contents.files),
            keys=tuple(key for key in _KEYS if key in contents.files),
        )
    except (KeyError, ValueError) as error:
        fault = Fault(path="backup", fault=f"does not say what it is ({error})", remedy="use another backup")
        raise BadInput(fault) from error
