"""Slurm through its commands, for an agent: one squeue and at most one sacct a pass, for all jobs together."""

import contextlib
import json
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from foedus.core.base.checkup import Finding
from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.base.instant import Instant, after
from foedus.core.jobs.signals import EndSignal
from foedus.core.placement.capacity import Capacity
from foedus.drivers.base import Launch, Phase, Record, Ref, Sighting
from foedus.drivers.slurm import checkup, files, hostlist, look, room, run, sacct, sbatch, scancel, scontrol, squeue
from foedus.drivers.slurm.look import Found
from foedus.drivers.slurm.patterns import DEFAULT, Names, asks_for_node, resolve
from foedus.drivers.slurm.records import records
from foedus.drivers.slurm.rows import separator
from foedus.drivers.slurm.settings import Settings, read

_SCRIPT = "script.sbatch"
_NOTE = "slurm-output.json"
_EARLIER = 7200
"""Seconds that the window of sacct begins before the oldest intent: the two clocks may differ, by an hour too."""
_PATH_OF_COMMANDS = "/usr/local/sbin:/usr/sbin:/sbin"


class SlurmDriver:
    """One Slurm cluster. Implements `foedus.drivers.base.SiteDriver`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        conf = {"SLURM_CONF": str(settings.conf)} if settings.conf else {}
        self._conf = conf
        self._hosts: Mapping[str, str] = {}
        self._env = {
            "PATH": f"{settings.path}:{_PATH_OF_COMMANDS}",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SLURM_TIME_FORMAT": "%s",
            **conf,
        }

    revives = True

    @property
    def source(self) -> str:
        """Name of the accounting behind `usage`."""
        return "sacct"

    def start(self, launch: Launch) -> str:
        """Submit one attempt as its local account and return the job id."""
        lane = self._settings.lane(guest=launch.guest)
        if lane is None:
            kind = "guest" if launch.guest else "owner"
            raise SchedulerRefused(f"this site has no partition for {kind} jobs", remedy="send the job elsewhere")
        account = run.login(launch.account)
        script = launch.folder / _SCRIPT
        earlier = self._earlier(launch, account) if _may_exist(script) else ""
        if earlier:
            return earlier
        self._write(script, sbatch.copy(launch.spec.script, lane), account)
        self._write(launch.folder / _NOTE, json.dumps(_note(launch)), account)
        login = account.environment(self._settings.path) | dict(self._settings.environment)
        done = run.run(
            sbatch.command(launch, lane, script),
            env=sbatch.environment(launch, login, self._conf),
            timeout=self._settings.timeout,
            account=account,
            cwd=launch.work,
        )
        try:
            return sbatch.parse(done)
        except SchedulerRefused:
            found = "" if sbatch.is_slurms(done) else self._earlier(launch, account)
            if found:
                return found
            raise

    def look(self, refs: Sequence[Ref]) -> Mapping[Marker, Sighting]:
        """Say where every attempt is."""
        if not refs:
            return {}
        live, runs = self._find(refs)
        answer: dict[Marker, Sighting] = {}
        for ref in refs:
            found = Found(live=live.get(ref.marker), runs=runs.get(ref.marker, ()))
            answer[ref.marker] = _with_output(look.sighting(found), found, ref.folder, self._host)
        return answer

    def stop(self, ref: Ref) -> None:
        """Cancel an attempt, if its id is still its own."""
        job = self._live(ref)
        if job is not None:
            argv = scancel.command(job.native_id)
            scancel.parse(run.run(argv, env=self._env, timeout=self._settings.timeout))

    def signal(self, ref: Ref, end: EndSignal) -> None:
        """Ask a running attempt to end, if its id is still its own."""
        job = self._live(ref)
        if job is not None:
            argv = scancel.signal_command(job.native_id, end)
            scancel.parse(run.run(argv, env=self._env, timeout=self._settings.timeout))

    def usage(self, refs: Sequence[Ref]) -> Mapping[Marker, tuple[Record, ...]]:
        """Return the finished records of each attempt."""
        if not refs:
            return {}
        runs = self._accounting(refs, _owners(refs))
        return {marker: records(found, self._settings.gpu_models) for marker, found in runs.items()}

    def capacity(self) -> Capacity:
        """Say what can start now."""
        mark = separator()
        lanes = [lane for lane in (self._settings.owner, self._settings.guest) if lane]
        names = sorted({lane.partition for lane in lanes})
        return room.capacity(
            self._settings,
            scontrol.parse_nodes(self._ask(scontrol.nodes_command())),
            scontrol.parse_partitions(self._ask(scontrol.partitions_command())),
            squeue.parse_load(self._ask(squeue.load_command(mark, names)), mark),
        )

    def checkup(self, accounts: Sequence[str]) -> Iterator[Finding]:
        """Look at the commands, the daemons behind them, the lanes, and whether jobs can be handed over as these."""
        return checkup.findings(self._settings, self._env, accounts)

    def _earlier(self, launch: Launch, account: run.Login) -> str:
        """Return the id that an earlier hand-over of this attempt came to, ``""`` if to none.

        The sbatch of an agent that was killed outlives it, and may wait for its controller longer than anybody looks
        for the job. So while it runs nobody hands the attempt over: `SiteTrouble` is raised, and the job looked for.
        """
        if run.is_running(f"--comment={launch.marker.text}", account):
            raise SiteTrouble(f"an earlier sbatch of {launch.marker.text} still runs")
        ref = Ref(marker=launch.marker, native_id=None, folder=launch.folder, since=Instant(0))
        mark = separator()
        jobs = squeue.parse(self._ask(squeue.command(mark)), mark)
        found = look.live_jobs([ref], jobs, {launch.marker: account.name})
        return found[launch.marker].native_id if launch.marker in found else ""

    def _live(self, ref: Ref) -> squeue.Job | None:
        """Return an attempt's job as the controller has it; without an id it is searched for.

        A controller that was killed forgets what it took last, and gives the same ids to other jobs.
        """
        mark = separator()
        argv = squeue.command(mark, ref.native_id)
        done = run.run(argv, env=self._env, timeout=self._settings.timeout)
        if squeue.unknown(done.words):
            return None
        if done.code != 0:
            raise SiteTrouble(f"squeue failed with {done.code}: {done.words}")
        return look.live_jobs([ref], squeue.parse(done.out, mark), _owners([ref])).get(ref.marker)

    def _find(self, refs: Sequence[Ref]) -> tuple[Mapping[Marker, squeue.Job], Mapping[Marker, tuple[sacct.Run, ...]]]:
        """Ask the controller about all, and the accounting about those that the controller does not keep alive."""
        mark = separator()
        owners = _owners(refs)
        live = look.live_jobs(refs, squeue.parse(self._ask(squeue.command(mark)), mark), owners)
        rest = [ref for ref in refs if ref.marker not in live or look.over(live[ref.marker])]
        return live, self._accounting(rest, owners) if rest else {}

    def _accounting(self, refs: Sequence[Ref], owners: Mapping[Marker, str]) -> Mapping[Marker, tuple[sacct.Run, ...]]:
        mark = separator()
        ids = [ref.native_id for ref in refs if ref.native_id]
        since = max(after(min(ref.since for ref in refs), -_EARLIER), Instant(0))
        text = self._ask(sacct.command(mark, since, ids if len(ids) == len(refs) else None))
        return look.runs(refs, sacct.parse(text, mark), owners)

    def _host(self, node: str) -> str:
        """Return a node's host name, which is what a file name pattern means; asked for once."""
        if node and node not in self._hosts:
            self._hosts = {node: node} | scontrol.parse_hosts(self._ask(scontrol.nodes_command()))
        return self._hosts.get(node, "")

    def _ask(self, argv: list[str]) -> str:
        return run.ask(argv, env=self._env, timeout=self._settings.timeout)

    def _write(self, path: Path, text: str, account: run.Login) -> None:
        files.write(path, text, account, env={"PATH": self._env["PATH"]}, timeout=self._settings.timeout)


