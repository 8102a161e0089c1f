"""What makes placement fast: its inner functions are compiled in a process that has loaded numba, else plain Python.

A simulation loads numba (`foedus.sim`): it handles millions of events. A hub does not: it handles some hundred in a
second, and would only have to carry the compiler.
"""

import sys
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_COMPILER: Any = sys.modules.get("numba")
COMPILED: Final = _COMPILER is not None and not _COMPILER.config.DISABLE_JIT
"""Whether the kernels of this process are compiled."""

NEVER: Final = 2**62
"""Later than every instant, longer than every limit, wider than every site."""

_KERNELS: list[Any] = []


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function over tables (`foedus.core.placement.tables`) when it is first called; it may not make any.

    Since kernels keep nothing, they need not count who uses a table: that doubles their speed (`_nrt`).
    """
    if not COMPILED:
        return function
    _KERNELS.append(_COMPILER.njit(nogil=True, _nrt=False)(function))
    return cast("Callable[P, R]", _KERNELS[-1])


def small(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of a few lines into those that call it."""
    if not COMPILED:
        return function
    return cast("Callable[P, R]", _COMPILER.njit(nogil=True, _nrt=False, inline="always")(function))


def keep_compiled(folder: str) -> None:
    """Keep compiled kernels in a folder, and take them from there; to be called before any of them is."""
    if COMPILED:
        _COMPILER.config.CACHE_DIR = folder
        for each in _KERNELS:
            each.enable_caching()
