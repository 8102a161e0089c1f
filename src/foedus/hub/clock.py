"""The hub's clock: the only place in the hub that reads the time."""

import time

from foedus.core.base.instant import Instant


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        """Return the present instant."""
        return Instant(time.time_ns() // 1_000_000)
