from dataclasses import dataclass

from foedus.core.base.instant import Instant
from foedus.process.clock import SteadyClock


@dataclass
class Machine:
    """A clock that can be set."""

    moment: int

    def now(self) -> Instant:
        return Instant(self.moment)


def test_a_steady_clock_passes_evenly_whatever_the_machines_clock_is_set_to():
    machine, seconds = Machine(1_000_000), [50.0]
    clock = SteadyClock(machine, lambda: seconds[0])
    assert clock.now() == 1_000_000

    machine.moment += 3_600_000
    seconds[0] = 52.5
    assert clock.now() == 1_002_500

    machine.moment = 0
    assert clock.now() == 1_002_500
