"""Small files in an attempt's folder, which belongs to the user: he may have put anything in their place."""

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from foedus.core.base.errors import SiteTrouble
from foedus.drivers.slurm.run import Login, run

_LARGEST = 65536


def write(path: Path, text: str, account: Login, *, env: Mapping[str, str], timeout: float) -> None:
    """Write a file that belongs to `account`, in the place of what was there; follows no link.

    Raises `SiteTrouble` if that is not possible.
    """
    if account.uid != os.geteuid() and os.geteuid() != 0:
        done = run(["tee", str(path)], env=env, timeout=timeout, account=account, feed=text)
        if done.code != 0:
            raise SiteTrouble(f"{path} could not be written as {account.name}: {done.words}")
        return
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            os.fchown(handle, account.uid, account.gid)
            file.write(text)
    except (OSError, UnicodeError) as error:
        raise SiteTrouble(f"{path} could not be written: {error}") from error


def read(path: Path) -> str | None:
    """Read a small plain file; `None` for anything else (a link, a pipe, a device, nothing at all, too much)."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            data = file.read(_LARGEST + 1)
        return data.decode("utf-8") if len(data) <= _LARGEST else None
    except (OSError, UnicodeError):
        return None
