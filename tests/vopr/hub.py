"""The hub's process: the real routes, broker and store, called in the order in which the world lets things arrive."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from structlog.testing import capture_logs

from foedus.agent.post import Letter
from foedus.client.steps import Answer
from foedus.core.base.errors import FoedusError, NotAuthenticated, Unreachable
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, after, seconds_between
from foedus.flow.call_home import call_home
from foedus.flow.files import put_piece
from foedus.flow.orders import enrolled
from foedus.flow.ports import BROKER, orders_topic
from foedus.hub.api import agents as routes
from foedus.hub.api.signed import Signed, accept
from foedus.hub.broker import Broker
from foedus.hub.errors import STATUS
from foedus.hub.keys import HubKeys
from foedus.hub.settings import HubSettings
from foedus.hub.shares import Queue, Rate
from foedus.hub.wiring import Hub
from foedus.keys import ed25519
from foedus.store.unit import SqlStore
from foedus.wire.agents import HelloRequest, LogsRequest, OrdersReply, OrdersRequest, ReportRequest
from foedus.wire.errors import view_of
from foedus.wire.files import MissingRequest
from foedus.wire.message import Message
from vopr.alliance import alliance, key, raw
from vopr.bugs import Bug
from vopr.faults import Fault, Plan
from vopr.world import World

Reply = Callable[[Answer | None], None]
_SETTINGS = {"state": Path("/nowhere"), "fresh_s": 45, "promise_s": 40, "rest_s": 15, "pass_s": 30}


class HubKilled(BaseException):
    """The hub's process is dead."""


class OneKey(HubKeys):
    """The hub's key, which is no file here."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self._held = {key("hub").key: key("hub")}

    def _read(self):
        return self._held


class Store(SqlStore):
    """The real store; around each commit the process may die, the disk be full, or the answer get lost."""

    def __init__(self, hub: "HubProcess", bug: Bug) -> None:
        super().__init__(alliance().database)
        self._hub = hub
        self._bug = bug

    @contextmanager
    def begin(self):
        hub = self._hub
        if hub.hits(Fault.HUB_CRASH):
            raise HubKilled
        with super().begin() as tx:
            yield self._bug.transaction(tx, hub.claimed)
            if hub.hits(Fault.STORE_FULL):
                raise Unreachable("the database file cannot be used: database or disk is full")
            if hub.hits(Fault.HUB_CRASH_IN_COMMIT):
                raise HubKilled
        if hub.hits(Fault.HUB_CRASH_IN_COMMIT):
            raise HubKilled
        if hub.hits(Fault.STORE_ANSWER_LOST):
            raise Unreachable("the connection to the database was lost")


class Pieces:
    """The bytes of pieces, on a disk that nothing happens to."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], bytes] = {}

    def put(self, project: str, piece: str, data: bytes) -> None:
        self._held[project, piece] = data

    def get(self, project: str, piece: str) -> bytes | None:
        return self._held.get((project, piece))


@dataclass(slots=True, eq=False)
class _Poll:
    """A long poll that the hub holds back."""

    agent: Signed
    request: OrdersRequest
    until: float
    reply: Reply


