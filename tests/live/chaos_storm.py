"""Everything that breaks, each with its own rest between two strikes."""

from collections.abc import Callable

from chaos_bed import ChaosBed

from chaos.nemeses import Cut, Nemesis, Span
from chaos.strikes import Age, Crash, Fill, Freeze, Jump, Restart, Twin

Rest = Callable[[float, float], Span]
_SHORT = Span(least=0, most=3)
_PAST_COMMANDS = Span(least=1, most=8)
_PAST_ALL = Span(least=20, most=40)
"""Longer than a site may be silent, than a request may take, than Slurm waits for a message."""


def nemeses(bed: ChaosBed, pace: float) -> list[Nemesis]:
    """Return all of them; `pace` stretches the rests."""

    def rest(least: float, most: float) -> Span:
        return Span(least=least * pace, most=most * pace)

    found: list[Nemesis] = []
    for name in ("hub", "hub2"):
        victim = bed.victims[name]
        found += [
            Crash(victim=victim, every=rest(12, 30), down=_SHORT),
            Freeze(victim=victim, every=rest(50, 120), down=_PAST_COMMANDS, long=_PAST_ALL),
            Jump(clock=bed.clocks[name], every=rest(60, 150), down=Span(least=3, most=12)),
        ]
    database = bed.victims["database"]
    found += [
        Crash(victim=database, every=rest(40, 90), down=_SHORT),
        Freeze(victim=database, every=rest(60, 150), down=_PAST_COMMANDS, long=_PAST_ALL),
        Fill(of="hub", disks=bed.disks["hub"], every=rest(80, 160), down=Span(least=2, most=8)),
        Cut(proxy=bed.door, of="clients", every=rest(20, 50), down=_SHORT),
    ]
    for name in bed.lines:
        found += [*_at_agent(bed, name, rest), *_at_cluster(bed, name, rest)]
    return [one for one in found if not isinstance(one, Fill) or all(disk.real for disk in one.disks)]


def _at_agent(bed: ChaosBed, name: str, rest: Rest) -> list[Nemesis]:
    agent, process = bed.agent(name), bed.alliance.agents[name]
    state = bed.state(name)
    return [
        Crash(victim=agent, every=rest(12, 30), down=_SHORT),
        Freeze(victim=agent, every=rest(40, 100), down=_PAST_COMMANDS, long=_PAST_ALL),
        Cut(proxy=bed.lines[name], of=f"line of {name}", every=rest(15, 40), down=Span(least=0.5, most=8)),
        Jump(clock=bed.clocks[name], every=rest(50, 120), down=Span(least=3, most=12)),
        Fill(of=name, disks=bed.disks[name], every=rest(60, 120), down=Span(least=2, most=8)),
        Twin(victim=agent, process=process, state=state, every=rest(50, 120), down=Span(least=3, most=8)),
        Age(victim=agent, state=state, every=rest(50, 120), down=_SHORT),
    ]


def _at_cluster(bed: ChaosBed, name: str, rest: Rest) -> list[Nemesis]:
    parts = [victim for victim in bed.victims.values() if victim.name.endswith(f" of {name}")]
    daemon = {victim.name.removesuffix(f" of {name}"): victim for victim in parts}
    ctld, dbd = daemon["slurmctld"], daemon["slurmdbd"]
    nodes = [victim for part, victim in daemon.items() if part.startswith("slurmd-")]
    return [
        Restart(victim=ctld, every=rest(30, 70), down=_SHORT),
        Crash(victim=ctld, every=rest(90, 200), down=_SHORT),
        Freeze(victim=ctld, every=rest(40, 100), down=_PAST_COMMANDS, long=_PAST_ALL),
        Crash(victim=dbd, every=rest(30, 70), down=_SHORT),
        Freeze(victim=dbd, every=rest(50, 120), down=_PAST_COMMANDS, long=_PAST_ALL),
        *(Crash(victim=node, every=rest(40, 90), down=_SHORT) for node in nodes),
        *(Freeze(victim=node, every=rest(60, 150), down=_PAST_COMMANDS, long=_PAST_COMMANDS) for node in nodes),
    ]
