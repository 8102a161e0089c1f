"""The state folder: one folder for each attempt, in ``jobs`` while it is open and in ``ended`` afterwards.

The files are the only truth: every driver on the same folder, in this process or another, sees the same attempts and
takes turns at changing them.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from foedus.drivers.local.records import put, sync_folder
from foedus.drivers.local.ticket import Ticket, dump, load

_BLOCK = 100
"""Numbers that are set aside at once, so that most jobs cost no write for theirs."""


@dataclass(slots=True)
class _Numbers:
    following: int = 1
    end: int = 1


class Shelf:
    """Attempts on disk."""

    def __init__(self, root: Path) -> None:
        self.jobs = root / "jobs"
        self.ended = root / "ended"
        self.wake = root / "wake"
        """Named pipe into which supervisors write when a job has ended."""
        self._new = root / "new"
        self._sequence = root / "sequence"
        self._lock = root / "turn"
        self._numbers = _Numbers()
        self._seen = -1
        self._changed = False

    def prepare(self) -> None:
        """Make what is not there yet."""
        for folder in (self.jobs, self.ended, self._new):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.wake, 0o600)

    @contextlib.contextmanager
    def turn(self) -> Generator[bool]:
        """Hold the state folder alone; tells whether somebody else has changed it since this shelf's last turn."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            number = int(os.read(descriptor, 20) or b"0")
            foreign, self._seen = number != self._seen, number
            try:
                yield foreign
            finally:
                if self._changed:
                    self._changed = False
                    self._seen = number + 1
                    os.pwrite(descriptor, str(self._seen).encode(), 0)
        finally:
            os.close(descriptor)

    def changed(self) -> None:
        """Say that other drivers have to read anew."""
        self._changed = True

    def number(self) -> int:
        """Return a native id that was never given before."""
        numbers = self._numbers
        if numbers.following == numbers.end:
            start = int(self._sequence.read_bytes()) if self._sequence.exists() else 1
            put(self._sequence, str(start + _BLOCK).encode())
            numbers.following, numbers.end = start, start + _BLOCK
        numbers.following += 1
        return numbers.following - 1

    def draft(self, ticket: Ticket) -> Path:
        """Write a new attempt down where nobody looks; needs no turn, so that several wait for the disk together."""
        draft = self._new / f"{ticket.key}.{ticket.native_id}"
        draft.mkdir(mode=0o700)
        put(draft / "launch.json", dump(ticket))
        return draft

    def add(self, ticket: Ticket, draft: Path) -> Path:
        """Keep a new attempt; once this returns it survives everything but the loss of the disk."""
        folder = self.jobs / ticket.key
        draft.rename(folder)
        sync_folder(self.jobs)
        self.changed()
        return folder

    def find(self, key: str) -> Path | None:
        """Return an attempt's folder, wherever it is."""
        return next((folder for folder in (self.jobs / key, self.ended / key) if folder.is_dir()), None)

    def retire(self, folder: Path) -> None:
        """Put an attempt that is over aside."""
        folder.rename(self.ended / folder.name)
        self.changed()

    def purge(self, before: int) -> None:
        """Forget attempts that were put aside, or left half-written, before a second since the epoch."""
        for folder in (*self.ended.iterdir(), *self._new.iterdir()):
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder)


def ticket_of(folder: Path) -> Ticket:
    """Read what an attempt was taken with."""
    return load((folder / "launch.json").read_bytes())
