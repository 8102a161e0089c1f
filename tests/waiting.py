"""How tests wait for what other processes do: for a condition, not for a time, and with patience for a slow machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_S = 240.0
"""Far more than anything takes on an idle machine; only a failing test waits as long."""


def wait_for(condition: Callable[[], Found], what: str = "it", patience: float = PATIENCE_S) -> Found:
    """Wait until a condition holds, and return what it found."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.1)
    return found


def until_there(sign: Path) -> str:
    """Write the shell of a job that goes on until a test has made a file: no test knows how long its machine takes."""
    return f"while [ ! -e {sign} ]; do sleep 0.05; done"
