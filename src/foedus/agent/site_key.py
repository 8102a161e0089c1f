"""The site's key as it is at this moment: a rotation puts another in its place while the agent runs."""

import contextlib
import os
import threading
from pathlib import Path

from foedus.agent.watched import Watched
from foedus.core.base.dsse import Signer
from foedus.core.base.errors import NotFound
from foedus.keys import ed25519

PRESENT = "site.key"
NEXT = "site.next.key"
"""The key that is to come. It is there from before the hub hears of it until it has taken the other's place."""


class SiteKey:
    """The key files of a state folder. Safe for threads, and for a command beside the running agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._present: Watched[Signer] = Watched(folder / PRESENT, ed25519.load)

    def present(self) -> Signer:
        """Return the key that speaks for the site, read again if its file is another; raises `NotFound`."""
        return self._present.load()

    def next(self) -> Signer | None:
        """Return the key that is to come, if a rotation was begun and not seen through."""
        try:
            return ed25519.load(self._folder / NEXT)
        except NotFound:
            return None

    def make_next(self) -> Signer:
        """Return the key that is to come, made now if there is none."""
        found = self.next()
        if found is not None:
            return found
        made = ed25519.make()
        ed25519.save(made, self._folder / NEXT)
        return made

    def promote(self, key: str) -> None:
        """Put the next key, which the hub has taken, in the old one's place, for good. May be repeated."""
        with self._lock:
            found = self.next()
            if found is None or found.key != key:
                return
            with contextlib.suppress(FileNotFoundError):  # another process has just done it
                (self._folder / NEXT).rename(self._folder / PRESENT)
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
