"""What Prometheus reads at ``/metrics``."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from foedus.core.base.instant import seconds_between
from foedus.hub.wiring import Hub

REGISTRY = CollectorRegistry()
REQUESTS = Counter("foedus_http_requests", "Requests answered", ["method", "route", "status"], registry=REGISTRY)
LATENCY = Histogram("foedus_http_request_seconds", "Time to answer", ["method", "route"], registry=REGISTRY)
PLACED = Counter("foedus_jobs_placed", "Jobs bound to a site by this process", registry=REGISTRY)
BROKER_PASS = Histogram("foedus_broker_pass_seconds", "Time of one pass of the broker", registry=REGISTRY)
LEADER = Gauge("foedus_broker_leader", "1 if this process is the broker", registry=REGISTRY)


class _State(Collector):
    """Figures that are read from the database when they are asked for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them."""
        with self._hub.store.read() as tx:
            counts = tx.jobs.counts()
            sites = tx.sites.all()
            head = tx.ledger.head()
        now = self._hub.clock.now()
        jobs = GaugeMetricFamily("foedus_jobs", "Jobs that have not ended", labels=["site", "state"])
        for (site, state), count in counts.items():
            jobs.add_metric([site or "", state], count)
        yield jobs
        silence = GaugeMetricFamily("foedus_site_silence_seconds", "Since the agent last spoke", labels=["site"])
        for record in sites:
            if record.seen is not None:
                silence.add_metric([record.site], seconds_between(record.seen, now))
        yield silence
        yield GaugeMetricFamily("foedus_ledger_entries", "Entries of the ledger", value=head.seq if head else 0)


def exposition(hub: Hub) -> bytes:
    """Return the page."""
    state = CollectorRegistry()
    state.register(_State(hub))
    return generate_latest(REGISTRY) + generate_latest(state)
