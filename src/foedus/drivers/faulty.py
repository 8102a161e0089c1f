"""Wrappers that add one fault each to any driver, for tests of what relies on it.

Each is faulty for its first ``faulty`` calls that could fail, and sound afterwards; `FOREVER` never gets sound. A test
may set ``faulty`` at any time.
"""

from collections.abc import Callable, Mapping, Sequence

from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.jobs.signals import EndSignal
from foedus.core.placement.capacity import Capacity
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting, SiteDriver

FOREVER = 2**31


class _Around:
    """Hands every call on."""

    def __init__(self, driver: SiteDriver, *, faulty: int = FOREVER) -> None:
        self.driver = driver
        self.faulty = faulty

    @property
    def source(self) -> str:
        """The wrapped driver's."""
        return self.driver.source

    @property
    def revives(self) -> bool:
        """The wrapped driver's."""
        return self.driver.revives

    def start(self, launch: Launch) -> str:
        """Hand on."""
        return self.driver.start(launch)

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Hand on."""
        return self.driver.look(refs)

    def stop(self, ref: Ref) -> None:
        """Hand on."""
        self.driver.stop(ref)

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Hand on."""
        self.driver.signal(ref, end)

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Hand on."""
        return self.driver.usage(refs)

    def capacity(self) -> Capacity:
        """Hand on."""
        return self.driver.capacity()

    def _fails(self) -> bool:
        if self.faulty <= 0:
            return False
        self.faulty -= 1
        return True


class ForgetfulDriver(_Around):
    """Starts, signals and stops attempts, and loses the answer: the job is there, the agent does not know."""

    def start(self, launch: Launch) -> str:
        """Start, then fail."""
        native_id = self.driver.start(launch)
        if self._fails():
            raise SiteTrouble("sbatch did not answer within 30 s")
        return native_id

    def stop(self, ref: Ref) -> None:
        """Stop, then fail."""
        self.driver.stop(ref)
        if self._fails():
            raise SiteTrouble("scancel did not answer within 30 s")

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Send, then fail."""
        self.driver.signal(ref, end)
        if self._fails():
            raise SiteTrouble("scancel did not answer within 30 s")


class DeafDriver(_Around):
    """Never hears what it is told: nothing is started, signalled or stopped."""

    def start(self, launch: Launch) -> str:
        """Fail without an effect."""
        if self._fails():
            raise SiteTrouble("unable to contact the controller")
        return self.driver.start(launch)

    def stop(self, ref: Ref) -> None:
        """Fail without an effect."""
        if self._fails():
            raise SiteTrouble("unable to contact the controller")
        self.driver.stop(ref)

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Fail without an effect."""
        if self._fails():
            raise SiteTrouble("unable to contact the controller")
        self.driver.signal(ref, end)


class BlindDriver(_Around):
    """Cannot say anything about its cluster."""

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Fail."""
        if self._fails():
            raise SiteTrouble("squeue did not answer within 30 s")
        return self.driver.look(refs)

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Fail."""
        if self._fails():
            raise SiteTrouble("sacct did not answer within 30 s")
        return self.driver.usage(refs)

    def capacity(self) -> Capacity:
        """Fail."""
        if self._fails():
            raise SiteTrouble("scontrol did not answer within 30 s")
        return self.driver.capacity()


class RefusingDriver(_Around):
    """Its scheduler says no."""

    def __init__(self, driver: SiteDriver, *, faulty: int = FOREVER, words: str = "Invalid account") -> None:
        super().__init__(driver, faulty=faulty)
        self._words = words

    def start(self, launch: Launch) -> str:
        """Refuse."""
        if self._fails():
            raise SchedulerRefused(self._words)
        return self.driver.start(launch)


class LateDriver(_Around):
    """Its accounting is late: jobs that have ended look as if they ran, and have no records yet."""

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Answer as if nothing had ended."""
        seen = self.driver.look(refs)
        if not any(sighting.phase is Phase.ENDED for sighting in seen.values()) or not self._fails():
            return seen
        return {marker: _unended(sighting) for marker, sighting in seen.items()}

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Answer without any record."""
        return {ref.marker: () for ref in refs} if self._fails() else self.driver.usage(refs)


class AmnesicDriver(_Around):
    """Knows none of its jobs, and says so in good faith: a cluster that was set up anew."""

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Know nothing."""
        if self._fails():
            return {ref.marker: Sighting(phase=Phase.UNKNOWN) for ref in refs}
        return self.driver.look(refs)


class SlowDriver(_Around):
    """Takes its time: `pause` is called with `seconds` before each call is handed on."""

    def __init__(
        self, driver: SiteDriver, *, pause: Callable[[float], None], seconds: float, faulty: int = FOREVER
    ) -> None:
        super().__init__(driver, faulty=faulty)
        self._pause = pause
        self._seconds = seconds

    def start(self, launch: Launch) -> str:
        """Wait, then hand on."""
        self._wait()
        return self.driver.start(launch)

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Wait, then hand on."""
        self._wait()
        return self.driver.look(refs)

    def stop(self, ref: Ref) -> None:
        """Wait, then hand on."""
        self._wait()
        self.driver.stop(ref)

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Wait, then hand on."""
        self._wait()
        self.driver.signal(ref, end)

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Wait, then hand on."""
        self._wait()
        return self.driver.usage(refs)

    def capacity(self) -> Capacity:
        """Wait, then hand on."""
        self._wait()
        return self.driver.capacity()

    def _wait(self) -> None:
        if self._fails():
            self._pause(self._seconds)


def _unended(seen: Sighting) -> Sighting:
    if seen.phase is not Phase.ENDED:
        return seen
    return Sighting(
        phase=Phase.RUNNING,
        native_id=seen.native_id,
        restarts=seen.restarts,
        native_state="COMPLETING",
        started=seen.started,
        stdout=seen.stdout,
        stderr=seen.stderr,
    )
