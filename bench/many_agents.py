"""Two hundred agents at one hub process that holds a hundred thousand live jobs: its memory, and how late orders come.

The hub is the real process on SQLite. The agents are one program that does over loopback what two hundred would: each
with its own key and epoch, signed long polls, a report every five seconds and whenever something changes. Each site has
one free GPU; jobs are submitted as they can be placed, and end after some seconds. An order's delay runs from the
moment when the submission is sent until the agent has the order. Beside it stands the time of a bare question
(``/healthz``) at the same hub in the same minute.
"""

import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests/contract/store"))

import httpx2
import psutil
import store_samples as samples
from parts.figures import figure, size

from foedus.cli.trial.processes import Process, foedus
from foedus.client import Client
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import file_name, sign_agreement
from foedus.core.agreement.vouch import Vouch, make
from foedus.core.base.ids import JobId
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.core.placement.capacity import Capacity, Lane
from foedus.keys import ed25519
from foedus.keys.http import EPOCH, SEQUENCE, sign_request
from foedus.process.clock import SystemClock
from foedus.store.unit import open_store
from foedus.wire.agents import (
    EnrolRequest,
    HelloReply,
    HelloRequest,
    OrdersReply,
    OrdersRequest,
    ReportRequest,
    StatusItem,
)
from foedus.wire.jobs import Submission
from foedus.wire.message import Message

AGENTS = 200
LIVE = 100_000
SECONDS = 60.0
MOST_MB = 300.0
MOST_DELAY_S = 1.0
JOB_S = 6.0
"""How long a job runs: well under what all sites together can take."""
SUBMIT_EVERY_S = 0.5
REPORT_S = 5.0
WAIT_S = 20.0
API = "/api/v1"
CLOCK = SystemClock()
PARTNERS = ("israel", "azerbaijan")
SCRIPT = "#!/bin/sh\n#SBATCH --gpus=1 --time=10\n#FOEDUS project=shield purpose=finetune\nsrun train\n"
HEAD = """\
id = "bench"
version = 1
title = {{ en = "Bench" }}
starts = 2026-01-01
ends = 2099-12-31
hub_key = "{hub}"

[[sectors]]
id = "cybersecurity"
title = {{ en = "Cybersecurity" }}

[[clauses]]
id = "partners-run"
text = {{ en = "Partners' people may run jobs." }}
policy = '@id("partners-run") permit (principal, action, resource);'
"""
PARTNER = """
[[partners]]
id = "{id}"
title = {{ en = "{id}" }}
key = "{key}"
"""
SITE = """
[[sites]]
id = "{id}"
partner = "{partner}"
title = {{ en = "{id}" }}
country = "IL"
pools = [
  {{ id = "gpu", nodes = 1, cpus_per_node = 32, memory_per_node = "512G", gpus_per_node = 8, gpu_model = "a100" }},
]
pledge = {{ gpu_hours = 1000, period = "month" }}
guests = {{ pools = ["gpu"], preempted = true }}
"""


