"""Disks that can be full: small file systems in memory, over folders of the tests."""

import contextlib
import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

_MIB = 1024 * 1024


class SmallDisk:
    """One file system. Without the right to mount, as in many a container, it is a folder that is never full."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder, self._size = folder, size_mib * _MIB
        folder.mkdir(parents=True, exist_ok=True)
        self.real = True
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={self._size},mode=0755", "foedus-test", str(folder))
        except subprocess.CalledProcessError:
            self.real = False

    def fill(self) -> None:
        """Let nothing more fit: its size becomes what is used."""
        found = os.statvfs(self.folder)
        used = (found.f_blocks - found.f_bfree) * found.f_bsize
        with contextlib.suppress(subprocess.CalledProcessError):  # it grew in this very moment: it stays as it is
            self._resize(max(used, found.f_bsize))

    def empty(self) -> None:
        """Give its room back."""
        self._resize(self._size)

    def remove(self) -> None:
        """Take it away, with what is on it, even while something still has a file of it open."""
        if self.real:
            _run("umount", "--lazy", str(self.folder))

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


@contextmanager
def small_disks(folders: Sequence[Path], size_mib: int) -> Generator[dict[Path, SmallDisk]]:
    """Mount one over each folder, for as long as the ``with`` lasts."""
    made: dict[Path, SmallDisk] = {}
    try:
        for folder in folders:
            made[folder] = SmallDisk(folder, size_mib)
        yield made
    finally:
        for disk in made.values():
            disk.remove()


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
