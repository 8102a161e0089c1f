"""The ``[driver]`` table of an agent whose cluster is this machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.units import Mebibytes, Seconds
from foedus.drivers.local.nodes import Node, Portion
from foedus.wire.errors import unfit

_MEBIBYTE = 1024 * 1024
_DAY = 24 * 3600


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NodeTable(_Table):
    """Virtual nodes of one kind; ``[[driver.nodes]]``."""

    name: str = Field(default="node", pattern=r"^[a-z][a-z0-9-]{0,40}$")
    """Name of the node; of several, the beginning of their names: ``node1``, ``node2`` ..."""
    count: int = Field(default=1, ge=1, le=1000)
    """How many."""
    cpus: int = Field(ge=1)
    """CPUs that are handed out. More than the machine has is allowed: then jobs share them, unbound."""
    memory_mib: int = Field(ge=1)
    """Memory of each, in MiB."""
    gpus: int = Field(default=0, ge=0)
    """GPU slots of each. Jobs see theirs by index in ``CUDA_VISIBLE_DEVICES``."""
    gpu_model: str | None = Field(default=None, min_length=1)
    """Their model, as scripts and the agreement spell it."""


class GuestTable(_Table):
    """What guests may use; without this table there is no place for guests."""

    nodes: list[str] | None = None
    """Names of the ``[[driver.nodes]]`` tables that are open to guests; all if left out."""
    cpus: int | None = Field(default=None, ge=1)
    """Most CPUs of one node that guests hold together; all if left out."""
    memory_mib: int | None = Field(default=None, ge=1)
    """Most memory of one node that guests hold together, in MiB; all if left out."""
    gpus: int | None = Field(default=None, ge=0)
    """Most GPUs of one node that guests hold together; all if left out."""
    preempted: bool = False
    """Whether an owner job that does not fit ends running guests; they are queued again."""
    time_limit: int | None = Field(default=None, ge=1)
    """Longest guest job in seconds; `time_limit_max` if left out."""


def _listed(nodes: object) -> object:
    return [cast("object", nodes)] if isinstance(nodes, Mapping) else nodes


def _split(path: object) -> object:
    return path.split(":") if isinstance(path, str) else path


class DriverTable(_Table):
    """Everything that the driver can be told."""

    state: Annotated[Path, Field(strict=False)]
    """Folder in which the driver keeps its attempts; made if absent. One site, one folder."""
    name: str = Field(default="local", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    """What jobs see as ``SLURM_CLUSTER_NAME``."""
    nodes: Annotated[list[NodeTable] | None, BeforeValidator(_listed)] = None
    """One table or a list of tables; one node as large as this machine if left out."""
    guest: GuestTable | None = None
    """What guests may use; without this table there is no place for guests."""
    time_limit: int = Field(default=3600, ge=1)
    """Seconds for a job that asks for no limit."""
    time_limit_max: int | None = Field(default=None, ge=1)
    """Longest job in seconds; no limit if left out."""
    path: Annotated[list[str], BeforeValidator(_split)] = Field(default_factory=list)
    """Folders put before the account's ``PATH``, as a list or joined by colons."""
    grace: float = Field(default=10.0, ge=0, le=3600, strict=False)
    """Seconds between SIGTERM and SIGKILL."""
    poll: float = Field(default=0.5, ge=0.05, le=60, strict=False)
    """Seconds between two looks at a job's memory."""
    keep_days: int = Field(default=90, ge=1)
    """Days after which an attempt that is over is forgotten."""
    bind: bool | None = None
    """Whether jobs are bound to the CPUs that they were given; by default where the machine has that many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Checked settings."""

    state: Path
    name: str
    nodes: tuple[Node, ...]
    guests: bool
    preempted: bool
    time_limit: Seconds
    time_limit_max: Seconds | None
    guest_time_limit: Seconds | None
    path: str
    grace: float
    poll: float
    keep: Seconds
    """How long an attempt that is over is remembered."""
    bind: bool

    def longest(self, *, guest: bool) -> Seconds | None:
        """Return the longest time limit of a lane; `None` for no limit."""
        return self.guest_time_limit if guest else self.time_limit_max


