"""What a job finds around it: the variables that Slurm would set, and where its output goes. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foedus.core.jobs.spec import Resources
from foedus.drivers.local.nodes import Node, Piece
from foedus.drivers.local.ticket import Ticket
from foedus.drivers.nodes import LOGIN_PATH

_NO_TASK = 4294967294
"""What Slurm writes for the task of a job that is no array (``NO_VAL``)."""
_FIELD = re.compile(r"%(%|(\d{0,2})([AaJjNnstux]))")
_NUMBER = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A ticket and the place that it got."""

    ticket: Ticket
    restart: int
    pieces: tuple[Piece, ...]
    nodes: Mapping[str, Node]
    started: int

    @property
    def gpus(self) -> list[int]:
        """The machine's GPUs, by index, over all nodes: the script sees the whole machine."""
        return sorted(self.nodes[piece.node].first_gpu + gpu for piece in self.pieces for gpu in piece.gpus)

    @property
    def cpus(self) -> list[int]:
        """The machine's CPUs, as far as nodes stand for them."""
        return sorted(self.nodes[piece.node].first_cpu + cpu for piece in self.pieces for cpu in piece.cpus)


def output_path(pattern: str, ticket: Ticket, node: str) -> str:
    r"""Fill in an ``--output`` pattern as Slurm does: ``%4j`` pads with zeros, a backslash switches all of it off.

    >>> # "log-%A_%a" of task 3 of array 7 is "log-7_3"
    """
    if "\\" in pattern:
        return pattern.replace("\\", "")
    task = ticket.task
    number = {
        "A": int(task.array) if task else ticket.native_id,
        "a": task.index if task else _NO_TASK,
        "j": ticket.native_id,
        "n": 0,
        "t": 0,
    }
    text = {"J": f"{ticket.native_id}.batch", "N": node, "s": "batch", "u": ticket.account.name, "x": ticket.name}

    def fill(match: re.Match[str]) -> str:
        whole, width, letter = match.groups()
        if whole == "%":
            return "%"
        return str(number[letter]).zfill(min(int(width or 0), 10)) if letter in number else text[letter]

    return _FIELD.sub(fill, pattern)


def default_output(ticket: Ticket) -> str:
    """Return the pattern of a script that names none."""
    return "slurm-%A_%a.out" if ticket.task else "slurm-%j.out"


def variables(placed: Placed, *, cluster: str, path: str, mark: tuple[str, str]) -> dict[str, str]:
    """Return a clean login environment, what the user exported, and on top of it what Slurm sets."""
    ticket = placed.ticket
    account = ticket.account
    restarts = ticket.restarts + placed.restart
    login = {
        "HOME": account.home,
        "LANG": "C.UTF-8",
        "LOGNAME": account.name,
        "PATH": f"{path}:{LOGIN_PATH}" if path else LOGIN_PATH,
        "SHELL": account.shell,
        "TMPDIR": "/tmp",  # noqa: S108  what a login on any machine has
        "USER": account.name,
    }
    return {
        **login,
        **dict(ticket.environment),
        **_of_job(ticket, cluster),
        **_of_array(ticket),
        **_of_place(placed),
        **_of_request(ticket.asked),
        **_of_gpus(placed),
        **({"SLURM_RESTART_COUNT": str(restarts)} if restarts else {}),
        mark[0]: mark[1],
    }


def _of_job(ticket: Ticket, cluster: str) -> dict[str, str]:
    account = ticket.account
    return {
        "ENVIRONMENT": "BATCH",
        "SLURM_CLUSTER_NAME": cluster,
        "SLURM_JOBID": str(ticket.native_id),
        "SLURM_JOB_GID": str(account.gid),
        "SLURM_JOB_ID": str(ticket.native_id),
        "SLURM_JOB_NAME": ticket.name,
        "SLURM_JOB_PARTITION": ticket.lane,
        "SLURM_JOB_UID": str(account.uid),
        "SLURM_JOB_USER": account.name,
        "SLURM_SUBMIT_DIR": str(ticket.work),
        "SLURM_SUBMIT_HOST": cluster,
    }


