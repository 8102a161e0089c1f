"""A scripted hub on loopback: it checks every signature, epoch and number, and remembers what it was told."""

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from foedus.core.agreement import vouch
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import sign_agreement
from foedus.core.base.canon import sha256
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import NotAuthenticated
from foedus.core.base.instant import Instant
from foedus.core.jobs.state import AttemptState
from foedus.core.ledger.chain import append, head_of, sign_head
from foedus.core.ledger.entry import Kind
from foedus.keys import ed25519
from foedus.keys.http import EPOCH, SEQUENCE, verify_request
from foedus.wire.agents import (
    BoardItem,
    EnrolReply,
    EnrolRequest,
    HeadReply,
    HelloReply,
    LogsReply,
    LogsRequest,
    OrdersReply,
    OrdersRequest,
    ReportItem,
    ReportReply,
    ReportRequest,
    StopOrder,
)
from foedus.wire.alliance import AgreementView
from foedus.wire.errors import ErrorView, view_of
from foedus.wire.files import MissingReply, MissingRequest
from foedus.wire.ledger import SignedHead
from waiting import PATIENCE_S

AGREEMENT = """
id = "pact"
version = {version}
{previous}
title = {{ en = "Pact" }}
starts = 2020-01-01
ends = 2099-12-31
hub_key = "{hub}"

[[partners]]
id = "israel"
title = {{ en = "Israel" }}
key = "{israel}"

[[partners]]
id = "azerbaijan"
title = {{ en = "Azerbaijan" }}
key = "{azerbaijan}"

[[sites]]
id = "jerusalem"
partner = "israel"
title = {{ en = "Jerusalem" }}
country = "IL"
pledge = {{ gpu_hours = 100, period = "month" }}
guests = {{ pools = ["main"], preempted = true }}

[[sites.pools]]
id = "main"
nodes = 1
cpus_per_node = 4
memory_per_node = "4G"

[[sectors]]
id = "mobility"
title = {{ en = "Mobility" }}

[[clauses]]
id = "all"
text = {{ en = "Everybody may." }}
policy = '''@id("all") permit (principal, action, resource);'''
"""


