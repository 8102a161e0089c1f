"""A file of the site's operator, or of a command beside the agent, that is read again whenever it is another one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Watched(Generic[T]):
    """What a file says now. Safe for threads."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self.path = path
        self._read = read
        self._lock = threading.Lock()
        self._held: tuple[tuple[int, int, int], T] | None = None

    def load(self) -> T:
        """Return what the file says, read again if it has changed; raises what reading it raises."""
        with self._lock:
            mark = _mark(self.path)
            if self._held is not None and mark == self._held[0]:
                return self._held[1]
            found = self._read(self.path)
            self._held = None if mark is None else (mark, found)
            return found


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # whoever reads it says what is wrong
    return found.st_ino, found.st_mtime_ns, found.st_size
