"""Virtual time, one thread, and all chance from one seed.

Code that blocks runs in a greenlet, as it is; where it would wait it comes back here, and something else happens.
"""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet

from foedus.core.base.instant import Instant, after, parse_iso

START = parse_iso("2026-11-23T08:00:00Z")


class Killed(BaseException):
    """The process that this happens in is dead: nothing of it goes on."""


@dataclass(eq=False, slots=True)
class Process:
    """What dies as a whole: an agent, the hub."""

    name: str
    alive: bool = True
    tasks: "list[Task]" = field(default_factory=list)


class Task:
    """One line of control of a process."""

    def __init__(self, world: "World", process: Process, act: Callable[[], None]) -> None:
        self._world = world
        self._process = process
        self._act = act
        self._inside = greenlet(self._run)
        self._turn = 0
        process.tasks.append(self)

    def _run(self) -> None:
        try:
            self._act()
        except Killed:
            self._process.alive = False

    def sleep(self, seconds: float, bell: "Bell | None" = None) -> None:
        """Let others go on, until the time is over or the bell rings. To be called from inside."""
        self._turn += 1
        turn = self._turn
        self._world.after(seconds, lambda: self._resume(turn))
        if bell is not None:
            bell.sleeper = lambda: self._world.after(0, lambda: self._resume(turn))
        self._world.main.switch()
        if not self._process.alive:
            raise Killed

    def _resume(self, turn: int) -> None:
        if turn == self._turn and not self._inside.dead:
            self._turn += 1
            self._inside.switch()

    def start(self) -> None:
        if self._process.alive:
            self._inside.switch()

    def end(self) -> None:
        """Unwind it where it waits; its process is dead."""
        self._turn += 1
        if self._inside:
            self._inside.throw(Killed)


class Bell:
    """Takes the place of a `threading.Event`."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._rung = False
        self.sleeper: Callable[[], None] | None = None

    def is_set(self) -> bool:
        return self._rung

    def set(self) -> None:
        self._rung = True
        sleeper, self.sleeper = self.sleeper, None
        if sleeper is not None:
            sleeper()

    def clear(self) -> None:
        self._rung = False

    def wait(self, seconds: float) -> bool:
        if not self._rung:
            self._world.sleep(seconds, self)
            self.sleeper = None
        return self._rung


class World:
    """What happens, in its order: by time, and at the same moment by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.main = getcurrent()
        self.seconds = 0.0
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        self._hash = hashlib.sha256()
        self._count = 0
        self._queue: list[tuple[float, float, int, Callable[[], None]]] = []
        self._tasks: dict[greenlet, Task] = {}

    @property
    def now(self) -> Instant:
        """The true time."""
        return after(START, self.seconds)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        entry = (self.seconds + max(0.0, seconds), self.chance.random(), self._count, act)
        heapq.heappush(self._queue, entry)

    def spawn(self, process: Process, act: Callable[[], None]) -> None:
        """Begin a line of control of a process."""
        task = Task(self, process, act)
        self._tasks[task._inside] = task
        self.after(0, task.start)

    def sleep(self, seconds: float, bell: Bell | None = None) -> None:
        """Wait, inside a task."""
        self._tasks[getcurrent()].sleep(seconds, bell)

    def kill(self, process: Process) -> None:
        """End a process. To be called from outside of it."""
        process.alive = False
        for task in process.tasks:
            task.end()
            self._tasks.pop(task._inside, None)
        process.tasks.clear()

    def step(self) -> bool:
        """Let the next thing happen; false if nothing is left."""
        if not self._queue:
            return False
        self.seconds, _, _, act = heapq.heappop(self._queue)
        act()
        return True

    def note(self, who: str, what: str, **facts: object) -> None:
        """Write a line of the history."""
        words = " ".join(f"{name}={value}" for name, value in facts.items())
        line = f"{self.seconds:10.3f} {who:<14} {what} {words}"
        self.lines.append(line)
        self._hash.update(line.encode() + b"\n")

    def fault(self, kind: str, who: str, **facts: object) -> None:
        """Note that a fault really happened."""
        self.counts[kind] += 1
        self.note(who, f"FAULT {kind}", **facts)

    @property
    def digest(self) -> str:
        """What stands for the whole history."""
        return self._hash.hexdigest()
