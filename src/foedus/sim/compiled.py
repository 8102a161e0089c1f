"""Where compiled kernels are kept, so that only the first simulation on a machine waits for the compiler."""

import functools
import hashlib
import os
from importlib.resources import files
from pathlib import Path

from foedus.core.placement.kernels import keep_compiled

_PACKAGES = ("foedus.core.placement", "foedus.sim")


@functools.cache
def keep() -> None:
    """Keep them in this user's folder for such things; where there is none, every process compiles for itself.

    The compiler looks at the file of a function alone, and not at those of the functions that it calls: so the folder's
    name follows from the text of all of them.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")  # noqa: PTH118
    if Path(home).is_absolute():
        keep_compiled(str(Path(home) / "foedus" / _digest()))


def _digest() -> str:
    sources = [file for name in _PACKAGES for file in files(name).iterdir() if file.name.endswith(".py")]
    texts = [file.read_bytes() for file in sorted(sources, key=lambda file: file.name)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
