"""Exact quantities. All are whole numbers; fractions appear only in what is shown to a person."""

from typing import NewType

Seconds = NewType("Seconds", int)
GpuSeconds = NewType("GpuSeconds", int)
CpuSeconds = NewType("CpuSeconds", int)
Mebibytes = NewType("Mebibytes", int)
"""1 MiB = 1,048,576 bytes: what Slurm calls M."""
Joules = NewType("Joules", int)

HOUR = 3600


def hours(seconds: int) -> str:
    """Write seconds (or GPU-seconds, CPU-seconds) as hours, exactly: at most four decimals, since 1 s > 0.0002 h.

    >>> hours(5400), hours(1), hours(-36)
    ('1.5', '0.0003', '-0.01')
    """
    sign = "-" if seconds < 0 else ""
    tenth_thousandths = (abs(seconds) * 10_000 + HOUR // 2) // HOUR
    whole, part = divmod(tenth_thousandths, 10_000)
    return f"{sign}{whole}.{part:04d}".rstrip("0").rstrip(".")


def duration(seconds: int) -> str:
    """Write seconds as Slurm does: ``[D-]HH:MM:SS``.

    >>> duration(90061), duration(59)
    ('1-01:01:01', '00:00:59')
    """
    minutes, second = divmod(seconds, 60)
    hour_count, minute = divmod(minutes, 60)
    day, hour = divmod(hour_count, 24)
    return f"{day}-{hour:02d}:{minute:02d}:{second:02d}" if day else f"{hour:02d}:{minute:02d}:{second:02d}"


def mebibytes(count: int) -> str:
    """Write a memory size as Slurm accepts it back: ``512M``, ``64G``, ``2T``."""
    for unit, size in (("T", 1024 * 1024), ("G", 1024)):
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return f"{count}M"
