"""A cluster that does what the test says: a `foedus.drivers.base.SiteDriver`."""

import threading
import time

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.instant import Instant
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Capacity, Lane
from foedus.drivers.base import Phase, Record, Sighting


class ScriptedCluster:
    source = "scripted"
    revives = True

    def __init__(self):
        self.lock = threading.RLock()
        self.shown = {}
        self.records = {}
        self.starts = []
        self.stops = []
        self.looks = 0
        self.broken = set()
        self.swallow = False
        """Whether a hand-over that fails has its effect all the same."""

    def _fail(self, verb):
        if verb in self.broken:
            raise SiteTrouble(f"{verb}: the controller does not answer")

    def start(self, launch):
        with self.lock:
            if "start" in self.broken and not self.swallow:
                self._fail("start")
            self.starts.append(launch.marker.text)
            self.shown[launch.marker] = Sighting(phase=Phase.PENDING, native_id=str(len(self.starts)))
            self._fail("start")
            return str(len(self.starts))

    def look(self, refs):
        with self.lock:
            self.looks += 1
            self._fail("look")
            return {ref.marker: self.shown.get(ref.marker, Sighting(phase=Phase.UNKNOWN)) for ref in refs}

    def stop(self, ref):
        with self.lock:
            self.stops.append(ref.marker.text)
            self._fail("stop")

    def usage(self, refs):
        with self.lock:
            self._fail("usage")
            return {ref.marker: tuple(self.records.get(ref.marker, ())) for ref in refs}

    def capacity(self):
        self._fail("capacity")
        group = (NodeGroup(count=1, cpus=4, memory=4096),)
        return Capacity(owner=Lane(name="owner", free=group, whole=group), guest=None)

    # -- what the test says

    def marker(self, job, attempt=1):
        return next(one for one in self.shown if (one.job, one.attempt) == (job, attempt))

    def show(self, job, phase, attempt=1, **more):
        with self.lock:
            marker = self.marker(job, attempt)
            native_id = self.shown[marker].native_id
            self.shown[marker] = Sighting(**{"phase": Phase(phase), "native_id": native_id, **more})

    def forget(self, job):
        with self.lock:
            del self.shown[self.marker(job)]

    def record(self, job, restart, outcome, elapsed, attempt=1):
        with self.lock:
            now = Instant(time.time_ns() // 1_000_000)
            marker = self.marker(job, attempt)
            self.records.setdefault(marker, []).append(
                Record(
                    restart=restart,
                    native_id=self.shown[marker].native_id,
                    outcome=Outcome(outcome),
                    exit_code=0,
                    signal=0,
                    submitted=Instant(now - 60_000),
                    started=Instant(now - elapsed * 1000) if elapsed else None,
                    ended=now,
                    elapsed=elapsed,
                    nodes=1,
                    cpus=1,
                    cpu_seconds=elapsed,
                )
            )
