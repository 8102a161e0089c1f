"""What a checkup finds about folders: whose they are, who may use them, and how much room is left."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from foedus.core.base.checkup import Finding, fault, ok, warning
from foedus.core.base.errors import NotAllowed

_GIB = 1024**3
_LEAST = 1 * _GIB
_LITTLE = 5 * _GIB
_LITTLE_SHARE = 0.05
_LEAST_FILES = 1000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITE = stat.S_IWGRP | stat.S_IWOTH


def room(folder: Path) -> Finding:
    """Say how much room is left on a folder's file system: for bytes, and for files."""
    found = os.statvfs(folder)
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    words = f"{free / _GIB:.1f} of {whole / _GIB:.1f} GiB free for {folder}"
    remedy = "make room, or move it to a larger disk: nothing is lost meanwhile, and nothing goes on"
    if free < _LEAST:
        return fault(words, remedy)
    if found.f_files and found.f_favail < _LEAST_FILES:
        return fault(f"room for {found.f_favail} more files only in {folder}", remedy)
    if free < _LITTLE or free < whole * _LITTLE_SHARE:
        return warning(words, "make room before it is full")
    return ok(words)


def own(folder: Path) -> None:
    """Raise `NotAllowed` where a folder is another account's: a look would leave files there that it cannot use."""
    found = folder.stat().st_uid
    if found != os.geteuid():
        name = account_name(found)
        raise NotAllowed(
            f"{folder} belongs to {name}, and this is {account_name(os.geteuid())}",
            remedy=f"run it as {name}: `sudo -u {name} foedus ...`",
        )


def closed(path: Path, *, secret: bool) -> Iterator[Finding]:
    """Find what others may do with a file or folder that they may not read (`secret`), or not change."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (_OTHERS if secret else _WRITE):
        wanted = "go=" if secret else "go-w"
        what = "can be used by others" if secret else "can be changed by others"
        yield fault(f"{path} {what} (mode {mode:04o})", f"chmod {wanted} {path}")


def account_name(uid: int) -> str:
    """Name an account, or its number where it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
