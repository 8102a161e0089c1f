"""After the storm, one thing at a time: how soon jobs are placed again after a crash, and a site that is away a day."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from chaos_bed import ChaosBed
from chaos_load import Load, Plan

from chaos.clocks import DAY_S
from chaos.proxy import Fault
from chaos.victims import Victim
from foedus.client import Client
from foedus.core.jobs.state import ENDED

_PATIENCE_S = 120.0
_LOOK_S = 0.05
_READY_S = 8
"""In which the jobs of a site that is to be cut off begin."""
_NOT_PLACED = {"pending", "bound"}
"""A job that is bound may still wait for the agent that was killed: it is placed when the cluster has it."""
_OWN = {"jerusalem": ("dana", "phishing-watch", "h100"), "baku": ("aysel", "form-reader", "a100")}
"""Whose jobs are a site's own, and the GPU that only this site has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds from crashes to the next placement."""

    of: str
    seconds: tuple[float, ...]
    goal: float

    def __str__(self) -> str:
        p95 = quantiles(self.seconds, n=20, method="inclusive")[-1] if len(self.seconds) > 1 else self.seconds[0]
        middle = median(self.seconds)
        word = "ok" if p95 <= self.goal else "short"
        return (
            f"recovery of {self.of}: next job placed p50 {middle:.1f} s, p95 {p95:.1f} s of {len(self.seconds)} times, "
            f"goal {self.goal:g} s {word}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """What became of a site's jobs while it was cut off and a day passed."""

    jobs: int
    killed: int
    seconds: float | None
    """From the healing until all was reported; `None` if it was not."""

    def __str__(self) -> str:
        said = "not all was reported" if self.seconds is None else f"all reported {self.seconds:.1f} s after healing"
        return f"a day cut off: {self.jobs} jobs at the site, {self.killed} killed, {said}, goal 60 s"


def recover(bed: ChaosBed, load: Load, times: int) -> list[Recovery]:
    """Crash each hub and each agent, start it at once, and see how long a job that comes then waits for its place.

    Before the first crash each site shows that it has room, so that nothing but the crash is timed.
    """
    hubs: list[float] = []
    agents: list[float] = []
    for site in _OWN:
        _placed(
            bed, load, site, f"before-{site}", time.monotonic()
        )  # what the storm left of the clusters has room again
    for number in range(times):
        hub = bed.victims["hub" if number % 2 == 0 else "hub2"]
        hubs.append(_placed_after(bed, load, hub, "jerusalem" if number % 4 < 2 else "baku", f"hub-{number}"))
        name = "jerusalem" if number % 2 == 0 else "baku"
        agents.append(_placed_after(bed, load, bed.agent(name), name, f"agent-{number}"))
    return [
        Recovery(of="a hub", seconds=tuple(hubs), goal=5),
        Recovery(of="an agent", seconds=tuple(agents), goal=10),
    ]


def _placed_after(bed: ChaosBed, load: Load, victim: Victim, site: str, tag: str) -> float:
    begun = time.monotonic()
    victim.kill_again()
    took = _placed(bed, load, site, f"after-{tag}", begun)
    bed.history.note("recovered", who=victim.name, seconds=round(took, 2))
    return took


def _placed(bed: ChaosBed, load: Load, site: str, tag: str, begun: float) -> float:
    """Submit a job that only this site can run, and see it through; return the seconds from `begun` until its place."""
    user, project, model = _OWN[site]
    plan = Plan(tag=tag, user=user, project=project, gpus=f"{model}:1", seconds=0.1)
    with bed.client(user) as client:
        job = load.submit(client, plan)
        _until(lambda: client.get(job).state not in _NOT_PLACED)
        took = time.monotonic() - begun
        client.wait([job], timeout_s=_PATIENCE_S)
    return took


def a_day_away(bed: ChaosBed, load: Load, site: str, count: int, cut_s: float) -> Away:
    """Cut a site off while its jobs run, let all clocks of Foedus go on by a day, and heal the line."""
    user, project, model = _OWN[site]
    with bed.client(user) as client:
        jobs = [
            load.submit(
                client,
                Plan(
                    tag=f"away-{number}",
                    user=user,
                    project=project,
                    gpus=f"{model}:1",
                    seconds=cut_s * 0.7 + _READY_S if number % 2 == 0 else cut_s + 2 * _READY_S,
                ),
            )
            for number in range(count)
        ]
        _until(lambda: all(view.state in {"running", *ENDED} for view in client.status(jobs).jobs))
        bed.history.note("cut off", who=site)
        bed.lines[site].fault = Fault.CUT
        for clock in bed.clocks.values():
            clock.set(clock.ahead + DAY_S)
        time.sleep(cut_s)
        bed.lines[site].fault = Fault.NONE
        healed = time.monotonic()
        seconds = _reported(client, jobs[::2], healed)
        client.wait(jobs, timeout_s=_PATIENCE_S)
        killed = sum(view.state != "completed" for view in client.status(jobs).jobs)
    return Away(jobs=count, killed=killed, seconds=seconds)


def _reported(client: Client, jobs: list[str], since: float) -> float | None:
    while time.monotonic() < since + _PATIENCE_S:
        if all(view.state in ENDED for view in client.status(jobs).jobs):
            return time.monotonic() - since
        time.sleep(_LOOK_S)
    return None


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "no job is placed any more"
        time.sleep(_LOOK_S)
