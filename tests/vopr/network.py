"""The network between agents and hub: letters travel, get lost, overtake each other and come twice."""

from collections.abc import Callable
from dataclasses import dataclass

from foedus.agent.post import Letter
from foedus.client.steps import Answer
from foedus.core.base.errors import Unreachable
from foedus.core.base.instant import Instant
from vopr.faults import Fault, Plan
from vopr.world import Bell, World

Deliver = Callable[[str, Letter, Instant, Callable[[Answer | None], None]], None]
"""Hands a letter of a site to the hub, with the time of its signature; `None` as answer: the connection broke."""


class Network:
    """What lies between the sites and the hub."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.deliver: Deliver | None = None
        self.cut_to_hub: dict[str, float] = {}
        """Until when nothing gets from a site to the hub."""
        self.cut_from_hub: dict[str, float] = {}

    def line(self, agent) -> "Line":
        return Line(network=self, agent=agent)

    def cut(self, site: str, seconds: float, *, to_hub: bool, from_hub: bool) -> None:
        until = self.world.seconds + seconds
        if to_hub:
            self.cut_to_hub[site] = until
        if from_hub:
            self.cut_from_hub[site] = until

    def heal(self) -> None:
        self.cut_to_hub.clear()
        self.cut_from_hub.clear()

    def lag(self) -> float:
        """Return how long a message travels."""
        if self.hits(Fault.SLOW_LINE):
            return self.world.chance.uniform(0.5, 8)
        return self.world.chance.uniform(0.005, 0.05)

    def hits(self, kind: Fault, who: str = "network", **facts: object) -> bool:
        if not self.plan.hits(kind):
            return False
        self.world.fault(kind, who, **facts)
        return True


@dataclass(slots=True)
class Line:
    """One agent's end: a `Carrier`."""

    network: Network
    agent: object
    down: bool = False

    def open(self) -> None:
        self.down = False

    def hang_up(self, patience: float) -> None:
        self.down = True

    def carry(self, letter: Letter) -> Answer:
        if self.down:
            raise Unreachable("the line to the hub is hung up")
        agent, network, world = self.agent, self.network, self.network.world
        agent.point()
        inbox = _Inbox(world)
        facts = {"epoch": letter.epoch, "series": letter.series, "number": letter.sequence}
        if not network.hits(Fault.MESSAGE_LOST, agent.name, **facts):
            late = network.hits(Fault.MESSAGE_LATE, agent.name, **facts)
            self._send(letter, inbox.take, letter.patience + world.chance.uniform(0, 60) if late else network.lag())
            if network.hits(Fault.MESSAGE_TWICE, agent.name, **facts):
                self._send(letter, _nobody, world.chance.uniform(0.01, 40))
        inbox.bell.wait(letter.patience)
        agent.point()
        if inbox.answer is None:
            raise Unreachable("no answer")
        return inbox.answer

    def _send(self, letter: Letter, take: Callable[[Answer | None], None], lag: float) -> None:
        network, world, site = self.network, self.network.world, self.agent.site.name
        signed = self.agent.site.clock.now()

        def arrive() -> None:
            if network.cut_to_hub.get(site, 0) > world.seconds:
                world.counts["letters stopped by a partition"] += 1
                return
            network.deliver(site, letter, signed, reply)

        def reply(answer: Answer | None) -> None:
            if network.cut_from_hub.get(site, 0) > world.seconds:
                world.counts["answers stopped by a partition"] += 1
            elif not network.hits(Fault.REPLY_LOST, site, series=letter.series, number=letter.sequence):
                world.after(network.lag(), lambda: take(answer))

        world.after(lag, arrive)


class _Inbox:
    """Where an answer is waited for; what comes later is thrown away."""

    def __init__(self, world: World) -> None:
        self.bell = Bell(world)
        self.answer: Answer | None = None

    def take(self, answer: Answer | None) -> None:
        if not self.bell.is_set():
            self.answer = answer
            self.bell.set()


def _nobody(answer: Answer | None) -> None:
    """Throw the answer to a repeated letter away: who sent it once has one."""