@dataclass
class Bench:
    """An alliance of many sites, in a folder, with one hub process."""

    folder: Path
    count: int
    keys: dict[str, ed25519.PrivateKey] = field(default_factory=lambda: {one: ed25519.make() for one in PARTNERS})
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    url: str = ""

    def __post_init__(self) -> None:
        self.sites = [f"site{number:03}" for number in range(self.count)]
        arguments = ("hub", "serve", "--state", str(self.folder / "hub"), "--port", "0")
        self.hub = Process("hub", arguments, self.folder / "hub.log")

    def partner(self, site: str) -> str:
        """Name the partner that owns a site."""
        return PARTNERS[self.sites.index(site) % len(PARTNERS)]

    def found(self) -> None:
        """Sign the agreement, begin the books, start the hub, and let people in."""
        hub_key = ed25519.make()
        ed25519.save(hub_key, self.folder / "hub.pem")
        parts = [HEAD.format(hub=hub_key.key)]
        parts += [PARTNER.format(id=one, key=key.key) for one, key in self.keys.items()]
        parts += [SITE.format(id=site, partner=self.partner(site)) for site in self.sites]
        data = "".join(parts).encode()
        agreement = self.folder / "agreement.toml"
        agreement.write_bytes(data)
        for one in read(data).partners:
            envelope = sign_agreement(self.keys[one.id], data, None)
            (self.folder / file_name(agreement.name, one.id)).write_bytes(envelope.write())
        self.tokens["office"] = foedus(
            *("hub", "init", "--agreement", str(agreement), "--office", "office", "--partner", "israel"),
            *("--state", str(self.folder / "hub"), "--key", str(self.folder / "hub.pem"), "--parsable"),
        )

    def start(self) -> None:
        """Start the hub and wait until it says where it listens."""
        self.hub.start()
        while not self.url:
            time.sleep(0.1)
            words = self.hub.tail().split()
            self.url = next((word.strip("'\"") for word in words if word.startswith("http://")), "")
            if not self.hub.alive:
                raise SystemExit(self.hub.tail())

    def populate(self) -> None:
        """Make a user with a project."""
        with self.client("office") as office:
            office.add_user("noa", partner="israel")
            self.tokens["noa"] = office.create_token(user="noa", scope="manage").token
            office.open_project("shield", title="Shield", sector="cybersecurity", lead="noa")
            office.grant("shield", 10_000_000)

    def client(self, user: str) -> Client:
        """Return a client that speaks for a user."""
        return Client(self.url, self.tokens[user])

    def fill(self, live: int) -> None:
        """Store live jobs, most of them running, the same number at each site."""
        store, now = open_store(f"sqlite:///{self.folder / 'hub' / 'hub.db'}"), CLOCK.now()
        try:
            for start in range(0, live, 5000):
                with store.begin() as tx:
                    (spec,) = tx.jobs.put_specs([samples.SPEC])
                    count = min(5000, live - start)
                    first = tx.jobs.numbers(count)
                    facts = [
                        (number, self.sites[number % self.count], number % 10 > 0)
                        for number in range(first, first + count)
                    ]
                    tx.jobs.add(
                        [
                            samples.job(
                                number, spec=spec, site=site, attempt=1, project="shield", user="noa", reserved=0,
                                state=JobState.RUNNING if runs else JobState.STARTING, started=now if runs else None,
                            )
                            for number, site, runs in facts
                        ],
                        [],
                    )  # fmt: skip
                    tx.attempts.add(
                        [
                            samples.attempt(
                                number, site=site, native_id=str(number), bound=now, offered=now, handed=now,
                                state=AttemptState.RUNNING if runs else AttemptState.STARTING,
                                started=now if runs else None,
                            )
                            for number, site, runs in facts
                        ]
                    )  # fmt: skip
        finally:
            store.close()


@dataclass
class Agent:
    """What one site's agent says to the hub, and when it heard of each job."""

    bench: Bench
    site: str
    http: httpx2.AsyncClient
    heard: dict[JobId, float]
    key: ed25519.PrivateKey = field(default_factory=ed25519.make)
    epoch: int = 0
    sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    running: int = 0
    unsaid: list[StatusItem] = field(default_factory=list[StatusItem])
    unknown: dict[JobId, int] = field(default_factory=dict[JobId, int])
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def enrol(self, office: Client) -> None:
        """Introduce the site's key, with its partner's word and a fresh code."""
        code = office.enrolment_code(self.site).code
        vouch = Vouch(alliance="bench", site=self.site, key=self.key.key, not_before=CLOCK.now())
        envelope = make(self.bench.keys[self.bench.partner(self.site)], vouch)
        request = EnrolRequest(code=code, site=self.site, vouch=envelope.json())
        answer = httpx2.post(
            f"{self.bench.url}{API}/agents/enrol", content=request.model_dump_json(), headers=JSON, timeout=60
        )
        answer.raise_for_status()

    async def send(self, series: str, message: Message) -> bytes:
        """Send one signed request."""
        url, body = f"{self.bench.url}{API}/agents/{self.site}/{series}", message.model_dump_json().encode()
        headers = {**JSON, EPOCH: str(self.epoch), SEQUENCE: str(next(self.sequence))}
        signed = sign_request(self.key, "POST", url, headers=headers, body=body, created=CLOCK.now())
        answer = await self.http.post(url, content=body, headers=signed)
        if answer.status_code != 200:
            raise SystemExit(f"{series} of {self.site}: {answer.text}")
        return answer.content

    async def greet(self) -> None:
        """Begin an epoch and say what is free."""
        reply = await self.send("hello", HelloRequest(version="1", driver="bench"))
        self.epoch = HelloReply.model_validate_json(reply).epoch
        await self.report()

    async def poll(self) -> None:
        """Ask for orders for ever."""
        while True:
            request = OrdersRequest(wait_s=WAIT_S, known=list(self.unknown.items()))
            reply = OrdersReply.model_validate_json(await self.send("orders", request))
            now = time.monotonic()
            for order in reply.starts:
                self.heard.setdefault(order.job, now)
                self.unknown[order.job] = order.attempt
                asyncio.get_running_loop().create_task(self.run(order.job, order.attempt))

    async def run(self, job: JobId, attempt: int) -> None:
        """Run a job: it begins, and ends some seconds later."""
        self.running += 1
        self.say(StatusItem(job=job, attempt=attempt, state=AttemptState.RUNNING, native_id=job, started=CLOCK.now()))
        await asyncio.sleep(JOB_S)
        self.running -= 1
        over = {"outcome": Outcome.COMPLETED, "exit_code": 0, "ended": CLOCK.now()}
        self.say(StatusItem(job=job, attempt=attempt, state=AttemptState.ENDED, native_id=job, **over))

    def say(self, item: StatusItem) -> None:
        """Have something said with the next report."""
        self.unsaid.append(item)
        self.changed.set()

    async def tell(self) -> None:
        """Report for ever: what changed at once, what is free every few seconds."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await self.changed.wait()
            self.changed.clear()
            await self.report()

    async def report(self) -> None:
        """Say what changed and what is free."""
        items, self.unsaid = self.unsaid, []
        gpus = max(0, 1 - self.running)
        free = NodeGroup(count=1, cpus=32 if gpus else 0, memory=512 * 1024 if gpus else 0, gpus=gpus, gpu_model="a100")
        lane = Lane(name="gpu", free=(free,), whole=(replace(free, cpus=32, memory=512 * 1024, gpus=8),))
        capacity = Capacity(owner=lane, guest=lane)
        await self.send("reports", ReportRequest(at=CLOCK.now(), capacity=capacity, statuses=items))
        for item in items:
            self.unknown.pop(item.job, None)


JSON = {"content-type": "application/json"}


@dataclass
class Seen:
    """What was measured."""

    sent: dict[JobId, float] = field(default_factory=dict[JobId, float])
    heard: dict[JobId, float] = field(default_factory=dict[JobId, float])
    asked: list[float] = field(default_factory=list[float])
    memory: list[float] = field(default_factory=list[float])


async def submit(bench: Bench, each: int, seen: Seen, until: float) -> None:
    """Submit some jobs, again and again."""
    with bench.client("noa") as client:
        while time.monotonic() < until:
            began = time.monotonic()
            views = await asyncio.to_thread(client.submit_many, [Submission(script=SCRIPT)] * each)
            seen.sent.update((view.id, began) for view in views)
            await asyncio.sleep(max(0.0, SUBMIT_EVERY_S - (time.monotonic() - began)))


async def watch(bench: Bench, http: httpx2.AsyncClient, seen: Seen) -> None:
    """Note the hub's memory, and how long a bare question takes."""
    hub = psutil.Process(bench.hub.pid)
    while True:
        began = time.monotonic()
        (await http.get(f"{bench.url}/healthz")).raise_for_status()
        seen.asked.append(time.monotonic() - began)
        seen.memory.append(hub.memory_info().rss / 1e6)
        await asyncio.sleep(0.25)


