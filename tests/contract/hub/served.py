"""A real hub on a loopback port, in a thread, with the example agreement in force and people to ask it things."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import uvicorn

from foedus.client import Client
from foedus.core.agreement.read import read
from foedus.core.agreement.vouch import Vouch, make
from foedus.core.base.instant import Instant, after
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.hub.app import create_app
from foedus.hub.begin import begin
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import Hub, build
from foedus.keys import ed25519
from foedus.keys.examples import LaidOut, lay_out
from foedus.keys.http import EPOCH, SEQUENCE, sign_request
from foedus.process.clock import SystemClock
from foedus.store.migrate import migrate
from foedus.wire.message import Message
from waiting import PATIENCE_S

API = "/api/v1"
SCRIPT = "#!/bin/sh\n#SBATCH --gpus=1 --time=10\n#FOEDUS project=shield purpose=finetune\ntrue\n"
CLOCK = SystemClock()


def free(gpus: int = 8) -> Capacity:
    node = NodeGroup(count=1, cpus=96, memory=1024 * 1024, gpus=gpus, gpu_model="h100")
    whole = NodeGroup(count=4, cpus=96, memory=1024 * 1024, gpus=8, gpu_model="h100")
    lane = Lane(name="all", free=(node,), whole=(whole,))
    return Capacity(owner=lane, guest=lane)


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Serve a hub until the block ends; give its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(hub), log_level="warning", ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.started
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        waker = getattr(config.app.state, "waker", None)
        if waker is not None:
            waker.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@dataclass
class Served:
    """One alliance with a hub (or several) and tokens for everybody."""

    settings: HubSettings
    laid_out: LaidOut
    hub: Hub
    url: str
    tokens: dict[str, str]
    keys: dict[str, ed25519.PrivateKey] = field(default_factory=dict)
    sequences: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def client(self, who: str = "lead") -> Client:
        return Client(self.url, self.tokens[who])

    def http(self, who: str | None = None, url: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        return httpx2.Client(base_url=(url or self.url) + API, headers=headers, timeout=70, trust_env=False)

    def agent(self, site: str = "jerusalem") -> "Agent":
        """Enrol a site with a fresh key, and greet."""
        agreement = read(self.laid_out.agreement.read_bytes())
        partner = agreement.site(site).partner
        key = ed25519.make()
        vouch = make(
            ed25519.load(self.laid_out.keys[partner]),
            Vouch(alliance=agreement.id, site=site, key=key.key, not_before=CLOCK.now()),
        )
        with self.client("office") as office:
            code = office.enrolment_code(site).code
        with self.http() as http:
            body = {"code": code, "site": site, "vouch": vouch.json()}
            enrolled = http.post("/agents/enrol", json=body)
        assert enrolled.status_code == 201, enrolled.text
        self.keys[site] = key
        agent = Agent(served=self, site=site, key=key)
        agent.hello()
        return agent


@dataclass
class Agent:
    """A site's agent: signs as the real one does, and can be made to do it wrongly."""

    served: Served
    site: str
    key: ed25519.PrivateKey
    epoch: int = 0
    url: str = ""

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        sequence: int | None = None,
        epoch: int | None = None,
        key: ed25519.PrivateKey | None = None,
        off_s: float = 0,
        sent: bytes | None = None,
        timeout: float = 30,
    ) -> httpx2.Response:
        base = (self.url or self.served.url) + API + f"/agents/{self.site}"
        number = next(self.served.sequences) if sequence is None else sequence
        headers = {
            "content-type": "application/json",
            EPOCH: str(self.epoch if epoch is None else epoch),
            SEQUENCE: str(number),
        }
        created: Instant = after(CLOCK.now(), off_s)
        signed = sign_request(key or self.key, method, base + path, headers=headers, body=body, created=created)
        with httpx2.Client(trust_env=False, timeout=timeout) as http:
            return http.request(method, base + path, content=body if sent is None else sent, headers=signed)

    def post(self, path: str, message: Message | dict, **how) -> httpx2.Response:
        body = message.model_dump_json() if isinstance(message, Message) else json.dumps(message)
        return self.send("POST", path, body.encode(), **how)

    def hello(self) -> dict:
        answer = self.post("/hello", {"version": "1", "driver": "local"}, epoch=0)
        assert answer.status_code == 200, answer.text
        self.epoch = answer.json()["epoch"]
        return answer.json()

    def orders(self, wait_s: float = 0, **how) -> dict:
        answer = self.post("/orders", {"wait_s": wait_s}, timeout=wait_s + 30, **how)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def report(self, *statuses: dict, capacity: Capacity | None = None) -> dict:
        from foedus.wire.agents import ReportRequest

        request = ReportRequest.model_validate({"at": CLOCK.now(), "statuses": list(statuses)})
        answer = self.post("/reports", request.model_copy(update={"capacity": capacity}))
        assert answer.status_code == 200, answer.text
        return answer.json()


def populate(url: str, office: str) -> dict[str, str]:
    """Add people, two projects and a token for everybody."""
    with Client(url, office) as client:
        people = {"oren": "operator", "noa": "user", "dan": "user", "eve": "user"}
        for user, role in people.items():
            client.add_user(user, partner="israel", role=role)
        for project in ("shield", "other"):
            client.open_project(project, title=project.title(), sector="cybersecurity", lead="noa")
            client.grant(project, 1000)
        client.add_member("shield", "dan")
        tokens = {"office": office}
        for name, user in (("operator", "oren"), ("lead", "noa"), ("member", "dan"), ("outsider", "eve")):
            tokens[name] = client.create_token(user=user, scope="manage").token
        tokens["narrowed"] = client.create_token(user="noa", scope="manage", project="other").token
        tokens["reader"] = client.create_token(user="noa", scope="read").token
    return tokens


@contextlib.contextmanager
def a_hub(folder: Path, database: str = "") -> Iterator[Served]:
    """Begin an alliance and serve it."""
    laid_out = lay_out("caspian", folder / "agreement", sign=True)
    settings = HubSettings(state=folder / "hub", database=database, pass_s=0.2, largest_body=16 << 20)
    if database:
        migrate(database)
    begun = begin(settings, laid_out.agreement, "olga", "israel", key=laid_out.keys["hub"])
    hub = build(settings)
    with serving(hub) as url:
        yield Served(settings=settings, laid_out=laid_out, hub=hub, url=url, tokens=populate(url, begun.token.token))