class HubProcess:
    """One hub, which dies and comes back on the same database."""

    def __init__(self, world: World, plan: Plan, bug: Bug) -> None:
        self.world, self.plan, self.bug = world, plan, bug
        self.off = 0.0
        """How wrong its clock is."""
        self.up = False
        self.claimed = 0
        """The epoch that the letter in hand names; 0 while there is none."""
        self.looked: Callable[[str], None] = lambda what: None
        """Called after everything that the hub did."""
        self.database = raw(alliance().database)
        self.database.deserialize(alliance().image)
        self.pieces = Pieces()
        self.called: set[str] = set()
        """Jobs that were called home."""
        self._polls: list[_Poll] = []
        self._topics: set[str] = set()
        self._life = 0
        self._rung = False
        """A pass of the broker is about to begin."""
        self.start()

    def now(self) -> Instant:
        """Return what its clock says."""
        return after(self.world.now, self.off)

    def _seconds(self) -> float:
        return self.world.seconds

    def start(self) -> None:
        """Begin anew, with nothing but the database."""
        if self.up:
            return
        self.up = True
        self._rung = False
        self._life += 1
        store = Store(self, self.bug)
        settings = HubSettings(**_SETTINGS)
        self.hub = Hub(
            settings=settings,
            store=store,
            leader=store.leader(),
            pieces=self.pieces,
            keys=OneKey(),
            verify=ed25519.verify,
            clock=self,
            rate=Rate(settings.requests_per_s, self._seconds),
            queue=Queue(settings.most_waiting, self._seconds),
            _rules=(1, alliance().rules),
        )
        self._deaf = store.listen(self._topics.add)
        self._broker = Broker(self.hub, None, seconds=self._seconds)
        self.world.note("hub", "starts")
        life = self._life
        self.world.after(1, lambda: self._pass(life))

    def stop(self) -> None:
        """Die: whoever waits for an answer gets none."""
        self.up = False
        self._deaf()
        self._topics.clear()
        polls, self._polls = self._polls, []
        for poll in polls:
            poll.reply(None)
        self.world.note("hub", "is dead")
        self.world.after(self.world.chance.uniform(0.5, 20), self.start)

    def hits(self, kind: Fault) -> bool:
        if not self.plan.hits(kind):
            return False
        self.world.fault(kind, "hub")
        return True

    # -- what arrives

    def deliver(self, site: str, letter: Letter, signed: Instant, reply: Reply) -> None:
        """Take an agent's letter: first its epoch and number, then, a moment later, what it asks for."""
        agent: list[Signed] = []
        facts = {"epoch": letter.epoch, "number": letter.sequence}

        def check() -> None:
            agent.append(self._accept(site, letter, signed))

        if self._guarded(check, reply, letter, f"accepts {letter.series} of {site}", **facts):
            life = self._life
            lag = self.world.chance.choice((0.001, 0.01, 3.0) if self.plan.on else (0.001,))
            self.world.after(lag, lambda: self._act(life, agent[0], letter, reply))

    def _act(self, life: int, agent: Signed, letter: Letter, reply: Reply) -> None:
        if life == self._life and self.up:
            self._guarded(lambda: self._answer(agent, letter, reply), reply, letter, "")
        else:
            reply(None)

    def call(self, act: Callable[[Hub], Answer], reply: Reply) -> None:
        """Take a user's call."""
        self._guarded(lambda: reply(act(self.hub)), reply, None, "")

    def _guarded(
        self, act: Callable[[], None], reply: Reply, letter: Letter | None, what: str, **facts: object
    ) -> bool:
        """Do something as the process does: errors are answers, and it may die."""
        if not self.up:
            reply(None)
            return False
        self.claimed = letter.epoch if letter is not None else 0
        good = False
        try:
            with capture_logs():
                act()
            good = True
        except HubKilled:
            self.stop()
            reply(None)
        except FoedusError as error:
            self.world.note("hub", f"says {error.code}", words=error.message)
            reply(Answer(status=STATUS[error.code], headers={}, body=view_of(error).model_dump_json().encode()))
        finally:
            self.claimed = 0
        if what:
            self.world.note("hub", what if good else f"{what}: no", **facts)
        self._ring()
        self.looked(what)
        return good

    def _accept(self, site: str, letter: Letter, signed: Instant) -> Signed:
        with self.hub.store.read() as tx:
            record = enrolled(tx, site)
        if abs(seconds_between(self.now(), signed)) > CLOCK_SLACK_S:
            raise NotAuthenticated("the clocks differ")
        record = self.bug.record(record, letter.epoch)
        return accept(self.hub, record, letter.series, epoch=letter.epoch, sequence=letter.sequence)

    def _answer(self, agent: Signed, letter: Letter, reply: Reply) -> None:
        hub = self.hub
        match letter.series:
            case "hello":
                found: Message = routes.hello_now(hub, agent, HelloRequest.model_validate_json(letter.body))
            case "orders":
                self._hold(agent, OrdersRequest.model_validate_json(letter.body), reply)
                return
            case "reports":
                found = routes.agent_report(hub, agent, ReportRequest.model_validate_json(letter.body))
            case "logs":
                found = routes.agent_logs(hub, agent, LogsRequest.model_validate_json(letter.body))
            case "agreement":
                found = routes.agent_agreement(hub, agent)
            case "heads":
                since = parse_qs(urlsplit(letter.path).query)["since"][0]
                found = routes.agent_heads(hub, agent, int(since))
            case "pieces":
                reply(self._pieces(agent, letter))
                return
            case other:
                raise AssertionError(other)
        self._done(agent, letter.series)
        reply(_good(found))

    def _pieces(self, agent: Signed, letter: Letter) -> Answer:
        """Keep a piece, return one, or say which are missing."""
        project, last = letter.path.rpartition("/projects/")[2].split("/pieces/")
        if letter.method == "POST":
            asked = MissingRequest.model_validate_json(letter.body)
            return _good(routes.agent_missing(self.hub, agent, project, asked))
        if letter.method == "GET":
            return Answer(status=200, headers={}, body=routes.agent_get_piece(self.hub, agent, project, last).body)
        routes._in_project(self.hub, agent, project, lambda _: None)
        put_piece(self.hub.store, self.hub.pieces, project, last, data=letter.body, now=self.now())
        return Answer(status=204, headers={}, body=b"")

    def call_home(self) -> dict | None:
        """Call a running job home, as the broker does where another is due there."""
        running = self.database.execute(
            "SELECT job, number FROM attempts WHERE state = 'running' ORDER BY job"
        ).fetchall()
        if not (self.up and running):
            return None
        job, number = self.world.chance.choice(running)
        self.called.add(job)

        def call() -> None:
            def act(tx) -> bool:
                return call_home(tx, tx.jobs.get([job])[job], tx.attempts.get(job, number), self.now(), "as it is due")

            self.world.note("hub", "calls home", job=job, attempt=number, asked=self.hub.write(act))

        self._guarded(call, lambda answer: None, None, "")
        return {"job": job, "attempt": number}

    def _done(self, agent: Signed, series: str) -> None:
        """Check the fence: what an older agent asks for is never done."""
        if series in {"reports", "orders", "logs"}:
            (epoch,) = self.database.execute("SELECT epoch FROM sites WHERE site = ?", (agent.site,)).fetchone()
            if epoch != agent.epoch:
                raise AssertionError(f"a letter of epoch {agent.epoch} of {agent.site} was taken in epoch {epoch}")

    # -- the long poll

    def _hold(self, agent: Signed, request: OrdersRequest, reply: Reply) -> None:
        poll = _Poll(agent=agent, request=request, until=self.world.seconds + request.wait_s, reply=reply)
        if not self._look(poll):
            self._polls.append(poll)
            self.world.after(request.wait_s, lambda: self._again(poll))

    def _look(self, poll: _Poll) -> bool:
        found: OrdersReply = routes.orders_now(self.hub, poll.agent, poll.request)
        if not (found.starts or found.stops or self.world.seconds >= poll.until):
            return False
        self._done(poll.agent, "orders")
        poll.reply(_good(found))
        return True

    def _again(self, poll: _Poll) -> None:
        if poll in self._polls:
            self._polls.remove(poll)

            def look() -> None:
                if not self._look(poll):
                    self._polls.append(poll)

            letter = Letter(method="", path="", series="orders", epoch=poll.agent.epoch, sequence=0)
            self._guarded(look, poll.reply, letter, "")

    def _ring(self) -> None:
        """Wake who waits for what was committed."""
        topics = frozenset(self._topics)
        self._topics.clear()
        if BROKER in topics and not self._rung:
            self._rung = True
            life = self._life
            self.world.after(self.world.chance.choice((0.001, 1.0)), lambda: self._pass(life, again=False))
        for poll in [poll for poll in self._polls if orders_topic(poll.agent.site) in topics]:
            self.world.after(0.001, lambda poll=poll: self._again(poll))

    # -- the broker

    def _pass(self, life: int, *, again: bool = True) -> None:
        if life != self._life or not self.up:
            return
        self._rung = False
        self._guarded(self._broker.one_pass, lambda answer: None, None, "")
        if again:
            self.world.after(self.hub.settings.pass_s, lambda: self._pass(life))


def _good(found: Message) -> Answer:
    return Answer(status=200, headers={}, body=found.model_dump_json().encode())
