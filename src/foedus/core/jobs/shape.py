"""Nodes, tasks, CPUs, memory and GPUs: what sbatch and slurmctld make of the options together.

It follows ``_opt_verify`` (``src/sbatch/opt.c``), ``validate_options_salloc_sbatch_srun`` (``src/common/slurm_opt.c``)
and ``gres_job_state_validate`` (``src/common/gres.c``) of Slurm 22.05.8.
"""

from dataclasses import dataclass

from foedus.core.jobs.directives import Misspelt
from foedus.core.jobs.given import Asked
from foedus.core.jobs.spec import Resources
from foedus.core.jobs.spellings import Gpus, count, gpus, gres, memory, nodes, time_limit

_MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")
_SHARED = "oversubscribe"
_EXCLUSIVE = ("exclusive", "user", "mcs", _SHARED)


@dataclass(slots=True)
class _Layout:
    """Nodes and tasks on the way to being settled; `None` is "not asked for"."""

    fewest: int | None
    most: int | None
    tasks: int | None
    tasks_per_node: int | None
    cpus_per_task: int | None
    cpus_per_gpu: int | None
    sockets: int | None
    tasks_per_gpu: int | None

    @property
    def fixed(self) -> bool:
        """Whether the number of nodes is given, and is no range."""
        return self.fewest is not None and self.fewest == self.most


@dataclass(slots=True)
class _GpuCounts:
    """GPUs of each kind of request; 0 is "not asked for"."""

    job: int = 0
    node: int = 0
    socket: int = 0
    task: int = 0
    model: str | None = None

    @property
    def any(self) -> bool:
        return bool(self.job or self.node or self.socket or self.task)

    def total(self, layout: _Layout) -> int:
        """All GPUs at the fewest nodes."""
        fewest = layout.fewest or 1
        return max(
            self.job,
            self.node * fewest,
            self.socket * fewest * (layout.sockets or 1),
            self.task * (layout.tasks or 1),
        )


