"""One seed: the world is made, goes on until everything has come to its end, and is judged."""

import gc
import os
import pwd
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vopr.alliance import SITES
from vopr.bugs import BUGS, Bug
from vopr.faults import Plan
from vopr.hub import HubProcess
from vopr.invariants import Broken, Checker
from vopr.nemesis import Nemesis
from vopr.network import Network
from vopr.people import People
from vopr.site import Site
from vopr.world import World

_HEALED_WITHIN_S = 1200.0
"""Longest time, after the last fault, until everything has ended."""
_MOST_STEPS = 60_000


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a seed."""

    seed: int
    mode: str
    digest: str
    virtual_s: float
    cpu_s: float
    counts: Counter[str]
    failure: str = ""
    trail: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class Simulation:
    """Hub, sites, users and their troubles."""

    def __init__(self, seed: int, work: Path, bug: Bug | None = None) -> None:
        """Make the world of a seed; the agents make their jobs' folders in `work`, where those save what they do."""
        bug = bug or Bug()
        work = work / str(os.getpid())  # each process has its own, and every seed begins with an empty one
        work.mkdir(exist_ok=True)
        accounts = work / "accounts.toml"
        if not accounts.exists():
            accounts.write_text(f'[[account]]\naccount = "{pwd.getpwuid(os.geteuid()).pw_name}"\n')
        self.seed = seed
        self.world = world = World(seed)
        self.mode = "safety" if world.chance.random() < 0.25 else "liveness"
        self.plan = Plan.drawn(world.chance)
        self.network = Network(world, self.plan)
        self.hub = HubProcess(world, self.plan, bug)
        self.network.deliver = self.hub.deliver
        self.sites = [Site(world, self.plan, name, network=self.network, bug=bug, work=work) for name in SITES]
        self.people = People(world, self.plan, self.hub, self.network)
        self.checker = Checker(self.hub, self.sites, self.people)
        self.lasts = world.chance.choice((30.0, 60.0, 90.0))

    def run(self) -> Result:
        """Go through it all."""
        begun, failure = time.process_time(), ""
        gc.disable()  # nothing of a seed is thrown away before its end
        try:
            self._run()
        except Broken as error:
            failure = str(error)
        except Exception:  # noqa: BLE001  # whatever it is, it belongs to the seed
            failure = traceback.format_exc()
        finally:
            self._clear()
            gc.enable()
        return Result(
            seed=self.seed,
            mode=self.mode,
            digest=self.world.digest,
            virtual_s=self.world.seconds,
            cpu_s=time.process_time() - begun,
            counts=self._counts(),
            failure=failure,
            trail=self._trail(failure) if failure else [],
            lines=self.world.lines,
        )

    def _run(self) -> None:
        world = self.world
        world.note("vopr", self.mode, faults=sorted(self.plan.kinds))
        for site in self.sites:
            site.begin()
        self.people.begin(world.chance.choice((1, 2, 3, 4)), self.lasts / 2)
        nemesis = Nemesis(world, self.plan, hub=self.hub, sites=self.sites, network=self.network, people=self.people)
        self.checker.rerun = nemesis.rerun
        self._until(self.lasts)
        if self.mode == "liveness":
            self._heal()
            self._ends()
            self.checker.ended_well()
        self.checker.progress()
        self.checker.completions()
        self.checker.chain()

    def _until(self, seconds: float) -> None:
        while self.world.seconds < seconds:
            self._step()

    def _step(self) -> None:
        if not self.world.step():
            raise Broken("nothing is left to happen")
        self.checker.after_step()
        self.world.counts["events"] += 1
        if self.world.counts["events"] > _MOST_STEPS:
            raise Broken(f"does not come to rest within {_MOST_STEPS} events")

    def _heal(self) -> None:
        self.world.note("vopr", "everything heals")
        self.plan.on = False
        self.network.heal()
        self.hub.off = 0.0
        self.hub.start()
        for site in self.sites:
            site.heal()

    def _ends(self) -> None:
        """Wait until nothing is open any more."""
        limit = self.world.seconds + _HEALED_WITHIN_S
        while found := self.checker.open_ends():
            if self.world.seconds > limit:
                raise Broken(f"{found[0]}, {_HEALED_WITHIN_S:.0f} s after everything has healed ({len(found)} in all)")
            self._until(self.world.seconds + 5)

    def _clear(self) -> None:
        self.hub.up = False
        for site in self.sites:
            for process in site.running:
                process.killed()
        self.world.kill(self.people._crowd)

    def _counts(self) -> Counter[str]:
        counts = self.world.counts
        counts["jobs"] = len(self.checker._jobs)
        counts["attempts"] = len(self.checker._attempts)
        counts["runs at clusters"] = len(self.checker._runs())
        counts["usage records booked"] = len(self.checker.booked)
        counts["hand-overs in doubt"] = sum("in doubt" in line for line in self.world.lines)
        counts["attempts adopted from the board"] = sum("adopted:" in line for line in self.world.lines)
        counts["agents fenced off"] = sum("no longer takes this agent" in line for line in self.world.lines)
        return counts

    def _trail(self, failure: str) -> list[str]:
        """Return the lines about the job that the failure is about, and those without which they make no sense."""
        words = failure.split()
        job = words[1].rstrip(":") if words[:1] == ["job"] else ""
        marks = (f"job={job} ", f" {job} ", f"job={job}", " starts ", " is dead", " ends ", "vopr")
        return [line for line in self.world.lines if not job or any(mark in line for mark in marks)]


def simulate(seed: int, work: Path, bug: str | None = None) -> Result:
    """Run one seed in a process of a pool: its history stays there."""
    result = Simulation(seed, work, planted(bug)).run()
    result.lines = []
    return result


def planted(bug: str | None) -> Bug:
    """Return the bug of that name."""
    return BUGS[bug]() if bug else Bug()
