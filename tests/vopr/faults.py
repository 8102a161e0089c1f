"""What may go wrong, how often it does in one seed, and for how long."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Every kind of fault; each is counted when it really happens."""

    MESSAGE_LOST = "message lost"
    REPLY_LOST = "reply lost"
    MESSAGE_LATE = "message delayed past every patience"
    MESSAGE_TWICE = "message delivered twice"
    SLOW_LINE = "messages overtake each other"
    PARTITION = "partition, both ways"
    PARTITION_TO_HUB = "partition, only to the hub"
    PARTITION_FROM_HUB = "partition, only from the hub"
    AGENT_CRASH = "agent killed"
    AGENT_CRASH_IN_JOURNAL = "agent killed before or after a commit of its journal"
    OLD_JOURNAL = "agent restored from an old journal"
    LOST_JOURNAL = "agent restored without a journal"
    SECOND_AGENT = "second agent with the same key"
    JOURNAL_FULL = "disk full at the journal"
    HUB_CRASH = "hub killed between two transactions"
    HUB_CRASH_IN_COMMIT = "hub killed before or after a commit"
    STORE_FULL = "disk full at the hub's database"
    STORE_ANSWER_LOST = "commit done and its answer lost"
    AGENT_CLOCK = "agent's clock jumps"
    HUB_CLOCK = "hub's clock jumps"
    START_FAILS = "hand-over fails"
    START_DONE_AND_LOST = "hand-over is done and then times out"
    START_LATE = "hand-over takes effect after it timed out"
    START_REFUSED = "scheduler refuses"
    SLOW_CLUSTER = "scheduler's command takes long"
    STOP_FAILS = "stop fails"
    STOP_DONE_AND_LOST = "stop is done and then times out"
    LOOK_FAILS = "look fails"
    LOOK_STALE = "look shows the past"
    USAGE_FAILS = "accounting fails"
    USAGE_LATE = "accounting is late"
    CAPACITY_FAILS = "capacity fails"
    NODE_FAILURE = "node fails, job over"
    NODE_REQUEUE = "node fails, job queued again"
    PREEMPTION = "owner takes a guest's place"
    REQUEUE = "operator queues a job again"
    REQUEUE_ENDED = "operator queues an ended job again"
    FOREIGN_CANCEL = "operator cancels at the cluster"
    FORGOTTEN = "cluster forgets a job"
    USER_CANCEL = "user cancels"
    CALLED_HOME = "hub calls a running job home"
    DRAIN = "operator drains the site"


_RATES: Mapping[Fault, float] = {
    Fault.MESSAGE_LOST: 0.05,
    Fault.REPLY_LOST: 0.08,
    Fault.MESSAGE_LATE: 0.02,
    Fault.MESSAGE_TWICE: 0.05,
    Fault.SLOW_LINE: 0.15,
    Fault.AGENT_CRASH: 0.004,
    Fault.AGENT_CRASH_IN_JOURNAL: 0.008,
    Fault.JOURNAL_FULL: 0.01,
    Fault.HUB_CRASH: 0.003,
    Fault.HUB_CRASH_IN_COMMIT: 0.02,
    Fault.STORE_FULL: 0.08,
    Fault.STORE_ANSWER_LOST: 0.02,
    Fault.START_FAILS: 0.1,
    Fault.START_DONE_AND_LOST: 0.2,
    Fault.START_LATE: 0.1,
    Fault.START_REFUSED: 0.03,
    Fault.SLOW_CLUSTER: 0.05,
    Fault.STOP_FAILS: 0.2,
    Fault.STOP_DONE_AND_LOST: 0.2,
    Fault.LOOK_FAILS: 0.1,
    Fault.LOOK_STALE: 0.15,
    Fault.USAGE_FAILS: 0.1,
    Fault.USAGE_LATE: 0.3,
    Fault.CAPACITY_FAILS: 0.05,
}
"""Chance at each occasion, in a seed that has the fault at all."""

_EVERY_S: Mapping[Fault, float] = {
    Fault.PARTITION: 72,
    Fault.PARTITION_TO_HUB: 90,
    Fault.PARTITION_FROM_HUB: 90,
    Fault.OLD_JOURNAL: 72,
    Fault.LOST_JOURNAL: 144,
    Fault.SECOND_AGENT: 90,
    Fault.AGENT_CLOCK: 90,
    Fault.HUB_CLOCK: 144,
    Fault.NODE_FAILURE: 72,
    Fault.NODE_REQUEUE: 72,
    Fault.PREEMPTION: 54,
    Fault.REQUEUE: 54,
    Fault.REQUEUE_ENDED: 72,
    Fault.FOREIGN_CANCEL: 72,
    Fault.FORGOTTEN: 144,
    Fault.USER_CANCEL: 36,
    Fault.CALLED_HOME: 30,
    Fault.DRAIN: 120,
}
"""Mean seconds between two, in a seed that has the fault at all."""


_FORGETTING = frozenset({Fault.OLD_JOURNAL, Fault.LOST_JOURNAL, Fault.SECOND_AGENT})
"""An agent that has forgotten an attempt that is over does not look at it any more, and nobody reminds it: that an
operator queues such an attempt again is then not noticed. That is a limit of Foedus, and no seed has both."""


@dataclass(slots=True)
class Plan:
    """The faults of one seed. Each seed has some kinds only: what hides behind a frequent fault is found in another."""

    chance: random.Random
    kinds: frozenset[Fault]
    on: bool = True

    @classmethod
    def drawn(cls, chance: random.Random) -> "Plan":
        share = chance.choice((0.2, 0.5, 0.9))
        kinds = {kind for kind in Fault if chance.random() < share}
        if Fault.REQUEUE_ENDED in kinds:
            kinds -= _FORGETTING if chance.random() < 0.5 else {Fault.REQUEUE_ENDED}
        return cls(chance=chance, kinds=frozenset(kinds))

    def hits(self, kind: Fault) -> bool:
        """Say whether it happens on this occasion."""
        return self.on and kind in self.kinds and self.chance.random() < _RATES[kind]

    def next(self, kind: Fault) -> float | None:
        """Return the seconds until it happens the next time; `None` if never."""
        return self.chance.expovariate(1 / _EVERY_S[kind]) if self.on and kind in self.kinds else None

    @property
    def timed(self) -> tuple[Fault, ...]:
        """Those that come by time and not by occasion, in a fixed order."""
        return tuple(kind for kind in _EVERY_S if kind in self.kinds)