def resources(asked: Asked, notices: list[str]) -> Resources:
    """Settle what the job needs; faults go to `asked`, and what the user should know to `notices`."""
    layout = _layout(asked)
    _settle_tasks(asked, layout, notices)
    wanted = _gpus(asked)
    _check_exclusions(asked)
    _settle_gpus(asked, layout, wanted)
    fewest = layout.fewest or 1
    if layout.fewest is None and layout.tasks and layout.tasks_per_node:
        fewest = -(-layout.tasks // layout.tasks_per_node)
    tasks = layout.tasks or fewest * (layout.tasks_per_node or 1)
    total = wanted.total(layout)
    cpus_per_task = layout.cpus_per_task or 1
    if layout.cpus_per_gpu and total:
        cpus_per_task = -(-total * layout.cpus_per_gpu // tasks)
    return Resources(
        nodes=fewest,
        nodes_max=layout.most if layout.most and layout.most > fewest else None,
        tasks=tasks,
        tasks_per_node=layout.tasks_per_node,
        cpus_per_task=cpus_per_task,
        memory_per_node=asked.read("mem", memory),
        memory_per_cpu=asked.read("mem-per-cpu", memory),
        memory_per_gpu=asked.read("mem-per-gpu", memory),
        gpus=total,
        gpus_per_node=_per_node(layout, wanted),
        gpu_model=wanted.model,
        time_limit=asked.read("time", time_limit),
        exclusive=_exclusive(asked),
    )


def _layout(asked: Asked) -> _Layout:
    fewest, most = asked.read("nodes", nodes) or (None, None)
    tasks_per_tres = asked.read("ntasks-per-tres", count)
    return _Layout(
        fewest=fewest,
        most=most,
        tasks=asked.read("ntasks", count),
        tasks_per_node=asked.read("ntasks-per-node", count),
        cpus_per_task=asked.read("cpus-per-task", count),
        cpus_per_gpu=asked.read("cpus-per-gpu", count),
        sockets=asked.read("sockets-per-node", count),
        tasks_per_gpu=asked.read("ntasks-per-gpu", count) or tasks_per_tres,
    )


def _settle_tasks(asked: Asked, layout: _Layout, notices: list[str]) -> None:
    """Count tasks and nodes as sbatch does before it sends anything."""
    cores = asked.read("cores-per-socket", count)
    threads = asked.read("threads-per-core", count)
    extra = asked.read("extra-node-info", _topology)
    if extra is not None:
        layout.sockets, cores, threads = (new or old for new, old in zip(extra, (layout.sockets, cores, threads)))  # noqa: B905
    if layout.tasks is None and layout.tasks_per_node and (layout.fewest is None or layout.fixed):
        layout.tasks = (layout.fewest or 1) * layout.tasks_per_node
    if layout.tasks is None and (layout.fixed or (layout.fewest is None and extra is not None)):
        parts = [part for part in (layout.sockets, cores, threads) if part]
        for part in parts:
            layout.tasks = (layout.tasks or layout.fewest or 1) * part
    elif layout.tasks is not None and layout.fewest is not None and layout.most is not None:
        layout.most = min(layout.most, layout.tasks)
        if layout.tasks < layout.fewest:
            notices.append(
                f"{layout.tasks} tasks do not fill {layout.fewest} nodes; "
                f"sbatch asks for {layout.tasks} nodes, and so does Foedus"
            )
            layout.fewest = layout.most = layout.tasks


def _topology(text: str) -> tuple[int | None, int | None, int | None]:
    """Read ``sockets[:cores[:threads]]``; ``*`` and an empty part leave the choice open, a range counts its start."""
    parts = text.split(":")
    if len(parts) > 3:  # noqa: PLR2004  # sockets, cores, threads
        raise Misspelt(f"{text!r} has more than three parts", "write SOCKETS:CORES:THREADS")
    lows = [None if part in ("", "*") else count(part.partition("-")[0]) for part in parts]
    sockets, cores, threads = (*lows, None, None)[:3]
    return sockets, cores, threads


def _gpus(asked: Asked) -> _GpuCounts:
    counts = _GpuCounts()
    models: dict[str | None, str] = {}
    found: list[tuple[str, Gpus]] = []
    for name, spelling in (
        ("gpus", gpus),
        ("gpus-per-node", gpus),
        ("gres", gres),
        ("gpus-per-socket", gpus),
        ("gpus-per-task", gpus),
    ):
        one = asked.read(name, spelling)
        if one is not None:
            found.append((name, one))
            models.setdefault(one.model, name)
    for name, one in found:
        counts.model = counts.model or one.model
        setattr(counts, {"gpus": "job", "gres": "node"}.get(name, name.removeprefix("gpus-per-")), one.count)
    if len(models) > 1:
        asked.refuse(
            tuple(models.values()),
            "they name different models of GPU, or only some of them name one",
            "name the same model in each, or none",
        )
    return counts


def _check_exclusions(asked: Asked) -> None:
    """Refuse what sbatch calls mutually exclusive."""
    kinds = [name for name in _MEMORY if asked.last(name)]
    if len(kinds) > 1:
        asked.refuse(kinds, "sbatch takes only one of them, in script and command line together", "keep one of them")
    per_gpu = next((name for name in ("ntasks-per-gpu", "ntasks-per-tres") if asked.last(name)), None)
    others = [name for name in ("gpus-per-task", "gpus-per-socket", "ntasks-per-node") if asked.last(name)]
    if per_gpu and others:
        asked.refuse((per_gpu, *others), "sbatch takes only one of them", "keep one of them")
    tasks = (asked.last("ntasks-per-gpu"), asked.last("ntasks-per-tres"))
    if tasks[0] and tasks[1] and tasks[0].value != tasks[1].value:
        asked.refuse(("ntasks-per-gpu", "ntasks-per-tres"), "they differ", "keep one of them")
    for pair in (("cpus-per-gpu", "cpus-per-task"), ("core-spec", "thread-spec")):
        if all(asked.last(name) for name in pair):
            asked.refuse(pair, "sbatch takes only one of them", "keep one of them")


def _settle_gpus(asked: Asked, layout: _Layout, wanted: _GpuCounts) -> None:
    """Make GPUs, nodes and tasks agree, or say why they cannot."""
    if (wanted.task or layout.tasks_per_gpu) and layout.tasks is None and layout.fixed and layout.fewest:
        if layout.tasks_per_gpu:
            layout.tasks = layout.fewest * layout.tasks_per_gpu
        elif layout.cpus_per_task is None:
            layout.tasks = layout.fewest
    if layout.tasks_per_gpu:
        _settle_tasks_per_gpu(asked, layout, wanted)
    if asked.last("mem-per-gpu") and not wanted.any:
        asked.refuse(("mem-per-gpu",), "the job asks for no GPU", "ask for GPUs, or use --mem or --mem-per-cpu")
    if wanted.socket and layout.sockets is None:
        asked.refuse(("gpus-per-socket",), "it needs --sockets-per-node", "add --sockets-per-node, or use --gpus")
    _settle_nodes(asked, layout, wanted)
    _settle_gpu_tasks(asked, layout, wanted)
    if wanted.job and layout.fewest and wanted.job < layout.fewest:
        asked.refuse(("gpus", "nodes"), "there are fewer GPUs than nodes", "ask for one GPU a node at least")
    if wanted.job and layout.most:
        layout.most = min(layout.most, wanted.job)


def _settle_tasks_per_gpu(asked: Asked, layout: _Layout, wanted: _GpuCounts) -> None:
    per_gpu = layout.tasks_per_gpu or 1
    if wanted.any:
        layout.tasks = wanted.total(layout) * per_gpu
    elif layout.tasks and (layout.tasks < per_gpu or layout.tasks % per_gpu == 0):
        wanted.job = layout.tasks // per_gpu  # none for too few tasks: sbatch grumbles and goes on
    elif layout.tasks:
        asked.refuse(("ntasks-per-gpu", "ntasks"), "the tasks are no multiple of it", "change one of them")
    else:
        asked.refuse(("ntasks-per-gpu",), "nothing says how many GPUs or tasks", "add --gpus, --ntasks or --nodes")


def _settle_nodes(asked: Asked, layout: _Layout, wanted: _GpuCounts) -> None:
    """GPUs of the job and on each node say how many nodes."""
    if wanted.node and wanted.socket and layout.sockets and wanted.node != wanted.socket * layout.sockets:
        asked.refuse(("gpus-per-node", "gpus-per-socket"), "they do not fit --sockets-per-node", "change one of them")
    if wanted.job and wanted.socket > wanted.job:
        asked.refuse(("gpus", "gpus-per-socket"), "a socket has more GPUs than the job", "change one of them")
    if not (wanted.job and wanted.node):
        return
    needed, rest = divmod(wanted.job, wanted.node)
    low, high = layout.fewest or needed, layout.most or needed
    if rest or not low <= needed <= high:
        asked.refuse(
            ("gpus", "gres" if asked.last("gres") else "gpus-per-node"),
            "GPUs of the job are not nodes times GPUs on each node",
            "make them fit, or leave one out",
        )
        return
    layout.fewest = layout.most = needed


def _settle_gpu_tasks(asked: Asked, layout: _Layout, wanted: _GpuCounts) -> None:
    """GPUs for each task say how many tasks, or how many GPUs."""
    if not wanted.task:
        return
    whole = (
        ("gpus", wanted.job, layout.tasks),
        ("gpus-per-node", wanted.node, layout.tasks_per_node),
        ("gpus-per-socket", wanted.socket, None),
    )
    for name, gpu_count, tasks in whole:
        if gpu_count and (gpu_count % wanted.task or (tasks and gpu_count // wanted.task != tasks)):
            asked.refuse((name, "gpus-per-task"), "they do not fit the tasks", "leave one of them out")
            return
    if wanted.job:
        layout.tasks = wanted.job // wanted.task
    elif layout.tasks is None:
        asked.refuse(("gpus-per-task",), "nothing says how many tasks", "add --ntasks or --gpus")
    if layout.cpus_per_gpu:
        layout.cpus_per_task = layout.cpus_per_gpu * wanted.task


def _per_node(layout: _Layout, wanted: _GpuCounts) -> int | None:
    if wanted.node:
        return wanted.node
    if wanted.socket and layout.sockets:
        return wanted.socket * layout.sockets
    if wanted.task and layout.tasks_per_node and layout.tasks == (layout.fewest or 1) * layout.tasks_per_node:
        return wanted.task * layout.tasks_per_node
    return None


def _exclusive(asked: Asked) -> bool:
    """Whether nodes are not shared; ``user`` and ``mcs`` count, since other users' jobs are kept away."""
    exclusive = False
    for given in asked.all("exclusive", _SHARED):
        kind = _SHARED if given.name == _SHARED else (given.value or "exclusive").lower()
        if kind not in _EXCLUSIVE:
            asked.refuse(("exclusive",), f"{given.value!r} is not a kind of it", "write --exclusive, =user or =mcs")
        exclusive = kind != _SHARED
    return exclusive
