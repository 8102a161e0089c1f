"""The machine's clocks: the one spot where processes read the time."""

import time
from collections.abc import Callable

from foedus.core.base.instant import Clock, Instant, after


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        """Return the present instant."""
        return Instant(time.time_ns() // 1_000_000)


class SteadyClock:
    """Time that passes evenly: what another clock said at the start, and the seconds since.

    Waits are measured by this one. Whoever sets the machine's clock neither ends them early nor makes them longer.
    """

    def __init__(self, clock: Clock, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._began = clock.now()
        self._zero = seconds()

    def now(self) -> Instant:
        """Return the present instant, as if the machine's clock had not been set since the start."""
        return after(self._began, self._seconds() - self._zero)
