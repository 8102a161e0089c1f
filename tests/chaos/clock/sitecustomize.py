"""Turns the clock of the process that has this folder on its ``PYTHONPATH``: by as many seconds as a file says.

Only what the process takes for the time of day is turned; what it measures durations by stays right, as on a machine
whose clock is set.
"""

import os
import time
from pathlib import Path

_LOOK_S = 0.2
_FILE = Path(os.environ["CHAOS_CLOCK"])
_right, _right_ns = time.time, time.time_ns
_ahead, _looked = 0, -1.0


def _seconds_ahead() -> int:
    global _ahead, _looked  # noqa: PLW0603 - this module is a clock: it has one state
    if time.monotonic() > _looked + _LOOK_S:
        _looked = time.monotonic()
        _ahead = int(_FILE.read_text(encoding="ascii"))
    return _ahead


def _time() -> float:
    return _right() + _seconds_ahead()


def _time_ns() -> int:
    return _right_ns() + _seconds_ahead() * 1_000_000_000


time.time, time.time_ns = _time, _time_ns
