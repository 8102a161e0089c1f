"""Processor time of processes."""

import psutil


def seconds(pid: int) -> float:
    """Return the processor seconds that a process has used by itself."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
