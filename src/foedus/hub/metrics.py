"""What Prometheus reads at ``/metrics``.

Names end with their unit; times are seconds since 1970, so that an age is ``time() - ...``. Labels have few values:
sites of the agreement, states, routes and methods, never people, projects or jobs. What a process counts begins anew
with it; what the database knows is the same in every hub process.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from foedus import __version__
from foedus.core.agreement.model import Agreement
from foedus.core.base.errors import FoedusError
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.state import ENDED, JobState
from foedus.core.ledger.chain import Head
from foedus.flow.books import seal_list
from foedus.flow.ports import SiteRecord, Stage
from foedus.hub.wiring import Hub
from foedus.wire.ledger import SealState

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "foedus_http_requests", "Requests answered by this process.", ["method", "route", "status"], registry=REGISTRY
)
LATENCY = Histogram(
    "foedus_http_request_duration_seconds",
    "Time to answer a request; agents' orders are held back for as long as there are none.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
PLACED = Counter("foedus_jobs_placed", "Jobs bound to a site by this process.", registry=REGISTRY)
_WAIT_BUCKETS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)
WAITS = {
    Stage.BIND: Histogram(
        "foedus_job_bind_wait_seconds",
        "From a job's submission until a site was chosen for the first time.",
        buckets=_WAIT_BUCKETS,
        registry=REGISTRY,
    ),
    Stage.START: Histogram(
        "foedus_job_start_wait_seconds",
        "From a job's submission until it ran for the first time.",
        buckets=_WAIT_BUCKETS,
        registry=REGISTRY,
    ),
}
BROKER_PASS = Histogram(
    "foedus_broker_pass_duration_seconds", "Time of one pass of the broker, of this process.", registry=REGISTRY
)
REFUSED_REPORTS = Counter(
    "foedus_reports_refused",
    "Statuses and usage records of the site that this process did not take.",
    ["site", "what"],
    registry=REGISTRY,
)
BROKER_FAILURES = Counter(
    "foedus_broker_pass_failures", "Passes of the broker that failed in this process.", registry=REGISTRY
)
LEADER = Gauge("foedus_broker_leader", "1 if this process is the broker, 0 if not.", registry=REGISTRY)
LAST_PASS = Gauge(
    "foedus_broker_last_pass_timestamp_seconds",
    "When this process last made a whole pass as the broker; 0 if never.",
    registry=REGISTRY,
)


def measure(stage: Stage, seconds: float) -> None:
    """Count how long a job waited."""
    WAITS[stage].observe(seconds)


class _State(Collector):
    """Figures that are read when they are asked for; without a database only that it is away."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them."""
        yield _by("foedus_build_info", "Version of this hub process; always 1.", "version", {__version__: 1})
        yield _one(
            "foedus_state_free_bytes",
            "Room left on the file system of the hub's state folder.",
            shutil.disk_usage(self._hub.settings.state).free,
        )
        up = "foedus_database_up", "1 if the database answers, 0 if not."
        try:
            figures = list(self._figures())
        except FoedusError:
            yield _one(*up, 0)
            return
        yield _one(*up, 1)
        yield from figures

    def _figures(self) -> Iterator[GaugeMetricFamily]:
        with self._hub.store.read() as tx:
            counts = tx.jobs.counts()
            oldest = tx.jobs.pending(1)
            records = {record.site: record for record in tx.sites.all()}
            head, seals = tx.ledger.head(), seal_list(tx).seals
            unbooked = tx.attempts.count_unbooked()
            agreement = self._hub.agreement(tx) if tx.agreements.version() is not None else None
        sites = [site.id for site in agreement.sites] if agreement else []
        yield _jobs(sites, counts)
        yield _one(
            "foedus_oldest_pending_job_timestamp_seconds",
            "Submission of the oldest job that waits to be placed; the time of this answer if none waits.",
            _seconds(oldest[0].submitted if oldest else self._hub.clock.now()),
        )
        yield from _sites({site: records.get(site) for site in sites})
        yield from _books(head, seals)
        yield _by(
            "foedus_attempts_unbooked",
            "Attempts that ended at the site and are not in the ledger.",
            "site",
            {site: unbooked.get(site, 0) for site in sites},
        )
        if agreement:
            yield from _agreement(agreement)


