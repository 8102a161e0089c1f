"""Every option of sbatch (Slurm 22.05, the oldest supported), and what Foedus does with each.

Source: ``src/common/slurm_opt.c`` of Slurm 22.05.8. The table is data: the reader, the drivers and the reference page
all use it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Handling(StrEnum):
    """What Foedus does with an option."""

    UNDERSTOOD = "understood"
    """Read by Foedus for admission and placement; the site's Slurm reads it as well."""
    PASSED = "passed"
    """Left to the site's Slurm."""
    TAKEN_OVER = "taken over"
    """Carried out by Foedus, across sites; a driver keeps it from the site's Slurm."""
    OVERRULED = "overruled"
    """Accepted in a script, so that it need not be changed; a driver sets its own value, which wins."""
    IGNORED = "ignored"
    """Concerns sbatch's own messages; not sent on."""
    REFUSED = "refused"
    """Cannot be carried out faithfully at every site."""
    FOEDUS = "foedus"
    """An option of Foedus, which sbatch does not know."""


class Takes(StrEnum):
    """Whether an option has a value."""

    NOTHING = "nothing"
    VALUE = "value"
    OPTIONAL = "optional"
    """Only with ``=``, or glued to its letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option."""

    name: str
    """Long form without the dashes."""
    handling: Handling
    why: str
    """One sentence: what it does here, or why it is refused or overruled."""
    short: str = ""
    """The letter, if it has one."""
    takes: Takes = Takes.VALUE
    alias_of: str = ""
    """The name that it is another spelling of."""
    remedy: str = ""
    """For an option that is refused: what to do instead."""

    @property
    def canonical(self) -> str:
        """The name that all its spellings share."""
        return self.alias_of or self.name


_NOTHING, _OPTIONAL = Takes.NOTHING, Takes.OPTIONAL


def _understood(name: str, short: str, why: str, takes: Takes = Takes.VALUE, alias_of: str = "") -> Option:
    return Option(name=name, short=short, handling=Handling.UNDERSTOOD, why=why, takes=takes, alias_of=alias_of)


def _passed(name: str, short: str, why: str, takes: Takes = Takes.VALUE) -> Option:
    return Option(name=name, short=short, handling=Handling.PASSED, why=why, takes=takes)


def _taken_over(name: str, short: str, why: str) -> Option:
    return Option(name=name, short=short, handling=Handling.TAKEN_OVER, why=why)


def _ignored(name: str, short: str, why: str) -> Option:
    return Option(name=name, short=short, handling=Handling.IGNORED, why=why, takes=Takes.NOTHING)


def _overruled(name: str, short: str, why: str) -> Option:
    return Option(name=name, short=short, handling=Handling.OVERRULED, why=why)


def _refused(
    name: str, short: str, why: str, remedy: str = "remove it", *, takes: Takes = Takes.VALUE, alias_of: str = ""
) -> Option:
    return Option(
        name=name, short=short, handling=Handling.REFUSED, why=why, remedy=remedy, takes=takes, alias_of=alias_of
    )


_SHAPE = (
    _understood("nodes", "N", "Fewest and most nodes."),
    _understood("ntasks", "n", "Number of tasks."),
    _understood("ntasks-per-node", "", "Tasks on each node; with --ntasks the most on a node."),
    _understood("tasks-per-node", "", "The same as --ntasks-per-node.", alias_of="ntasks-per-node"),
    _understood("ntasks-per-gpu", "", "Tasks for each GPU."),
    _understood("ntasks-per-tres", "", "The same as --ntasks-per-gpu in all but name."),
    _understood("cpus-per-task", "c", "CPUs of each task."),
    _understood("cpus-per-gpu", "", "CPUs for each GPU."),
    _understood("sockets-per-node", "", "Sockets on each node; counts tasks where only nodes are given."),
    _understood("cores-per-socket", "", "Cores of each socket; counts tasks where only nodes are given."),
    _understood("threads-per-core", "", "Threads of each core; counts tasks where only nodes are given."),
    _understood("extra-node-info", "B", "Sockets, cores and threads in one option."),
    _understood("mem", "", "Memory on each node; 0 for all of it."),
    _understood("mem-per-cpu", "", "Memory for each CPU."),
    _understood("mem-per-gpu", "", "Memory for each GPU."),
    _understood("gpus", "G", "GPUs of the whole job."),
    _understood("gpus-per-node", "", "GPUs on each node."),
    _understood("gpus-per-socket", "", "GPUs on each socket; needs --sockets-per-node."),
    _understood("gpus-per-task", "", "GPUs for each task."),
    _understood("gres", "", "Generic resources on each node; GPUs among them count."),
    _understood("exclusive", "", "Whole nodes.", _OPTIONAL),
    _understood("oversubscribe", "s", "Nodes may be shared.", _NOTHING),
    _understood("time", "t", "Time limit; 0 for none."),
)

