"""Backup and restore of an agent's state. A restored journal is taken for old: everything in it is looked for first."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from foedus.agent.agent import BEAT
from foedus.agent.folder import StateFolder
from foedus.agent.site_key import NEXT, PRESENT
from foedus.core.base.errors import Conflict
from foedus.core.base.instant import iso
from foedus.process import archive
from foedus.process.clock import SystemClock
from foedus.store.copies import copy_sqlite
from foedus.store.journal import Journal

KIND: Final = "agent"
_ENROLMENT: Final = "enrolment.json"
_KEYS: Final = (PRESENT, NEXT)
_FORGOTTEN: Final = ("epoch", BEAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a backup holds."""

    at: str
    site: str
    keys: tuple[str, ...]


def backup(folder: StateFolder, path: Path, *, with_key: bool) -> Saved:
    """Copy an agent's state while it runs: the journal as it is at one moment, and what it learnt at enrolment."""
    known = folder.enrolment()
    facts = {"at": iso(SystemClock().now()), "site": known.site, "alliance": known.alliance}
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.absolute().parent) as name:
        copy = Path(name) / folder.journal.name
        copy_sqlite(folder.journal, copy)
        members = [
            (copy.name, copy),
            (_ENROLMENT, folder.path / _ENROLMENT),
            (folder.agreement.name, folder.agreement),
            *((key, folder.path / key) for key in _KEYS if with_key),
        ]
        archive.write(path, KIND, facts, members)
    return look(path)


def look(path: Path) -> Saved:
    """Check a backup from end to end, and say what it holds."""
    contents = archive.check(path, KIND)
    keys = tuple(key for key in _KEYS if key in contents.files)
    return Saved(at=str(contents.facts.get("at")), site=str(contents.facts.get("site")), keys=keys)


def restore(folder: StateFolder, path: Path) -> Saved:
    """Put a backup into a folder that has no journal; a key that is there already stays.

    The journal's epoch is taken out of it. The agent then takes nothing in it for certain: what it only intended may
    have been done since, and is looked for at the cluster before it is done.
    """
    saved = look(path)
    if folder.journal.exists():
        message = f"{folder.journal} exists; a backup is restored beside it, never over it"
        raise Conflict(message, remedy="move it away first, and stop the agent before that")
    folder.make()

    def places(member: str) -> Path | None:
        place = folder.path / member
        return None if member in _KEYS and place.exists() else place

    archive.unpack(path, KIND, places)
    journal = Journal(folder.journal)
    try:
        journal.forget_notes(_FORGOTTEN)
    finally:
        journal.close()
    return saved
