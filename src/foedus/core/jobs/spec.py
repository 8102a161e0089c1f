"""What a job asks for: the facts that admission, placement and the drivers need, read out of an sbatch script."""

from dataclasses import dataclass, field
from enum import StrEnum

from foedus.core.base.ids import JobId, ProjectId
from foedus.core.base.units import Mebibytes, Seconds


class Purpose(StrEnum):
    """Why a job runs. Compute that counts as training follows from it."""

    PRETRAIN = "pretrain"
    FINETUNE = "finetune"
    RL = "rl"
    SYNTHETIC_DATA = "synthetic-data"
    EVALUATE = "evaluate"
    EXPLORE = "explore"
    DISTILL_PARENT = "distill-parent"
    REWARD_MODEL = "reward-model"
    INFER = "infer"
    GENERATE = "generate"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job needs, per Slurm's own reading of the options. `None` means "not asked for": the site's default."""

    nodes: int = 1
    """Fewest nodes."""
    nodes_max: int | None = None
    """Most nodes, where a range was given."""
    tasks: int = 1
    tasks_per_node: int | None = None
    cpus_per_task: int = 1
    memory_per_node: Mebibytes | None = None
    """0 asks for all memory of each node."""
    memory_per_cpu: Mebibytes | None = None
    memory_per_gpu: Mebibytes | None = None
    gpus: int = 0
    """All GPUs of the job together, at the fewest nodes."""
    gpus_per_node: int | None = None
    """Set where the request fixes the spread (``--gres``, ``--gpus-per-node``); else any spread over nodes will do."""
    gpu_model: str | None = None
    """As the request spells it, lower case: ``a100`` in ``--gpus=a100:2``."""
    time_limit: Seconds | None = None
    exclusive: bool = False

    @property
    def cpus(self) -> int:
        """All CPUs of the job together."""
        return max(self.tasks * self.cpus_per_task, self.nodes)

    @property
    def memory(self) -> Mebibytes:
        """All memory of the job together; 0 where it asks for none."""
        if self.memory_per_node is not None:
            return Mebibytes(self.memory_per_node * self.nodes)
        if self.memory_per_gpu is not None:
            return Mebibytes(self.memory_per_gpu * self.gpus)
        return Mebibytes((self.memory_per_cpu or 0) * self.cpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """``--array``: which tasks, and how many may run at once."""

    indices: tuple[int, ...]
    """Ascending, without repeats."""
    at_once: int | None = None
    """The number after ``%``."""

    @property
    def step(self) -> int:
        """What Slurm puts into ``SLURM_ARRAY_TASK_STEP``: the smallest distance, 1 for a single task."""
        pairs = zip(self.indices, self.indices[1:], strict=False)
        return min((later - earlier for earlier, later in pairs), default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayTask:
    """One task's view of its array: what its ``SLURM_ARRAY_*`` variables say."""

    array: JobId
    index: int
    count: int
    lowest: int
    highest: int
    step: int


class Condition(StrEnum):
    """When a dependency lets the job go."""

    AFTEROK = "afterok"
    AFTERANY = "afterany"
    AFTERNOTOK = "afternotok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One condition on one other job (or on all tasks of an array)."""

    condition: Condition
    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """``--dependency``: comma means all must hold, question mark means any of them."""

    all_of: tuple[Dependency, ...] = ()
    any_of: tuple[Dependency, ...] = ()

    @property
    def each(self) -> tuple[Dependency, ...]:
        """Every dependency, in the order in which it was written."""
        return self.all_of or self.any_of


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One script and what it asks for; an array is one spec with many tasks.

    ``script`` is kept byte for byte: it is what the site's Slurm gets. ``overrides`` are the options that the user gave
    beside the script, in order; they win over the script's own, as on sbatch's command line.
    """

    script: str
    overrides: tuple[str, ...] = ()
    """As for sbatch's command line: ``("--time=5", "--export=SEED")``, one element an option, long form with ``=``."""
    arguments: tuple[str, ...] = ()
    """What follows the script's name on the command line."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that ``--export=NAME`` took from the submitting shell, sorted by name."""
    name: str = "sbatch"
    resources: Resources = field(default_factory=Resources)
    array: ArraySpec | None = None
    dependencies: Dependencies = field(default_factory=Dependencies)
    output: str | None = None
    """``--output`` pattern as written (``%j``, ``%A_%a`` ...); `None` for Slurm's default."""
    error: str | None = None
    chdir: str | None = None
    requeue: bool | None = None
    project: ProjectId | None = None
    purpose: Purpose | None = None
    datasets: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()
    """Paths at the client whose content travels with the job."""
    outputs: tuple[str, ...] = ()
    """Glob patterns, relative to the job's folder, of what comes back."""
    checkpoint: str | None = None
    """Folder, relative to the job's, that its checkpoints are in: what it needs to go on at another site."""
    notices: tuple[str, ...] = ()
    """Sentences for the user: options of the script that a site sets itself, and what sbatch would change."""

    @property
    def task_count(self) -> int:
        """How many tasks it has: those of its array, or the job itself."""
        return len(self.array.indices) if self.array else 1

    @property
    def may_be_called_home(self) -> bool:
        """Whether it may be asked back while it runs; without a `checkpoint` it begins anew, as after a requeue."""
        return self.requeue is not False