def now():
    return Instant(time.time_ns() // 1_000_000)


@dataclass
class Refuse(Exception):
    status: int
    code: str
    message: str


@dataclass
class ScriptedHub:
    """What a hub does for one site, and levers to make it misbehave."""

    keys: dict = field(default_factory=lambda: {name: ed25519.make() for name in ("hub", "israel", "azerbaijan")})
    version: int = 1
    previous: str = ""
    code: str = "one-time"
    site_key: str = ""
    epoch: int = 0
    last: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    stops: dict = field(default_factory=dict)
    statuses: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    usages: dict = field(default_factory=dict)
    usage_count: dict = field(default_factory=dict)
    logs: dict = field(default_factory=dict)
    truncated: set = field(default_factory=set)
    pieces: dict = field(default_factory=dict)
    denied: set = field(default_factory=set)
    """Pieces that are not for this site at the moment."""
    seals: list = field(default_factory=list)
    proofs: list = field(default_factory=list)
    reports: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    head: object = None
    shown: object = None
    down: bool = False
    refuse_code: str = ""
    calls: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    def __post_init__(self):
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                if len(body) < length:  # the agent hung up in the middle of its call
                    self.close_connection = True
                    return
                try:
                    status, answer = hub.answer(self.command, self.path, dict(self.headers), body)
                except Refuse as refusal:
                    view = ErrorView(
                        code=refusal.code, message=refusal.message, retryable=refusal.code == "unreachable"
                    )
                    status, answer = refusal.status, view.model_dump_json().encode()
                except NotAuthenticated as error:
                    hub.faults.append(f"{self.command} {self.path}: {error}")
                    status, answer = 401, view_of(error).model_dump_json().encode()
                except Exception as error:  # noqa: BLE001
                    hub.faults.append(f"{self.command} {self.path}: {type(error).__name__}: {error}")
                    status, answer = 500, b"{}"
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = handle_one  # noqa: N815

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self.book({"n": 1})

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # -- levers

    def text(self):
        public = {name: key.key for name, key in self.keys.items()}
        return AGREEMENT.format(version=self.version, previous=self.previous, **public)

    def agreement(self):
        data = self.text().encode()
        signatures = {name: sign_agreement(self.keys[name], data, None).json() for name in ("israel", "azerbaijan")}
        return AgreementView(
            id="pact", version=self.version, digest=sha256(data), text=data.decode(), signatures=signatures, entry=1
        )

    def amend(self):
        with self.lock:
            self.previous = f'previous = "{sha256(self.text().encode())}"'
            self.version += 1

    def statement(self, key):
        words = vouch.Vouch(alliance="pact", site="jerusalem", key=key, not_before=Instant(0))
        return vouch.make(self.keys["israel"], words)

    def order(self, *orders):
        with self.news:
            for order in orders:
                self.orders[order.job, order.attempt] = order
            self.news.notify_all()

    def stop(self, job, attempt, why):
        with self.news:
            self.stops[job, attempt] = StopOrder(job=job, attempt=attempt, why=why)
            self.news.notify_all()

    def book(self, body):
        with self.lock:
            entry = append(self.head, kind=Kind.USAGE, body=body, signatures=(), at=now())
            self.entries.append(entry)
            self.head = head_of("pact", entry)
            self.shown = self.signed(self.head)

    def signed(self, head):
        signature = sign_head(self.keys["hub"], head)
        return SignedHead(
            alliance=head.alliance, seq=head.seq, hash=head.hash, at=head.at, keyid=signature.keyid, sig=signature.sig
        )

    def wait(self, condition, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self.lock:
                if found := condition():
                    return found
            time.sleep(0.02)
        raise AssertionError(f"did not happen: {self.statuses} {self.calls[-5:]}")

    def state(self, job, attempt=1):
        item = self.statuses.get((job, attempt))
        return item.state if item else None

    def wait_state(self, job, state, attempt=1, seconds=PATIENCE_S):
        self.wait(lambda: self.state(job, attempt) is AttemptState(state), seconds)
        return self.statuses[job, attempt]

    def log(self, job, attempt=1, stream="stdout"):
        return bytes(self.logs.get((job, attempt, stream), b""))

    # -- the protocol

    def answer(self, method, path, headers, body):
        if self.down:
            raise Refuse(503, "unreachable", "the hub is down")
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return 200, b"{}"
        names = parts.path.removeprefix("/api/v1/agents/").split("/")
        if names == ["enrol"]:
            return 201, self.enrol(EnrolRequest.model_validate_json(body)).model_dump_json().encode()
        assert names[0] == "jerusalem", path
        series = "pieces" if names[1] == "projects" else names[1]
        self.check(method, path, headers, body, series)
        with self.lock:
            self.calls.append((method, series))
        call = getattr(self, f"do_{series}")
        found = call(method, names, parse_qs(parts.query), body)
        if isinstance(found, bytes):
            return 200, found
        return (204, b"") if found is None else (200, found.model_dump_json().encode())

    def check(self, method, path, headers, body, series):
        lowered = {name.lower(): value for name, value in headers.items()}
        if self.refuse_code:
            raise Refuse(401, self.refuse_code, "the clock is off by 500 s")
        verify_request(self.site_key, method, f"{self.url}{path}", headers=lowered, body=body, now=now())
        epoch, number = int(lowered[EPOCH]), int(lowered[SEQUENCE])
        with self.lock:
            if series != "hello" and epoch != self.epoch:
                raise Refuse(409, "stale", f"epoch {epoch} is over, {self.epoch} has begun")
            if series not in {"pieces", "heads", "agreement"}:
                if number <= self.last.get(series, 0):
                    raise Refuse(409, "stale", f"{series} {number} was seen")
                self.last[series] = number

    def enrol(self, request):
        if request.code != self.code:
            raise Refuse(403, "not-allowed", "this code is not good")
        self.code = ""
        envelope = Envelope.from_json(dict(request.vouch))
        word = vouch.verify(envelope, read(self.text().encode()), now(), ed25519.verify)
        self.site_key = word.key
        return EnrolReply(site=request.site, hub_key=self.keys["hub"].key, entry=2)

    def do_hello(self, *_):
        with self.lock:
            self.epoch += 1
            board = [
                BoardItem(
                    job=job,
                    attempt=attempt,
                    state=self.state(job, attempt) or AttemptState.BOUND,
                    native_id=self.statuses[job, attempt].native_id if (job, attempt) in self.statuses else "",
                    order=order,
                )
                for (job, attempt), order in self.orders.items()
                if self.state(job, attempt) in {None, AttemptState.STARTING, AttemptState.RUNNING}
            ]
            return HelloReply(epoch=self.epoch, now=now(), board=board)

    def do_orders(self, _method, _names, _query, body):
        request = OrdersRequest.model_validate_json(body)
        known = {tuple(one) for one in request.known}
        self.proofs += [request.sealed] if request.sealed else []
        end = time.monotonic() + request.wait_s
        epoch = self.epoch
        with self.news:
            while True:
                if epoch != self.epoch:
                    raise Refuse(409, "stale", "a newer agent has begun")
                starts = [
                    order
                    for key, order in self.orders.items()
                    if key not in known and self.state(*key) is None and key not in self.stops
                ]
                stops = [
                    stop
                    for key, stop in self.stops.items()
                    if self.state(*key) not in {AttemptState.ENDED, AttemptState.RETURNED}
                ]
                left = end - time.monotonic()
                if starts or stops or left <= 0 or self.down:
                    return OrdersReply(starts=starts, stops=stops, head=self.shown)
                self.news.wait(min(left, 0.2))

    def do_reports(self, _method, _names, _query, body):
        request = ReportRequest.model_validate_json(body)
        with self.lock:
            self.reports.append(request)
            for item in request.statuses:
                if item.state is not AttemptState.BOUND:
                    old = self.statuses.get((item.job, item.attempt))
                    self.statuses[item.job, item.attempt] = item
                    if old is None or old.state is not item.state:
                        self.history.append((item.job, item.attempt, item.state))
            for usage in request.usages:
                key = (usage.body["job"], usage.body["attempt"])
                self.usage_count[key] = self.usage_count.get(key, 0) + (self.usages.get(key) != usage)
                self.usages[key] = usage
            self.seals += request.seals
        return ReportReply(
            statuses=[ReportItem(job=one.job, attempt=one.attempt, accepted=True) for one in request.statuses],
            usages=[
                ReportItem(job=one.body["job"], attempt=one.body["attempt"], accepted=True) for one in request.usages
            ],
        )

    def do_logs(self, _method, _names, _query, body):
        offsets = []
        with self.lock:
            for piece in LogsRequest.model_validate_json(body).pieces:
                key = (piece.job, piece.attempt, piece.stream)
                have = self.logs.setdefault(key, bytearray())
                if self.state(piece.job, piece.attempt) is AttemptState.ENDED:
                    raise AssertionError("output after the end was reported")
                data = base64.b64decode(piece.data)
                if piece.offset <= len(have):
                    have += data[len(have) - piece.offset :]
                if piece.truncated:
                    self.truncated.add(key)
                offsets.append(len(have))
        return LogsReply(offsets=offsets)

    def do_agreement(self, *_):
        return self.agreement()

    def do_heads(self, _method, _names, query, _body):
        since = int(query["since"][0])
        with self.lock:
            return HeadReply(head=self.shown, entries=[entry.json() for entry in self.entries if entry.seq > since])

    def do_pieces(self, method, names, _query, body):
        piece = names[-1]
        with self.lock:
            if method == "POST":
                asked = MissingRequest.model_validate_json(body).pieces
                return MissingReply(missing=[one for one in asked if one not in self.pieces])
            if method == "PUT":
                assert sha256(body) == piece
                self.pieces[piece] = body
                return None
            if piece in self.denied:
                raise Refuse(403, "not-allowed", "the site has no job of this project")
            if piece not in self.pieces:
                raise Refuse(404, "not-found", f"no piece {piece}")
            return self.pieces[piece]


def usage_of(hub, job, attempt=1):
    return json.loads(json.dumps(hub.usages[job, attempt].body))
