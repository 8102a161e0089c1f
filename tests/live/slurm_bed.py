"""Two real Slurm clusters, ``jerusalem`` and ``baku``, on this machine: everything on loopback, nothing shared.

Each has its own slurmctld, slurmdbd, database, nodes (3 x 8 CPUs, 16000 MiB, 4 stand-in GPUs) and local accounts. Needs
root and the Debian packages in `slurm_bed_config.PACKAGES`. In a test use the fixture ``slurm_bed``; by hand::

    python tests/live/slurm_bed.py up /tmp/bed      # prints what to export to talk to each cluster
    python tests/live/slurm_bed.py down /tmp/bed

How the two differ, on purpose: sacct knows comments at jerusalem only; baku enforces accounts and QOS (``owners`` and
``guests`` with the QOS ``visitors``), and its guests need both.
"""

import argparse
import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import slurm_bed_build as build
import slurm_bed_config as config
import slurm_bed_daemons as daemons
from slurm_bed_config import SHAPES, Shape
from slurm_bed_daemons import PATH, PATIENCE_S, BedError, wait_until

LIVE_STATES = frozenset({"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster: the facts that a test needs."""

    name: str
    conf: Path
    """Its ``slurm.conf``: what ``SLURM_CONF`` has to be."""
    gpu_model: str
    nodes: tuple[str, ...]
    people: Mapping[str, str]
    """Person -> local account: ``alice``, ``avi``, ``guest`` at jerusalem; ``leyla``, ``rashad``, ``guest`` at baku."""
    ports: Mapping[str, int]
    enforced: bool

    @property
    def settings(self) -> dict[str, object]:
        """What `foedus.drivers.slurm.driver.build` needs to drive this cluster."""
        owner: dict[str, object] = {"partition": "owner"}
        guest: dict[str, object] = {"partition": "guest"}
        if self.enforced:
            owner["account"] = "owners"
            guest |= {"account": "guests", "qos": "visitors"}
        return {"conf": str(self.conf), "owner": owner, "guest": guest}


class SlurmBed:
    """A running bed. Build one with `SlurmBed.up` or find one with `SlurmBed.attach`."""

    def __init__(self, folder: Path, tag: str, ports: dict[str, int], *, federated: bool = False) -> None:
        self.folder = folder
        self.tag = tag
        self.ports = ports
        self.processes: dict[str, tuple[int, float]] = {}
        self.made_accounts: list[str] = []
        self.federated = federated
        self._saving = threading.Lock()
        self.clusters = {shape.name: self._cluster(shape) for shape in SHAPES}

    # --- life ---------------------------------------------------------------------------------------------------

    @classmethod
    def up(cls, folder: Path | None = None, *, federated: bool = False) -> "SlurmBed":
        """Build a bed in `folder` (a fresh one below the temporary folder by default) and wait until it is idle.

        Where it is `federated`, the two are one federation of Slurm's own: they share jerusalem's slurmdbd.
        """
        check_machine()
        folder = folder.resolve() if folder else Path(tempfile.mkdtemp(prefix="foedus-bed-"))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BedError(f"{folder} is not empty")
        folder.chmod(0o755)
        names = ["mariadb"]
        for shape in SHAPES:
            names += [f"{shape.name}-slurmctld", f"{shape.name}-slurmdbd"]
            names += [f"{shape.letter}{number}" for number in range(1, config.NODES + 1)]
        ports = dict(zip(names, config.free_ports(len(names)), strict=True))
        tag = f"{os.getpid() % 0x10000:04x}{ports['mariadb'] % 0x100:02x}"
        bed = cls(folder, tag=tag, ports=ports, federated=federated)
        try:
            bed._build()
        except BaseException:
            bed.down(keep_logs=True)
            raise
        return bed

    @classmethod
    def attach(cls, folder: Path) -> "SlurmBed":
        """Use a bed that another process built."""
        state = json.loads((folder / "bed.json").read_text())
        bed = cls(folder.resolve(), tag=state["tag"], ports=state["ports"], federated=state["federated"])
        bed.processes = {name: (pid, born) for name, (pid, born) in state["processes"].items()}
        bed.made_accounts = state["accounts"]
        return bed

    def down(self, *, keep_logs: bool = False) -> None:
        """End every daemon, job and account of this bed, and nothing else; remove the folder."""
        order = ["slurmctld", "slurmd", "slurmdbd", "mariadb", "munged"]
        for kind in order:
            for name in [name for name in self.processes if kind in name]:
                self.end(name, hard=kind in {"slurmctld", "slurmd"})
        daemons.end_marked(self.folder)
        for account in self.made_accounts:
            subprocess.run(["userdel", "--force", account], check=False, capture_output=True, env={"PATH": PATH})
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- use ----------------------------------------------------------------------------------------------------

    def env(self, cluster: str) -> dict[str, str]:
        """Return the whole environment for a Slurm command at that cluster; times are printed as epoch seconds."""
        return {
            "PATH": PATH,
            "SLURM_CONF": str(self.clusters[cluster].conf),
            "SLURM_TIME_FORMAT": "%s",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }

    def run(
        self, cluster: str, *argv: str, account: str | None = None, cwd: Path | None = None, ok: bool = True
    ) -> str:
        """Run a command at a cluster, as root or as a local account, and return its standard output."""
        env = self.env(cluster)
        identity = {}
        if account is not None:
            entry = pwd.getpwnam(account)
            env |= {"HOME": entry.pw_dir, "USER": account, "LOGNAME": account, "SHELL": entry.pw_shell}
            del env["SLURM_TIME_FORMAT"], env["TZ"]
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            cwd = cwd or Path(entry.pw_dir)
        done = subprocess.run(
            argv,
            env=env,
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            **identity,
        )
        if ok and done.returncode != 0:
            raise BedError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def sbatch(self, cluster: str, script: str, *options: str, account: str, cwd: Path | None = None) -> str:
        """Submit a script as a user would, by plain sbatch with this command line, and return the job id."""
        home = cwd or Path(pwd.getpwnam(account).pw_dir)
        with tempfile.NamedTemporaryFile("w", suffix=".sbatch", dir=self.folder, encoding="utf-8") as file:
            file.write(script)
            file.flush()
            Path(file.name).chmod(0o644)
            out = self.run(cluster, "sbatch", "--parsable", *options, file.name, account=account, cwd=home)
        return out.strip().partition(";")[0]

    def state(self, cluster: str, job: str) -> str:
        """Return a job's state by squeue or, once it has left, by sacct; ``""`` if neither knows it."""
        live = self.run(
            cluster, "squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T", ok=False
        ).split()
        if any(state in LIVE_STATES for state in live):
            return next(state for state in live if state in LIVE_STATES)
        words = self.run(cluster, "sacct", "-X", "-n", "-P", "-S", "1970-01-01", f"--jobs={job}", "--format=State")
        return words.splitlines()[-1].partition(" ")[0] if words.strip() else (live[-1] if live else "")

    def wait(self, cluster: str, job: str, *states: str, patience: float = PATIENCE_S) -> str:
        """Wait until a job is in one of these states (by default: in any final state) and return it."""
        found = ""

        def reached() -> bool:
            nonlocal found
            found = self.state(cluster, job)
            return found in states if states else bool(found) and found not in LIVE_STATES

        wait_until(f"job {job} at {cluster} in {states or 'a final state'}", reached, patience=patience)
        return found

    def wait_gone(self, cluster: str, job: str) -> None:
        """Wait until the controller has done with a job; needs no accounting."""
        ask = ("squeue", "--noheader", f"--jobs={job}", "--format=%T")
        wait_until(f"job {job} at {cluster} gone", lambda: not self.run(cluster, *ask, ok=False).strip())

    def clear(self, cluster: str) -> None:
        """Cancel every job of a cluster and wait until its nodes are idle; revives nodes that a test left down."""
        for node in self.clusters[cluster].nodes:
            if f"{cluster}-slurmd-{node}" not in self.processes:
                self.revive_node(cluster, node)
            elif not self.usable(cluster, node):
                self.run(cluster, "scontrol", "update", f"nodename={node}", "state=resume", ok=False)
        live = self.run(cluster, "squeue", "--noheader", "--format=%A").split()
        if live:
            self.run(cluster, "scancel", *live, ok=False)
        wait_until(f"{cluster} idle", lambda: self._idle(cluster), self.log(f"{cluster}-slurmctld"))

    def attempt_folder(self, cluster: str, person: str, name: str) -> Path:
        """Make an attempt folder (with its ``work``) as an agent would: it belongs to the local account."""
        entry = pwd.getpwnam(self.clusters[cluster].people[person])
        folder = self.folder / cluster / "attempts" / name
        (folder / "work").mkdir(parents=True)
        for path in (folder, folder / "work"):
            os.chown(path, entry.pw_uid, entry.pw_gid)
            path.chmod(0o700)
        return folder

    # --- faults -------------------------------------------------------------------------------------------------

    def stop_slurmctld(self, cluster: str, *, hard: bool = False) -> None:
        """End the controller. With ``kill -9`` Slurm itself loses what it had not saved, up to 5 seconds of work."""
        self.end(f"{cluster}-slurmctld", hard=hard)

    def start_slurmctld(self, cluster: str) -> None:
        """Start the controller on its saved state and wait until it answers."""
        conf = self.clusters[cluster].conf
        self.start(f"{cluster}-slurmctld", ["slurmctld", "-D", "-f", str(conf)])
        wait_until(f"{cluster}: slurmctld", lambda: self._pings(cluster), self.log(f"{cluster}-slurmctld"))

    def restart_slurmctld(self, cluster: str, *, hard: bool = False) -> None:
        """End the controller and start it again on its saved state."""
        self.stop_slurmctld(cluster, hard=hard)
        self.start_slurmctld(cluster)

    def stop_slurmdbd(self, cluster: str, *, hard: bool = True) -> None:
        """End the accounting daemon: sacct fails, slurmctld keeps its messages for later."""
        self.end(f"{cluster}-slurmdbd", hard=hard)

    def start_slurmdbd(self, cluster: str) -> None:
        """Start the accounting daemon and wait until it answers."""
        self.start(f"{cluster}-slurmdbd", ["slurmdbd", "-D"])
        ask = ("sacctmgr", "-n", "list", "cluster")
        wait_until(f"{cluster}: slurmdbd", lambda: self._succeeds(cluster, *ask), self.log(f"{cluster}-slurmdbd"))

    def kill_node(self, cluster: str, node: str) -> None:
        """Let a node fail: kill its slurmd and what runs on it, and tell the controller that it is down."""
        self.end(f"{cluster}-slurmd-{node}", hard=True)
        self.run(cluster, "scontrol", "update", f"nodename={node}", "state=down", "reason=killed by a test")
        self._kill_steps(node)

    def revive_node(self, cluster: str, node: str) -> None:
        """Start a node's slurmd again and wait until the node is usable."""
        self.start_slurmd(cluster, node)
        self.run(cluster, "scontrol", "update", f"nodename={node}", "state=resume", ok=False)
        wait_until(f"{cluster}: {node}", lambda: self.usable(cluster, node), self.log(f"{cluster}-slurmd-{node}"))

    # --- inside -------------------------------------------------------------------------------------------------

    def log(self, name: str) -> Path:
        """Return the log file of a daemon's standard output."""
        return self.folder / "log" / f"{name}.out"

    def _cluster(self, shape: Shape) -> Cluster:
        return Cluster(
            name=shape.name,
            conf=self.folder / shape.name / "slurm.conf",
            gpu_model=shape.gpu_model,
            nodes=tuple(f"{shape.letter}{number}" for number in range(1, config.NODES + 1)),
            people={person: f"f{shape.letter}{self.tag}_{person}" for person in shape.people},
            ports={name.removeprefix(f"{shape.name}-"): port for name, port in self.ports.items()},
            enforced=shape.enforced and not self.federated,
        )

    def _build(self) -> None:
        for part in ("log", "gpu", "munge", "mariadb", "home"):
            (self.folder / part).mkdir(mode=0o755)
        for number in range(config.GPUS):
            # Slurm names a job's GPUs to it only if they are devices: these are each another /dev/null
            os.mknod(self.folder / "gpu" / str(number), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with ThreadPoolExecutor(3) as pool:
            parts = (build.start_database, build.start_munge, build.make_accounts)
            for built in [pool.submit(part, self) for part in parts]:
                built.result()
            if self.federated:
                build.federate(self)
            else:
                for built in [pool.submit(build.build_cluster, self, shape) for shape in SHAPES]:
                    built.result()
        self.save()

    def start_slurmd(self, cluster: str, node: str) -> None:
        home = self.folder / cluster
        (home / f"spool-{node}").mkdir(exist_ok=True)
        self.start(f"{cluster}-slurmd-{node}", self.slurmd(cluster, node))

    def slurmd(self, cluster: str, node: str) -> list[str]:
        """Return the command line of a node's daemon."""
        return ["slurmd", "-D", "-N", node, "-f", str(self.clusters[cluster].conf)]

    def start(self, name: str, argv: list[str]) -> None:
        cluster = next((known for known in self.clusters if name.startswith(known)), None)
        env = self.env(cluster) if cluster else {"PATH": PATH}
        env.pop("SLURM_TIME_FORMAT", None)
        self.processes[name] = daemons.spawn(argv, self.log(name), self.folder, env)
        self.save()

    def end(self, name: str, *, hard: bool) -> None:
        """End one daemon and wait until it is gone."""
        daemons.end(*self.processes.pop(name), hard=hard)
        self.save()

    def save(self) -> None:
        state = {
            "tag": self.tag,
            "ports": self.ports,
            "processes": dict(self.processes),
            "accounts": self.made_accounts,
            "federated": self.federated,
        }
        with self._saving:
            fresh = self.folder / "bed.json.new"
            fresh.write_text(json.dumps(state))
            fresh.replace(self.folder / "bed.json")

    def _pings(self, cluster: str) -> bool:
        return " is UP" in self.run(cluster, "scontrol", "ping", ok=False)

    def _succeeds(self, cluster: str, *argv: str) -> bool:
        with contextlib.suppress(BedError):
            self.run(cluster, *argv)
            return True
        return False

    def _idle(self, cluster: str) -> bool:
        nodes = self.run(cluster, "sinfo", "-h", "-N", "-p", "owner", "-o", "%T").split()
        return set(nodes) <= {"idle"} and not self.run(cluster, "squeue", "--noheader", "--format=%A").split()

    def usable(self, cluster: str, node: str) -> bool:
        words = self.run(cluster, "sinfo", "-h", "-N", "-n", node, "-o", "%T", ok=False).split()
        return bool(words) and words[0] in {"idle", "mixed", "allocated"}

    def _kill_steps(self, node: str) -> None:
        """Kill the slurmstepds of a node whose slurmd is dead, with their children, as a power cut would."""
        daemons.end_marked_with(self.folder, f"spool-{node}")


def check_machine() -> None:
    """Raise `BedError` naming what this machine lacks."""
    missing = [program for program in config.PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        raise BedError(f"missing {', '.join(missing)}: apt-get install --no-install-recommends {config.PACKAGES}")
    if os.geteuid() != 0:
        raise BedError("two Slurm clusters with their own local accounts need root")


def main() -> int:
    """Build or remove a bed by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        if chosen.action == "down":
            SlurmBed.attach(chosen.folder).down()
            return 0
        bed = SlurmBed.up(chosen.folder)
    except (BedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for cluster in bed.clusters.values():
        people = ", ".join(f"{person} = {account}" for person, account in cluster.people.items())
        sys.stdout.write(f"{cluster.name}: export SLURM_CONF={cluster.conf}   # {people}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
