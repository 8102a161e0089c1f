"""Where compiled kernels are kept, so that only the first simulation on a machine waits for the compiler."""

import functools
import hashlib
import os
from importlib.resources import files
from pathlib import Path

from foedus.core.placement.kernels import COMPILED, keep_compiled

_PACKAGES = ("foedus.core.placement", "foedus.sim", "foedus.sim.baselines")


@functools.cache
def keep() -> bool:
    """Keep them in this user's folder for such things, and say whether they are there already.

    Where there is no such folder, every process compiles for itself.

    The compiler looks at the file of a function alone, and not at those of the functions that it calls: so the folder's
    name follows from the text of all of them.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")  # noqa: PTH118
    if not Path(home).is_absolute():
        return False
    folder = Path(home) / "foedus" / digest_of_sources()
    known = folder.exists() or not COMPILED
    keep_compiled(str(folder))
    return known


@functools.cache
def digest_of_sources() -> str:
    """Return what stands for the text of the simulator."""
    sources = [file for name in _PACKAGES for file in files(name).iterdir() if file.name.endswith(".py")]
    texts = [file.read_bytes() for file in sorted(sources, key=lambda file: file.name)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
