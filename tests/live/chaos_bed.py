"""The alliance that is struck: two hubs on a database of their own, two agents, two Slurm clusters, all breakable."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import slurm_bed_daemons as daemons
from alliance_bed import PARTNER, PEOPLE, PROJECTS, site
from chaos_auditor import Auditor
from chaos_operator import Operator
from slurm_bed import SlurmBed

import postgres
from chaos.clocks import FalseClock
from chaos.commands import BadCommands
from chaos.disks import SmallDisk, small_disks
from chaos.history import History
from chaos.proxy import Proxy
from chaos.victims import Supervisor, Victim
from foedus.cli.trial.alliance import Alliance
from foedus.cli.trial.processes import Process
from foedus.client import Client, Means, Retry

COMMAND_S = 4
"""How long an agent waits for a command of Slurm's."""
HUB = {"pass_s": "0.2", "fresh_s": "15", "promise_s": "30", "rest_s": "5"}
AHEAD = {**HUB, "ahead": "true"}
"""Of even seeds: sites get short jobs before they have room for them, and are asked for some of them back."""
AGENT = {"poll_s": 5, "lost_after_s": 60, "board_s": 60}
_DISK_MIB = 2048


@dataclass(slots=True, kw_only=True)
class ChaosBed:
    """Everything that runs, and every handle by which it can be broken."""

    slurm: SlurmBed
    alliance: Alliance
    folder: Path
    began: Path
    """Where the jobs note that they began."""
    urls: list[str]
    door: Proxy
    lines: dict[str, Proxy]
    commands: BadCommands
    clocks: dict[str, FalseClock]
    disks: dict[str, list[SmallDisk]]
    victims: dict[str, Victim]
    """``hub``, ``hub2``, ``agent of SITE``, ``database``, and ``DAEMON of SITE`` for each of Slurm's."""
    history: History
    auditor: Auditor

    def client(self, user: str, patience_s: float = 300) -> Client:
        """Return a client that asks again until it is answered."""
        means = Means(hub=self.door.url, retry=Retry(deadline_s=patience_s, most_s=1))
        return Client(self.door.url, self.alliance.token(user), means=means)

    def agent(self, name: str) -> Victim:
        return self.victims[f"agent of {name}"]

    def state(self, name: str) -> Path:
        """Return the folder of an agent's state."""
        return self.alliance.folder / name / "state"

    def work(self, name: str) -> Path:
        """Return the folder of the jobs' folders at a site."""
        return self.folder / f"{name}-work"

    def heal(self) -> None:
        """Let every line carry and every command work."""
        self.commands.end()
        for line in (self.door, *self.lines.values()):
            line.lose = 0


@contextmanager
def chaos_bed(slurm: SlurmBed, folder: Path, seed: int, history: History) -> Generator[ChaosBed]:
    """Bring everything up in a folder that every local account may pass through."""
    with ExitStack() as stack:
        folders = {part: folder / part for part in ("hub", "postgres", *_places())}
        disks = stack.enter_context(small_disks(list(folders.values()), _DISK_MIB))
        database = stack.enter_context(postgres.server(folders["postgres"]))
        door = stack.enter_context(Proxy([], seed=str(seed)))
        lines = {name: stack.enter_context(Proxy([], seed=f"{seed}/{name}")) for name in PARTNER}
        commands = BadCommands(folder / "bin", seed, COMMAND_S + 2)
        clocks = {name: FalseClock(name, folder / f"{name}.clock") for name in ("hub", "hub2", *PARTNER)}
        for name in PARTNER:
            slurm.clear(name)
            stack.callback(slurm.clear, name)
        alliance = _alliance(
            slurm,
            folder,
            database=database.create("chaos"),
            lines=lines,
            commands=commands,
            hub=HUB if seed % 2 else AHEAD,
        )
        stack.callback(alliance.stop)
        urls = _bring_up(alliance, clocks, (door, *lines.values()))
        began = folder / "began"
        began.mkdir()
        began.chmod(0o1777)
        bed = ChaosBed(
            slurm=slurm,
            alliance=alliance,
            folder=folder,
            began=began,
            urls=urls,
            door=door,
            lines=lines,
            commands=commands,
            clocks=clocks,
            disks={
                "hub": [disks[folders["hub"]], disks[folders["postgres"]]],
                **{name: [disks[folders[name]], disks[folders[f"{name}-work"]]] for name in PARTNER},
            },
            victims=_victims(slurm, alliance, database),
            history=history,
            auditor=Auditor(slurm, {name: folder / f"{name}-work" for name in PARTNER}),
        )
        with Supervisor(list(bed.victims.values()), history), Operator(slurm, history), bed.auditor:
            yield bed