_CONDUCT = (
    _understood("job-name", "J", "Name of the job."),
    _understood("output", "o", "File for standard output."),
    _understood("error", "e", "File for standard error."),
    _understood("chdir", "D", "Working directory; a relative one lies in the job's own folder."),
    _understood("export", "", "Variables of the submitting shell that the job gets; bare names travel with it."),
    _understood("requeue", "", "The job may be queued again.", _NOTHING),
    _understood("no-requeue", "", "The job may not be queued again.", _NOTHING),
    _understood("ignore-pbs", "", "#PBS and #BSUB lines are not read.", _NOTHING),
    _understood("distribution", "m", "How tasks are laid out; `arbitrary` needs named nodes and is refused."),
    _taken_over("array", "a", "Foedus spreads the tasks over the sites itself."),
    _taken_over("dependency", "d", "Foedus waits for jobs at every site; ids are those of Foedus."),
)

_PASSED = (
    _passed("acctg-freq", "", "Sampling interval of the accounting."),
    _passed("batch", "", "Features of the node that runs the script."),
    _passed("bb", "", "Burst buffer of a site that has one."),
    _passed("begin", "b", "Earliest start; the site's Slurm waits, so a relative time counts from the hand-over."),
    _passed("constraint", "C", "Features of nodes; a site whose Slurm does not know them returns the job."),
    _passed("context", "", "SELinux context."),
    _passed("contiguous", "", "Nodes side by side.", _NOTHING),
    _passed("core-spec", "S", "Cores kept for the system."),
    _passed("cpu-freq", "", "CPU frequency."),
    _passed("deadline", "", "Latest end; the site's Slurm removes the job when it can no longer make it."),
    _passed("delay-boot", "", "Wait before rebooting nodes for a feature."),
    _passed("get-user-env", "", "The account's login environment.", _OPTIONAL),
    _passed("gpu-bind", "", "Binding of tasks to GPUs."),
    _passed("gpu-freq", "", "GPU frequency."),
    _passed("gres-flags", "", "Binding of CPUs to generic resources."),
    _passed("hint", "", "Kind of application, for binding."),
    _passed("input", "i", "File for standard input."),
    _passed("kill-on-invalid-dep", "", "Without effect: Foedus keeps the dependencies."),
    _passed("mail-type", "", "Mail on events, sent by the site."),
    _passed("mail-user", "", "Who gets the mail."),
    _passed("mcs-label", "", "Label for the site's MCS plug-in."),
    _passed("mem-bind", "", "Binding to memory."),
    _passed("mincpus", "", "Fewest CPUs on a node."),
    _passed("network", "", "Network of a site that has one to configure."),
    _passed("nice", "", "Lower priority in the site's queue.", _OPTIONAL),
    _passed("no-kill", "k", "Go on when a node fails.", _OPTIONAL),
    _passed("ntasks-per-core", "", "Most tasks on a core."),
    _passed("ntasks-per-socket", "", "Most tasks on a socket."),
    _passed("open-mode", "", "Append to output files, or begin them anew."),
    _passed("overcommit", "O", "More tasks than CPUs.", _NOTHING),
    _passed("power", "", "Power management."),
    _passed("prefer", "", "Features that are welcome."),
    _passed("profile", "", "Profiling of the site's accounting."),
    _passed("propagate", "", "Resource limits to hand on.", _OPTIONAL),
    _passed("signal", "", "Signal before the time limit."),
    _passed("spread-job", "", "As many nodes as possible.", _NOTHING),
    _passed("switches", "", "Most switches between the nodes."),
    _passed("thread-spec", "", "Threads kept for the system."),
    _passed("time-min", "", "Shortest time limit that will do."),
    _passed("tmp", "", "Temporary disk on each node."),
    _passed("use-min-nodes", "", "The fewest nodes of a range.", _NOTHING),
    _passed("wait-all-nodes", "", "Begin when all nodes are ready."),
    _passed("wckey", "", "Workload key of the site's accounting."),
)