def _of_array(ticket: Ticket) -> dict[str, str]:
    task = ticket.task
    if task is None:
        return {}
    return {
        "SLURM_ARRAY_JOB_ID": str(task.array),
        "SLURM_ARRAY_TASK_COUNT": str(task.count),
        "SLURM_ARRAY_TASK_ID": str(task.index),
        "SLURM_ARRAY_TASK_MAX": str(task.highest),
        "SLURM_ARRAY_TASK_MIN": str(task.lowest),
        "SLURM_ARRAY_TASK_STEP": str(task.step),
    }


def _of_place(placed: Placed) -> dict[str, str]:
    pieces = placed.pieces
    names = node_list([piece.node for piece in pieces])
    count = str(len(pieces))
    return {
        "SLURMD_NODENAME": pieces[0].node,
        "SLURM_CPUS_ON_NODE": str(len(pieces[0].cpus)),
        "SLURM_GTIDS": "0",
        "SLURM_JOB_CPUS_PER_NODE": counts([len(piece.cpus) for piece in pieces]),
        "SLURM_JOB_END_TIME": str(placed.started + placed.ticket.limit),
        "SLURM_JOB_NODELIST": names,
        "SLURM_JOB_NUM_NODES": count,
        "SLURM_JOB_START_TIME": str(placed.started),
        "SLURM_LOCALID": "0",
        "SLURM_NNODES": count,
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": names,
        "SLURM_PROCID": "0",
        "SLURM_TASKS_PER_NODE": counts([piece.tasks for piece in pieces]),
    }


def _of_request(asked: Resources) -> dict[str, str]:
    given = {
        "SLURM_CPUS_PER_TASK": asked.cpus_per_task,
        "SLURM_NPROCS": asked.tasks,
        "SLURM_NTASKS": asked.tasks,
        "SLURM_NTASKS_PER_NODE": asked.tasks_per_node,
        "SLURM_GPUS": asked.gpus or None,
        "SLURM_GPUS_PER_NODE": asked.gpus_per_node,
        "SLURM_MEM_PER_CPU": asked.memory_per_cpu,
        "SLURM_MEM_PER_GPU": asked.memory_per_gpu,
        "SLURM_MEM_PER_NODE": asked.memory_per_node,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _of_gpus(placed: Placed) -> dict[str, str]:
    """Name the GPUs that the job got; a job without any sees none."""
    indices = ",".join(str(index) for index in placed.gpus)
    if not indices:
        return {"CUDA_VISIBLE_DEVICES": ""} if any(node.gpus for node in placed.nodes.values()) else {}
    return {
        "CUDA_VISIBLE_DEVICES": indices,
        "GPU_DEVICE_ORDINAL": indices,
        "ROCR_VISIBLE_DEVICES": indices,
        "SLURM_GPUS_ON_NODE": str(len(placed.pieces[0].gpus)),
        "SLURM_JOB_GPUS": indices,
    }


def counts(numbers: Sequence[int]) -> str:
    """Write one number for each node as Slurm does.

    >>> counts([4, 4, 2])
    '4(x2),2'
    """
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][0] == number:
            runs[-1] = (number, runs[-1][1] + 1)
        else:
            runs.append((number, 1))
    return ",".join(f"{number}(x{times})" if times > 1 else str(number) for number, times in runs)


def node_list(names: Sequence[str]) -> str:
    """Write names of nodes as Slurm does.

    >>> node_list(["node3", "node1", "node2", "login"])
    'login,node[1-3]'
    """
    numbered: dict[str, list[int]] = {}
    for name in names:
        match = _NUMBER.fullmatch(name)
        prefix, number = (match[1], int(match[2])) if match else (name, -1)
        numbered.setdefault(prefix, []).append(number)
    return ",".join(_bracket(prefix, sorted(found)) for prefix, found in sorted(numbered.items()))


def _bracket(prefix: str, numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"{prefix}{numbers[0]}" if numbers[0] >= 0 else prefix
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    parts = [f"{first}-{last}" if last > first else str(first) for first, last in spans]
    return f"{prefix}[{','.join(parts)}]"
