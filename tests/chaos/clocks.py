"""Clocks that can be set while a process runs."""

from collections.abc import Mapping
from pathlib import Path

HOUR_S = 3600
DAY_S = 24 * HOUR_S


class FalseClock:
    """What one process takes for the time of day; it obeys within a fraction of a second."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self._file = name, file
        self.ahead = 0
        self.set(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process that goes by this clock is started with."""
        return {"PYTHONPATH": str(Path(__file__).parent / "clock"), "CHAOS_CLOCK": str(self._file)}

    def set(self, ahead: int) -> None:
        """Let it be that many seconds ahead of the right time."""
        self.ahead = ahead
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead}\n", encoding="ascii")
        fresh.replace(self._file)