_IGNORED = (
    _ignored("parsable", "", "Foedus names the job itself."),
    _ignored("quiet", "Q", "Foedus names the job itself."),
    _ignored("verbose", "v", "It asks for more messages of sbatch."),
)

_OVERRULED = (
    _overruled("account", "A", "The site books the job on the account that its map gives the project."),
    _overruled("comment", "", "The comment carries Foedus's own marker."),
    _overruled("partition", "p", "The site has a partition for its owners' jobs and one for guests'."),
    _overruled("qos", "q", "The site has a QOS for its owners' jobs and one for guests'."),
    _overruled("reservation", "", "A reservation is a thing of one site; the job takes its turn at any."),
)

_ONE_SITE = "remove it, or submit with the site's own sbatch"

_REFUSED = (
    _refused("bbf", "", "It names a file that only the submitting machine has."),
    _refused("cluster", "", "Foedus chooses the cluster.", alias_of="clusters"),
    _refused("cluster-constraint", "", "Foedus chooses the cluster."),
    _refused("clusters", "M", "Foedus chooses the cluster."),
    _refused("container", "", "It names a folder of one site.", "start the container in the script"),
    _refused("exclude", "x", "It names nodes of one site.", _ONE_SITE),
    _refused(
        "export-file",
        "",
        "It names a file that only the submitting machine has.",
        "bundle the file and read it in the script, or use --export=NAME",
    ),
    _refused("gid", "", "The job runs as the account that the site's map gives you."),
    _refused("help", "h", "It asks for sbatch's help and starts no job.", "see `foedus submit --help`", takes=_NOTHING),
    _refused("hold", "H", "A held job would never be released.", "submit the job when it may run", takes=_NOTHING),
    _refused("licenses", "L", "It names licences of one site.", _ONE_SITE),
    _refused("nodefile", "F", "It names nodes of one site.", _ONE_SITE),
    _refused("nodelist", "w", "It names nodes of one site.", _ONE_SITE),
    _refused("priority", "", "The site's Slurm sets priorities.", "use --nice to stand back"),
    _refused("reboot", "", "It would reboot a site's nodes.", takes=_NOTHING),
    _refused("test-only", "", "It starts no job.", "see `foedus sites` for what can start now", takes=_NOTHING),
    _refused("uid", "", "The job runs as the account that the site's map gives you."),
    _refused(
        "usage", "", "It asks for sbatch's usage and starts no job.", "see `foedus submit --help`", takes=_NOTHING
    ),
    _refused("version", "V", "It asks for sbatch's version and starts no job.", takes=_NOTHING),
    _refused("wait", "W", "It would make a site's agent wait for the job.", "use `foedus wait`", takes=_NOTHING),
    _refused("wrap", "", "A script cannot wrap another.", "use `foedus run -- COMMAND`"),
)

OPTIONS: tuple[Option, ...] = tuple(
    sorted(_SHAPE + _CONDUCT + _PASSED + _IGNORED + _OVERRULED + _REFUSED, key=lambda option: option.name)
)
"""All options of sbatch, by name."""


def _foedus(name: str, why: str) -> Option:
    return Option(name=name, handling=Handling.FOEDUS, why=why)


FOEDUS_OPTIONS: tuple[Option, ...] = (
    _foedus("project", "The project whose allocation pays."),
    _foedus("purpose", "Why the job runs; what counts as training compute follows from it."),
    _foedus("dataset", "Data sets that the job uses, with commas between them."),
    _foedus("bundle", "Files and folders that travel with the job, with commas between them."),
    _foedus("fetch", "Glob patterns of the results that come back, with commas between them."),
    _foedus("checkpoint", "Folder of the job's checkpoints: it travels along when the job goes on at another site."),
)
"""Options of Foedus, written in full. In ``#FOEDUS`` lines the dashes may go, and ``output`` means ``fetch``."""

BY_NAME = {option.name: option for option in OPTIONS}
BY_LETTER = {option.short: option for option in OPTIONS if option.short}
FOEDUS_BY_NAME = {option.name: option for option in FOEDUS_OPTIONS}


def long_matches(name: str) -> tuple[Option, ...]:
    """Find the options that getopt_long takes `name` for: one by its full name, else all that begin with it."""
    if name in BY_NAME:
        return (BY_NAME[name],)
    return tuple(option for option in OPTIONS if option.name.startswith(name))
