"""The machine's clock: the one spot where processes read the time."""

import time

from foedus.core.base.instant import Instant


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        """Return the present instant."""
        return Instant(time.time_ns() // 1_000_000)
