"""A site: its cluster, and the agent's processes with their journals, as they die and come back."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import OperationalError

from foedus.agent.context import Context, Signals
from foedus.agent.folder import StateFolder
from foedus.agent.hub import Hub
from foedus.agent.meter import Meter
from foedus.agent.reconcile import Rules
from foedus.agent.settings import AgentSettings
from foedus.agent.site_key import SiteKey
from foedus.agent.starter import HandOver
from foedus.agent.threads import Turns
from foedus.agent.wiring import loops
from foedus.core.base.dsse import Signer
from foedus.core.base.instant import Instant, after
from foedus.process.clock import SteadyClock
from foedus.store.journal import Change, Journal
from foedus.store.journal_rows import Row
from vopr.alliance import HOME, alliance, key, policy
from vopr.bugs import Bug
from vopr.cluster import SETTLE_S, Cluster, Face
from vopr.faults import Fault, Plan
from vopr.network import Network
from vopr.world import Bell, Killed, Process, World

LOST_AFTER_S = 90
GRACE_S = 10


@dataclass(slots=True)
class Disk:
    """A journal's bytes, as they would be found after a crash; and copies of them from earlier."""

    image: bytes | None = None
    backups: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class SiteClock:
    """The clock of the site's machine."""

    world: World
    off: float = 0.0

    def now(self) -> Instant:
        return after(self.world.now, self.off)


class Diary(Journal):
    """The real journal in memory; its process may die on both sides of a commit, and its disk may be full."""

    def __init__(self, disk: Disk, agent: "AgentProcess") -> None:
        self._disk = disk
        self._agent = agent
        super().__init__(Path(":memory:"))

    def _load(self) -> None:
        if self._disk.image is not None:
            self._db.deserialize(self._disk.image)
        super()._load()

    def save(self) -> None:
        """Keep what is committed."""
        self._disk.image = self._db.serialize()

    def tell(self, name: str, value: str) -> None:
        """Write a note as the operator's own command does, which is another process."""
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    @contextmanager
    def _change(self):
        agent = self._agent
        with super()._change() as db:
            yield db
            if agent.hits(Fault.JOURNAL_FULL):
                raise OperationalError("database or disk is full")
            if agent.hits(Fault.AGENT_CRASH_IN_JOURNAL):
                agent.die()
        if agent.hits(Fault.AGENT_CRASH_IN_JOURNAL):
            agent.die()


class OneKey(SiteKey):
    """A site's key, which is no file here."""

    def __init__(self, site: str) -> None:
        super().__init__(Path("/nowhere"))
        self._held = key(site)

    def present(self) -> Signer:
        return self._held


class AgentProcess(Process):
    """One process of an agent, all of whose parts run as they do in production."""

    __slots__ = ("context", "disk", "journal", "plan", "site", "world")

    def __init__(self, site: "Site", number: int, disk: Disk, network: Network, bug: Bug) -> None:
        super().__init__(name=f"{site.name}#{number}")
        self.site, self.world, self.plan, self.disk = site, site.world, site.plan, disk
        self.journal = Diary(disk, self)
        self.context = self._context(network, bug)
        for loop in loops(self.context, policy(), self._at_once):
            turns = Turns(loop=loop, context=self.context, draw=self.world.chance.random)
            self.world.spawn(self, lambda turns=turns: self._pump(turns))
        self.world.spawn(self, self._watch)

    def _context(self, network: Network, bug: Bug) -> Context:
        world, site = self.world, self.site
        given = alliance()
        face = Face(cluster=site.cluster, world=world, plan=self.plan, who=self.name, point=self.point)
        bells = {name: Bell(world) for name in ("orders", "starts", "looks", "reports", "logs", "outputs", "heads")}
        return Context(
            settings=site.settings,
            folder=site.folder,
            site=site.name,
            alliance=given.agreement.id,
            keys=OneKey(site.name),
            journal=self.journal,
            clock=SteadyClock(site.clock, lambda: world.seconds),
            machine=site.clock,
            driver=bug.driver(face),
            hub=bug.hub(Hub(network.line(self), site.name)),
            meter=Meter(
                alliance=given.agreement.id,
                site=site.name,
                partner=HOME[site.name],
                source=face.source,
                key=lambda: key(site.name),
            ),
            rules=Rules(settle_s=SETTLE_S, lost_after_s=LOST_AFTER_S, grace_s=GRACE_S),
            log=_Log(world, self.name),
            agreement=given.agreement,
            flags=self.journal.flags(),
            signals=Signals(**bells),
            greeted=Bell(world),
            stopping=Bell(world),
        )

    def _at_once(self, hand: HandOver, rows: Sequence[Row], width: int) -> list[Change | None]:
        """Hand attempts over in so many tasks, which take them one after the other."""
        found: list[Change | None] = [None] * len(rows)
        left, done = list(enumerate(rows)), Bell(self.world)
        busy = width

        def work() -> None:
            nonlocal busy
            while left:
                number, row = left.pop(0)
                found[number] = hand(row)
            busy -= 1
            done.set()

        for _ in range(width):
            self.world.spawn(self, work)
        while busy:
            done.wait(3600)
            done.clear()
        return found

    def _pump(self, turns: Turns) -> None:
        stopping = self.context.stopping
        while not stopping.is_set():
            rest = turns.take()
            if rest.light:
                turns.loop.wake.wait(rest.seconds)
                turns.loop.wake.clear()
            else:
                stopping.wait(rest.seconds)

    def _watch(self) -> None:
        """Obey the operator's flags, as the agent's main thread does; and end where the agent ends."""
        context = self.context
        while not context.stopping.wait(2.0):
            flags = context.journal.flags()
            if flags != context.flags:
                context.flags = flags
                for bell in context.signals.all():
                    bell.set()
        for bell in context.signals.all():
            bell.set()
        self.world.note(self.name, "ends", why=context.fatal)
        self.world.after(40, lambda: self.site.over(self))

    @property
    def fatal(self) -> bool:
        """Whether it had to stop because another agent has taken over."""
        return bool(self.context.fatal)

    def point(self) -> None:
        """A moment at which the process may be killed."""
        if self.hits(Fault.AGENT_CRASH):
            self.die()

    def hits(self, kind: Fault) -> bool:
        if not self.alive or not self.plan.hits(kind):
            return False
        self.world.fault(kind, self.name)
        return True

    def die(self) -> None:
        """Be killed, inside a task of its own."""
        self.alive = False
        self.world.after(0, lambda: self.site.over(self))
        raise Killed

    def killed(self) -> None:
        """Be killed from outside, or be cleared away."""
        self.world.kill(self)
        self.journal.save()
        self.journal.close()