def _places() -> list[str]:
    return [place for name in PARTNER for place in (name, f"{name}-work")]


def _alliance(
    slurm: SlurmBed,
    folder: Path,
    *,
    database: str,
    lines: dict[str, Proxy],
    commands: BadCommands,
    hub: Mapping[str, str],
) -> Alliance:
    sites = []
    for name, line in lines.items():
        plain = site(slurm, name, folder / f"{name}-work")
        path = f"{commands.folder}:/usr/local/bin:/usr/bin:/bin"
        driver = {**plain.driver, "path": path, "timeout": COMMAND_S}
        sites.append(replace(plain, driver=driver, settings={**plain.settings, **AGENT, "hub": line.url}))
    return Alliance(folder, sites, database=database, hub_settings=hub)


def _bring_up(alliance: Alliance, clocks: dict[str, FalseClock], doors: tuple[Proxy, ...]) -> list[str]:
    alliance.found()
    _turn(alliance.hub, clocks["hub"])
    alliance.start_hub()
    urls = [alliance.url, alliance.add_hub()]
    _turn(alliance.hubs[1], clocks["hub2"])
    alliance.hubs[1].kill()
    alliance.hubs[1].start()
    alliance.wait_for_hub(alliance.hubs[1], urls[1])
    for number, door in enumerate(doors):
        door.aim(urls if number % 2 == 0 else urls[::-1])
    for user, partner in PEOPLE.items():
        alliance.add_user(user, partner)
    for name, (sector, lead) in PROJECTS.items():
        alliance.open_project(name, title=name, sector=sector, lead=lead, gpu_hours=1_000_000)
    with alliance.client("office") as office:
        office.add_member("phishing-watch", "noam")
        office.add_member("form-reader", "kamran")
    for name in alliance.sites:
        alliance.enrol_site(name)
        _turn(alliance.agents[name], clocks[name])
        alliance.agents[name].start()
    alliance.wait_for_sites()
    return urls


def _turn(process: Process, clock: FalseClock) -> None:
    """Let a process go by that clock from its next start on."""
    process.environment = {**process.environment, **clock.environment}


def _victims(slurm: SlurmBed, alliance: Alliance, database: postgres.Server) -> dict[str, Victim]:
    found = [_foedus(process) for process in (*alliance.hubs, *alliance.agents.values())]
    found.append(
        Victim(
            "database",
            start=database.start,
            kill=database.kill,
            alive=lambda: database.alive,
            pids=lambda: [one.pid for one in database.family()],
        )
    )
    for name, cluster in slurm.clusters.items():
        conf = str(cluster.conf)
        found.append(_daemon(slurm, name, "slurmctld", ["slurmctld", "-D", "-f", conf]))
        found.append(_daemon(slurm, name, "slurmdbd", ["slurmdbd", "-D"]))
        found += [_daemon(slurm, name, f"slurmd-{node}", slurm.slurmd(name, node)) for node in cluster.nodes]
    return {victim.name: victim for victim in found}


def _foedus(process: Process) -> Victim:
    return Victim(
        process.name,
        start=process.start,
        kill=process.kill,
        alive=lambda: process.alive,
        pids=lambda: [process.pid] if process.alive else [],
    )


def _daemon(slurm: SlurmBed, cluster: str, daemon: str, argv: list[str]) -> Victim:
    name = f"{cluster}-{daemon}"

    def pids() -> list[int]:
        found = slurm.processes.get(name)
        return [found[0]] if found and daemons.alive(*found) else []

    def end(*, hard: bool) -> None:
        if name in slurm.processes:
            slurm.end(name, hard=hard)

    return Victim(
        f"{daemon} of {cluster}",
        start=partial(slurm.start, name, argv),
        kill=partial(end, hard=True),
        stop=partial(end, hard=False),
        alive=lambda: bool(pids()),
        pids=pids,
    )