async def load(bench: Bench, seconds: float) -> Seen:
    """Let all agents greet, poll and report, submit jobs meanwhile, and wait until the last order has come."""
    seen = Seen()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(limits=limits, timeout=90, trust_env=False) as http:
        agents = [Agent(bench, site, http, seen.heard) for site in bench.sites]
        with bench.client("office") as office:
            for agent in agents:
                await asyncio.to_thread(agent.enrol, office)
        watching = asyncio.create_task(watch(bench, http, seen))
        await asyncio.gather(*(agent.greet() for agent in agents))
        tasks = [asyncio.create_task(work) for agent in agents for work in (agent.poll(), agent.tell())]
        await asyncio.sleep(2)
        seen.asked.clear()
        each = max(1, int(bench.count / JOB_S * SUBMIT_EVERY_S * 0.6))
        await submit(bench, each, seen, time.monotonic() + seconds)
        for _ in range(600):
            if seen.sent.keys() <= seen.heard.keys():
                break
            await asyncio.sleep(0.1)
        for task in (watching, *tasks):
            if task.done() and not task.cancelled():
                task.result()
            task.cancel()
        await asyncio.gather(watching, *tasks, return_exceptions=True)
    return seen


def p95(values: Sequence[float]) -> float:
    """Return what 95 of 100 stay under."""
    return statistics.quantiles(values, n=20)[-1]


def main() -> None:
    """Measure."""
    agents, live = max(4, int(AGENTS * size())), max(100, int(LIVE * size()))
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        bench = Bench(Path(name), agents)
        bench.found()
        try:
            bench.start()
            bench.populate()
            bench.fill(live)
            seen = asyncio.run(load(bench, max(3.0, SECONDS * size())))
        finally:
            bench.hub.stop()
    missing = seen.sent.keys() - seen.heard.keys()
    if missing:
        raise SystemExit(f"{len(missing)} of {len(seen.sent)} jobs were never ordered")
    delays = [seen.heard[job] - sent for job, sent in seen.sent.items()]
    figure("live-jobs", live, "jobs")
    figure("agents", agents, "agents")
    figure("hub-memory", max(seen.memory), "MB", most=MOST_MB)
    figure("bare-question-p95", p95(seen.asked), "s")
    figure("orders", len(delays), "orders")
    figure("order-delay-p50", statistics.median(delays), "s")
    figure("order-delay-p95", p95(delays), "s", most=MOST_DELAY_S)


if __name__ == "__main__":
    main()