def _jobs(sites: list[SiteId], counts: Mapping[tuple[SiteId | None, JobState], int]) -> GaugeMetricFamily:
    """Count the jobs; every site of the agreement and every state is there, so that none is missing from a sum."""
    found = GaugeMetricFamily(
        "foedus_jobs",
        'Jobs that have not ended; those that no site has yet are under site "".',
        labels=["site", "state"],
    )
    live = [state for state in JobState if state not in ENDED]
    known = {("", state): 0 for state in live if state is JobState.PENDING}
    known |= {(str(site), state): 0 for site in sites for state in live if state is not JobState.PENDING}
    for (site, state), count in {
        **known,
        **{(site or "", state): count for (site, state), count in counts.items()},
    }.items():
        found.add_metric([site, state.value], count)
    return found


def _sites(records: Mapping[SiteId, SiteRecord | None]) -> Iterator[GaugeMetricFamily]:
    def each(of: Callable[[SiteRecord], float | None]) -> dict[str, float]:
        return {site: value for site, one in records.items() if one is not None and (value := of(one)) is not None}

    yield _by(
        "foedus_site_enrolled",
        "1 if the hub takes the key of the site's agent, 0 if not.",
        "site",
        {site: float(one is not None and one.key is not None) for site, one in records.items()},
    )
    yield _by(
        "foedus_site_last_contact_timestamp_seconds",
        "When the site's agent last reported.",
        "site",
        each(lambda one: None if one.seen is None else _seconds(one.seen)),
    )
    yield _by(
        "foedus_site_draining",
        "1 if the site takes no new jobs by its operator's word, 0 if not.",
        "site",
        each(lambda one: float(one.draining)),
    )
    yield _by(
        "foedus_site_free_gpus",
        "GPUs that owners' jobs could take at once, as the site last said.",
        "site",
        each(_free_gpus),
    )


def _free_gpus(record: SiteRecord) -> float | None:
    lane = record.capacity and (record.capacity.owner or record.capacity.guest)
    return None if lane is None else float(sum(group.count * group.gpus for group in lane.free))


def _books(head: Head | None, seals: Sequence[SealState]) -> Iterator[GaugeMetricFamily]:
    yield _one("foedus_ledger_entries", "Entries of the ledger.", head.seq if head else 0)
    if head:
        yield _one("foedus_ledger_head_timestamp_seconds", "When the newest entry was booked.", _seconds(head.at))
    yield _by(
        "foedus_ledger_sealed_entries",
        "Entries of the ledger that the site has countersigned.",
        "site",
        {seal.site: seal.seq for seal in seals},
    )
    yield _by(
        "foedus_ledger_seal_contradicts",
        "1 if the site was shown another ledger than this one, 0 if not.",
        "site",
        {seal.site: float(not seal.agrees) for seal in seals},
    )


def _agreement(agreement: Agreement) -> Iterator[GaugeMetricFamily]:
    yield _one("foedus_agreement_version", "Version of the agreement in force.", agreement.version)
    last = datetime.combine(agreement.ends, time.max, UTC)
    yield _one("foedus_agreement_end_timestamp_seconds", "End of the agreement's term.", int(last.timestamp()) + 1)


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    found = GaugeMetricFamily(name, text, labels=[label])
    for one, value in values.items():
        found.add_metric([one], value)
    return found


def _seconds(instant: Instant) -> float:
    return instant / 1000


def exposition(hub: Hub) -> bytes:
    """Return the page."""
    state = CollectorRegistry()
    state.register(_State(hub))
    return generate_latest(REGISTRY) + generate_latest(state)
