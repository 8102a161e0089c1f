"""A look at a site's Slurm for its operator: commands, daemons, lanes, accounting, accounts. Changes nothing."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from foedus.core.base.checkup import Finding, fault, ok, warning
from foedus.core.base.errors import FoedusError, SiteTrouble
from foedus.core.base.instant import Instant
from foedus.drivers.slurm import run, sacct, scontrol, squeue
from foedus.drivers.slurm.rows import separator
from foedus.drivers.slurm.settings import LaneSettings, Settings

COMMANDS = ("sbatch", "squeue", "scancel", "sacct", "scontrol", "sinfo")
"""What Slurm's users have; the driver itself does without the last."""
_PREEMPTION = re.compile(r"^PreemptType\s*=\s*(\S+)", re.MULTILINE)
_NONE = "preempt/none"
_CONTROLLER = "see slurmctld on its machine: `systemctl status slurmctld`, `scontrol ping`"
_ACCOUNTING = "see slurmdbd and its database: `systemctl status slurmdbd`; usage waits for it, nothing is lost"
_SUDO = "run the agent as root, or let sudoers allow it: `AGENT ALL=(ACCOUNT) NOPASSWD: ALL`"

Ask = Callable[[list[str]], str]


def findings(settings: Settings, env: Mapping[str, str], accounts: Sequence[str]) -> Iterator[Finding]:
    """Look at everything; what cannot be asked is one finding, and the rest is looked at all the same."""
    missing = [name for name in COMMANDS if shutil.which(name, path=env["PATH"]) is None]
    if missing:
        yield fault(
            f"not found on {env['PATH']}: {', '.join(missing)}",
            "install Slurm's client commands, or name their folder as `path` in [driver]",
        )
        return

    def ask(argv: list[str]) -> str:
        return run.ask(argv, env=env, timeout=settings.timeout)

    mark = separator()
    yield from _apart(lambda: [ok(ask(["sbatch", "--version"]).strip())], "see the message")
    yield from _apart(lambda: _queue(ask, settings, mark), _CONTROLLER)
    yield from _apart(lambda: _lanes(ask, settings), _CONTROLLER)
    yield from _apart(lambda: _accounting(ask, mark), _ACCOUNTING)
    yield from _apart(lambda: _associations(ask, settings), _ACCOUNTING)
    for account in accounts:
        yield from _apart(lambda account=account: _hand_over(account, settings, env), _SUDO)


def _apart(look: Callable[[], Iterable[Finding]], remedy: str) -> list[Finding]:
    """Make one look; what it raises becomes a finding, with a remedy if the error has none."""
    try:
        return list(look())
    except FoedusError as error:
        return [fault(error.message, error.remedy or remedy)]


def _queue(ask: Ask, settings: Settings, mark: str) -> Iterator[Finding]:
    squeue.parse(ask(squeue.command(mark)), mark)
    scontrol.parse_nodes(ask(scontrol.nodes_command()))
    preemption = _PREEMPTION.search(ask(["scontrol", "show", "config"]))
    yield ok("slurmctld answers squeue and scontrol")
    if settings.guests_preempted and settings.owner and settings.guest and preemption and preemption[1] == _NONE:
        yield warning(
            f"guests_preempted is true, and Slurm preempts nothing ({preemption[1]}): owners wait behind guests",
            "set PreemptType in slurm.conf, or guests_preempted = false in [driver]",
        )


def _named(settings: Settings) -> list[tuple[str, LaneSettings]]:
    lanes = (("owner", settings.owner), ("guest", settings.guest))
    return [(name, lane) for name, lane in lanes if lane is not None]


def _lanes(ask: Ask, settings: Settings) -> Iterator[Finding]:
    known = scontrol.parse_partitions(ask(scontrol.partitions_command()))
    for name, lane in _named(settings):
        found = known.get(lane.partition)
        if found is None:
            there = ", ".join(sorted(known)) or "none"
            yield fault(f"driver.{name}: Slurm has no partition {lane.partition!r}", f"name one that it has: {there}")
        elif not found.up:
            yield fault(
                f"driver.{name}: partition {lane.partition} is not up",
                f"scontrol update PartitionName={lane.partition} State=UP",
            )
        else:
            yield ok(f"{name}s' jobs go to partition {lane.partition}")


def _accounting(ask: Ask, mark: str) -> Iterator[Finding]:
    sacct.parse(ask(sacct.command(mark, Instant(0), ["1"])), mark)
    yield ok("slurmdbd answers sacct")


def _associations(ask: Ask, settings: Settings) -> Iterator[Finding]:
    """Look for the lanes' accounts and QOS where any are named: a cluster without them need not know sacctmgr."""
    for kind, column, wanted in (
        ("account", "account", {lane.account for _, lane in _named(settings)} - {""}),
        ("qos", "name", {lane.qos for _, lane in _named(settings)} - {""}),
    ):
        if not wanted:
            continue
        known = set(
            ask(["sacctmgr", "--noheader", "--parsable2", "--readonly", "show", kind, f"format={column}"]).split()
        )
        for name in sorted(wanted - known):
            yield fault(
                f"Slurm's accounting has no {kind} {name!r}",
                f"add it (`sacctmgr add {kind} {name}`), or mend [driver]",
            )
        if wanted <= known:
            yield ok(f"{kind} {', '.join(sorted(wanted))}: known")


def _hand_over(account: str, settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """Run sbatch as the account, without a job."""
    done = run.run(["sbatch", "--version"], env=env, timeout=settings.timeout, account=run.login(account))
    if done.code != 0:
        raise SiteTrouble(f"sbatch cannot be run as {account}: {done.words}", remedy=_SUDO)
    yield ok(f"sbatch can be run as {account}")