def read(settings: Mapping[str, object]) -> LocalSettings:
    """Check the settings; raises `BadInput` with every fault."""
    try:
        table = DriverTable.model_validate(dict(settings))
    except ValidationError as error:
        raise unfit(error.errors(), "see the reference of the local driver's settings", where="driver.") from None
    tables = _node_tables(table.nodes)
    faults = _cross_faults(table, tables)
    if faults:
        raise BadInput(*faults)
    nodes = _nodes(tables, table.guest)
    limits = [limit for limit in (table.guest and table.guest.time_limit, table.time_limit_max) if limit]
    return LocalSettings(
        state=table.state.absolute(),
        name=table.name,
        nodes=nodes,
        guests=table.guest is not None,
        preempted=table.guest is not None and table.guest.preempted,
        time_limit=Seconds(table.time_limit),
        time_limit_max=Seconds(table.time_limit_max) if table.time_limit_max else None,
        guest_time_limit=Seconds(min(limits)) if limits else None,
        path=":".join(table.path),
        grace=table.grace,
        poll=table.poll,
        keep=Seconds(table.keep_days * _DAY),
        bind=_fits_machine(nodes) if table.bind is None else table.bind,
    )


def _node_tables(nodes: list[NodeTable] | None) -> list[NodeTable]:
    if nodes is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEBIBYTE
        return [NodeTable(cpus=len(os.sched_getaffinity(0)), memory_mib=memory)]
    return nodes


def _cross_faults(table: DriverTable, tables: list[NodeTable]) -> list[Fault]:
    faults: list[Fault] = []
    if not tables:
        faults.append(Fault(path="driver.nodes", fault="there is no node", remedy="describe at least one"))
    names = _names(tables)
    if len(set(names)) < len(names):
        faults.append(
            Fault(
                path="driver.nodes", fault="two nodes have the same name", remedy="give each table a `name` of its own"
            )
        )
    if table.time_limit_max and table.time_limit > table.time_limit_max:
        faults.append(
            Fault(
                path="driver.time_limit",
                fault=f"{table.time_limit} is more than time_limit_max, {table.time_limit_max}",
                remedy="lower it",
            )
        )
    known = {each.name for each in tables}
    asked = (table.guest and table.guest.nodes) or []
    faults.extend(
        Fault(
            path="driver.guest.nodes",
            fault=f"there are no nodes named {name!r}",
            remedy=f"use one of {', '.join(sorted(known))}",
        )
        for name in asked
        if name not in known
    )
    return faults


def _names(tables: list[NodeTable]) -> list[str]:
    return [name for table in tables for name in _table_names(table)]


def _table_names(table: NodeTable) -> list[str]:
    return [table.name] if table.count == 1 else [f"{table.name}{index}" for index in range(1, table.count + 1)]


def _nodes(tables: list[NodeTable], guest: GuestTable | None) -> tuple[Node, ...]:
    nodes: list[Node] = []
    first_cpu = first_gpu = 0
    for table in tables:
        for name in _table_names(table):
            nodes.append(
                Node(
                    name=name,
                    cpus=table.cpus,
                    memory=Mebibytes(table.memory_mib),
                    gpus=table.gpus,
                    gpu_model=table.gpu_model.lower() if table.gpu_model else None,
                    guest=_portion(table, guest),
                    first_cpu=first_cpu,
                    first_gpu=first_gpu,
                )
            )
            first_cpu += table.cpus
            first_gpu += table.gpus
    return tuple(nodes)


def _portion(table: NodeTable, guest: GuestTable | None) -> Portion:
    if guest is None or (guest.nodes is not None and table.name not in guest.nodes):
        return Portion(cpus=0, memory=Mebibytes(0), gpus=0)
    return Portion(
        cpus=_least(table.cpus, guest.cpus),
        memory=Mebibytes(_least(table.memory_mib, guest.memory_mib)),
        gpus=_least(table.gpus, guest.gpus),
    )


def _least(whole: int, cap: int | None) -> int:
    return whole if cap is None else min(whole, cap)


def _fits_machine(nodes: tuple[Node, ...]) -> bool:
    return sum(node.cpus for node in nodes) <= len(os.sched_getaffinity(0))