def build(settings: Mapping[str, object]) -> SlurmDriver:
    """Build the driver from the ``[driver]`` table; raises `BadInput` with everything that is wrong in it."""
    return SlurmDriver(read(settings))


def _may_exist(path: Path) -> bool:
    """Say whether a file is there; yes if this process may not know."""
    try:
        return path.exists()
    except OSError:
        return True


def _owners(refs: Sequence[Ref]) -> dict[Marker, str]:
    """Return the local account that owns each folder of an attempt without an id."""
    found: dict[Marker, str] = {}
    for ref in refs:
        if ref.native_id is None:
            with contextlib.suppress(OSError, KeyError):
                found[ref.marker] = pwd.getpwuid(ref.folder.stat().st_uid).pw_name
    return found


def _note(launch: Launch) -> dict[str, str | None]:
    """Return where the output goes, as patterns: neither squeue nor sacct tells it once the job has left memory."""
    chosen = sbatch.outputs(launch.spec, launch.task)
    return {
        "directory": str(sbatch.directory(launch)),
        "stdout": chosen.get("output", launch.spec.output or DEFAULT),
        "stderr": chosen.get("error", launch.spec.error),
    }


def _with_output(seen: Sighting, found: Found, folder: Path, host: Callable[[str], str]) -> Sighting:
    """Add the paths of the output; a note that is gone or damaged leaves them unknown."""
    if seen.phase is Phase.UNKNOWN:
        return seen
    try:
        note = cast("dict[str, str | None]", json.loads(files.read(folder / _NOTE) or "null"))
        directory, stdout, stderr = Path(note["directory"] or ""), note["stdout"] or DEFAULT, note["stderr"]
    except (ValueError, KeyError, TypeError):
        return seen
    newest = found.live or found.runs[-1]
    node = hostlist.first(newest.nodes)
    if any(asks_for_node(pattern) for pattern in (stdout, stderr or "")):
        node = host(node)
    names = Names(job_id=seen.native_id, job_name=newest.name, user=newest.user, node=node)
    out = resolve(stdout, directory, names)
    err = resolve(stderr, directory, names) if stderr else out
    return replace(seen, stdout=out, stderr=err)
