"""How a bed comes to be, part by part: munge, the database, the local accounts, then the clusters."""

import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import slurm_bed_config as config
from slurm_bed_config import SHAPES, Shape
from slurm_bed_daemons import PATH, BedError, wait_until

if TYPE_CHECKING:
    from slurm_bed import Cluster, SlurmBed


def start_munge(bed: "SlurmBed") -> None:
    key = bed.folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    options = {
        "key-file": key,
        "socket": bed.folder / "munge" / "socket",
        "pid-file": bed.folder / "munge" / "pid",
        "log-file": bed.folder / "log" / "munged.log",
        "seed-file": bed.folder / "munge" / "seed",
    }
    argv = ["munged", "--foreground", *(f"--{name}={path}" for name, path in options.items())]
    bed.start("munged", argv)
    wait_until("munged", (bed.folder / "munge" / "socket").exists, bed.log("munged"), patience=15)


def start_database(bed: "SlurmBed") -> None:
    conf = bed.folder / "mariadb" / "my.cnf"
    # a server that starts clears its temporary folder, so that two must not share one
    (bed.folder / "mariadb" / "tmp").mkdir()
    conf.write_text(config.mariadb_conf(bed.folder, bed.ports["mariadb"]))
    install = [
        "mariadb-install-db",
        f"--defaults-file={conf}",
        "--user=root",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False, env={"PATH": PATH}, timeout=120)
    if done.returncode != 0:
        raise BedError(f"mariadb-install-db: {done.stdout}{done.stderr}")
    grants = bed.folder / "mariadb" / "grants.sql"
    grants.write_text(
        "".join(
            f"CREATE DATABASE acct_{shape.name}; GRANT ALL ON acct_{shape.name}.* TO 'slurm'@'127.0.0.1' "
            f"IDENTIFIED BY '{config.DATABASE_PASSWORD}';\n"
            for shape in SHAPES
        )
    )
    bed.start("mariadb", ["mariadbd", f"--defaults-file={conf}"])
    client = ["mariadb", f"--socket={bed.folder}/mariadb/socket", "--user=root"]

    def granted() -> bool:
        with grants.open() as sql:
            done = subprocess.run(client, stdin=sql, capture_output=True, check=False, env={"PATH": PATH})
        return done.returncode == 0

    wait_until("mariadb", granted, bed.folder / "log" / "mariadb.log")


def make_accounts(bed: "SlurmBed") -> None:
    for account in [account for cluster in bed.clusters.values() for account in cluster.people.values()]:
        home = bed.folder / "home" / account
        argv = ["useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/bash", "--user-group", account]
        for _ in range(50):
            done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": PATH})
            if "lock" not in done.stderr:  # another bed may be changing /etc/passwd at this moment
                break
            time.sleep(0.1)
        if done.returncode != 0:
            raise BedError(f"useradd {account}: {done.stderr}")
        bed.made_accounts.append(account)
        bed.save()


def federate(bed: "SlurmBed") -> None:
    """Build both clusters on the first one's slurmdbd, and make them one federation."""
    first = SHAPES[0].name
    for shape in SHAPES:
        build_cluster(bed, replace(shape, enforced=False), books=first)
    names = ",".join(bed.clusters)
    bed.run(first, "sacctmgr", "-i", "add", "federation", "pact", f"clusters={names}")
    shown = ("scontrol", "show", "federation")
    for name in bed.clusters:
        wait_until(f"{name} in the federation", lambda name=name: "Sibling:" in bed.run(name, *shown))


def build_cluster(bed: "SlurmBed", shape: Shape, *, books: str | None = None) -> None:
    """Build one cluster, on its own slurmdbd or on that of another one, `books`."""
    cluster, home = bed.clusters[shape.name], bed.folder / shape.name
    for part in ("state", "attempts"):
        (home / part).mkdir(parents=True)
    ports = dict(cluster.ports)
    if books is not None:
        ports["slurmdbd"] = bed.clusters[books].ports["slurmdbd"]
    cluster.conf.write_text(config.slurm_conf(bed.folder, shape, ports))
    (home / "gres.conf").write_text(config.gres_conf(bed.folder, shape))
    (home / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    if f"{books or shape.name}-slurmdbd" not in bed.processes:
        dbd = home / "slurmdbd.conf"
        dbd.write_text(config.slurmdbd_conf(bed.folder, shape, ports["slurmdbd"], ports["mariadb"]))
        dbd.chmod(0o600)
        bed.start_slurmdbd(shape.name)
    bed.run(shape.name, "sacctmgr", "-i", "add", "cluster", shape.name)
    if shape.enforced:
        add_associations(bed, cluster)
    bed.start_slurmctld(shape.name)
    for node in cluster.nodes:
        bed.start_slurmd(shape.name, node)
    for node in cluster.nodes:
        log = bed.log(f"{shape.name}-slurmd-{node}")
        wait_until(f"{shape.name}: {node}", lambda node=node: bed.usable(shape.name, node), log)


def add_associations(bed: "SlurmBed", cluster: "Cluster") -> None:
    manage = ("sacctmgr", "-i", "add")
    bed.run(cluster.name, *manage, "qos", "visitors", "priority=1")
    bed.run(cluster.name, *manage, "account", "owners,guests", f"cluster={cluster.name}")
    everyone = ",".join(cluster.people.values())
    bed.run(cluster.name, *manage, "user", everyone, "account=owners", f"cluster={cluster.name}")
    bed.run(cluster.name, *manage, "user", everyone, "account=guests", "qos=visitors", "defaultqos=visitors")
