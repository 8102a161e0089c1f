"""The configuration files of the two test clusters: what they share, and where they differ on purpose."""

import random
import socket
from dataclasses import dataclass
from pathlib import Path

PACKAGES = "slurmctld slurmd slurm-client slurmdbd slurm-wlm-mysql-plugin munge mariadb-server"
PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "sacct",
    "scancel",
    "sacctmgr",
    "scontrol",
    "useradd",
    "userdel",
)
DATABASE_PASSWORD = "loopback-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one cluster differs from the other."""

    name: str
    letter: str
    gpu_model: str
    comment_in_accounting: bool
    """Whether sacct knows comments (``AccountingStoreFlags=job_comment``); most real sites do not."""
    enforced: bool
    """Whether accounts and QOS must exist in the accounting database (``AccountingStorageEnforce``)."""
    people: tuple[str, ...]
    first_job: int
    """Large and apart, so that a job's number is mistaken for no other figure that it prints."""


SHAPES = (
    Shape(
        name="jerusalem",
        letter="j",
        gpu_model="h100",
        comment_in_accounting=True,
        enforced=False,
        people=("alice", "avi", "guest"),
        first_job=100_001,
    ),
    Shape(
        name="baku",
        letter="b",
        gpu_model="a100",
        comment_in_accounting=False,
        enforced=True,
        people=("leyla", "rashad", "guest"),
        first_job=500_001,
    ),
)
NODES = 3
CPUS = 8
MEMORY = 16000
GPUS = 4
REQUEUE_DELAY = 5
"""Seconds that Slurm holds back a requeued job: until its old credential has expired (120 by default)."""
OWNER_TIMES = "MaxTime=1-00:00:00 DefaultTime=01:00:00"
GUEST_TIMES = "MaxTime=04:00:00 DefaultTime=00:30:00"
SCHEDULER = (
    "batch_sched_delay=0",
    "sched_interval=2",
    "sched_min_interval=10000",
    "bf_interval=1",
    "bf_continue",
    "max_array_tasks=2000",
)


def free_ports(count: int) -> list[int]:
    """Find ports below the range that the kernel hands out for outgoing connections."""
    found: list[int] = []
    held: list[socket.socket] = []
    candidates = list(range(20000, 32000))
    random.SystemRandom().shuffle(candidates)
    try:
        for port in candidates:
            probe = socket.socket()
            held.append(probe)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    finally:
        for probe in held:
            probe.close()
    raise RuntimeError("no free ports on the loopback interface")


def mariadb_conf(folder: Path, port: int) -> str:
    return f"""[mariadbd]
user=root
datadir={folder}/mariadb/data
tmpdir={folder}/mariadb/tmp
socket={folder}/mariadb/socket
pid-file={folder}/mariadb/pid
log-error={folder}/log/mariadb.log
bind-address=127.0.0.1
port={port}
skip-name-resolve
innodb_buffer_pool_size=128M
innodb_log_file_size=32M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
"""


def slurmdbd_conf(folder: Path, shape: Shape, port: int, database_port: int) -> str:
    home = folder / shape.name
    return f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost={socket.gethostname()}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={folder}/log/{shape.name}-slurmdbd.log
PidFile={home}/slurmdbd.pid
CommunicationParameters=NoInAddrAny
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={DATABASE_PASSWORD}
StorageLoc=acct_{shape.name}
"""


def gres_conf(folder: Path, shape: Shape) -> str:
    nodes = f"{shape.letter}[1-{NODES}]"
    return f"NodeName={nodes} Name=gpu Type={shape.gpu_model} File={folder}/gpu/[0-{GPUS - 1}]\n"


def slurm_conf(folder: Path, shape: Shape, ports: dict[str, int]) -> str:
    home = folder / shape.name
    host = socket.gethostname()
    lines = [
        f"ClusterName={shape.name}",
        f"SlurmctldHost={host}(127.0.0.1)",
        "SlurmUser=root",
        "SlurmdUser=root",
        f"SlurmctldPort={ports['slurmctld']}",
        f"SlurmdPort={ports['j1' if shape.letter == 'j' else 'b1']}",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge/socket,cred_expire={REQUEUE_DELAY}",
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        f"StateSaveLocation={home}/state",
        f"SlurmctldPidFile={home}/slurmctld.pid",
        f"SlurmctldLogFile={folder}/log/{shape.name}-slurmctld.log",
        f"SlurmdPidFile={home}/%n.pid",
        f"SlurmdSpoolDir={home}/spool-%n",
        f"SlurmdLogFile={folder}/log/{shape.name}-%n.log",
        "SlurmdParameters=config_overrides",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "MpiDefault=none",
        "SwitchType=switch/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "DefMemPerCPU=64",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=5",
        "JobAcctGatherParams=OverMemoryKill",
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePass={folder}/munge/socket",
        f"AccountingStoragePort={ports['slurmdbd']}",
        f"AccountingStorageTRES=gres/gpu,gres/gpu:{shape.gpu_model}",
        "SchedulerType=sched/backfill",
        f"SchedulerParameters={','.join(SCHEDULER)}",
        "MaxArraySize=2001",
        f"FirstJobId={shape.first_job}",
        "MaxJobCount=20000",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        "ReturnToService=2",
        "KillWait=2",
        "MinJobAge=300",
        "CompleteWait=0",
        "InactiveLimit=0",
        "OverTimeLimit=0",
        "MessageTimeout=20",
        "SlurmctldTimeout=60",
        "SlurmdTimeout=60",
        "UnkillableStepTimeout=60",
        "GresTypes=gpu",
    ]
    if shape.comment_in_accounting:
        lines.append("AccountingStoreFlags=job_comment")
    if shape.enforced:
        lines.append("AccountingStorageEnforce=associations,limits,qos")
    for number in range(1, NODES + 1):
        node = f"{shape.letter}{number}"
        lines.append(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs={CPUS} Boards=1 "
            f"SocketsPerBoard=1 CoresPerSocket={CPUS} ThreadsPerCore=1 RealMemory={MEMORY} "
            f"Gres=gpu:{shape.gpu_model}:{GPUS} State=UNKNOWN"
        )
    nodes = f"{shape.letter}[1-{NODES}]"
    lines += [
        f"PartitionName=owner Nodes={nodes} Default=YES PriorityTier=10 PreemptMode=OFF {OWNER_TIMES} State=UP",
        f"PartitionName=guest Nodes={nodes} PriorityTier=1 PreemptMode=REQUEUE {GUEST_TIMES} State=UP",
    ]
    return "\n".join(lines) + "\n"