class _Log:
    """The agent's own log is a part of the history."""

    def __init__(self, world: World, who: str) -> None:
        self._world = world
        self._who = who

    def _line(self, event: str, **facts: object) -> None:
        self._world.note(self._who, event, **facts)

    info = warning = error = critical = debug = _line

    def exception(self, event: str, **facts: object) -> None:
        """A bug that the agent outlives is one all the same."""
        raise AssertionError(f"{self._who}: {event} {facts}")


class Site:
    """A site with its cluster, and the processes that run, or wrongly also run, as its agent."""

    def __init__(self, world: World, plan: Plan, name: str, *, network: Network, bug: Bug, work: Path) -> None:
        self.world, self.plan, self.name, self.network, self.bug = world, plan, name, network, bug
        self.cluster = Cluster(world, name)
        self.clock = SiteClock(world)
        shutil.rmtree(work / name, ignore_errors=True)  # of the seed before
        self.folder = StateFolder(path=work / name / "state").make()
        self.settings = _settings(work / name / "jobs", world.chance.choice)
        self.running: list[AgentProcess] = []
        self._disk = Disk()
        self._number = 0

    def begin(self, disk: Disk | None = None) -> None:
        """Start an agent; with another disk than the site's own it is one too many."""
        self._number += 1
        own = disk is None or disk is self._disk
        process = AgentProcess(self, self._number, self._disk if disk is None else disk, self.network, self.bug)
        self.world.note(process.name, "starts", own=own, journal=process.disk.image is not None)
        self.running.append(process)

    def backup(self) -> None:
        """Copy the journal, as backups do."""
        for process in self.running[:1]:
            process.journal.save()
            process.disk.backups.append(process.disk.image)

    def over(self, process: AgentProcess) -> None:
        """Clear a process away that is dead; its supervisor starts it again, unless another agent has taken over."""
        if process not in self.running:
            return
        process.killed()
        self.running.remove(process)
        self.world.after(self.world.chance.uniform(1, 15), lambda: self._again(process.disk))

    def _again(self, disk: Disk) -> None:
        if not self.running:
            self._disk = disk
            self.begin()

    def kill(self, change: Callable[[Disk], None] | None = None) -> bool:
        """Kill the agent from outside; its journal may be another one afterwards."""
        if not self.running:
            return False
        process = self.running[0]
        process.killed()
        self.running.remove(process)
        if change is not None:
            change(process.disk)
        self.world.after(self.world.chance.uniform(1, 15), lambda: self._again(process.disk))
        return True

    def second(self) -> bool:
        """Start a second agent: on a copy of the journal of this moment, on an old one, or on none."""
        if len(self.running) != 1:
            return False
        first = self.running[0]
        first.journal.save()
        images = [first.disk.image, None, *first.disk.backups[-1:]]
        self.begin(Disk(image=self.world.chance.choice(images)))
        return True

    def heal(self) -> None:
        """Set clock and flags right, and see to it that one agent runs."""
        self.clock.off = 0.0
        for process in self.running:
            process.journal.tell("draining", "")
        if not self.running:
            self.begin()


def _settings(work: Path, choose) -> AgentSettings:
    return AgentSettings(
        policy=Path("/nowhere"),
        accounts=work.parents[1] / "accounts.toml",
        work=work,
        allow_root=True,
        lowest_uid=1,
        look_s=choose((3, 6)),
        idle_look_s=20,
        poll_s=60,
        report_s=choose((20, 40)),
        capacity_s=choose((0, 3)),
        board_s=choose((30, 60, 300)),
        log_tail_s=5,
        settle_s=SETTLE_S,
        lost_after_s=LOST_AFTER_S,
    )
