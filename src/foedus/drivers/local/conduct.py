"""Options of sbatch that have no field in a `JobSpec` and that this driver carries out itself, or has to refuse."""

import signal
from dataclasses import dataclass

from foedus.core.base.errors import SchedulerRefused
from foedus.core.jobs.exports import export
from foedus.core.jobs.sbatch import options_of
from foedus.core.jobs.signals import EndSignal, Whom, read_signal
from foedus.core.jobs.spec import JobSpec

_SECONDS_BEFORE = 60
"""Of ``--signal`` without a time, as in Slurm."""
_IMPOSSIBLE = {
    "begin": "starts jobs as soon as there is room",
    "constraint": "has nodes without features",
    "deadline": "knows no deadlines",
}
"""What would be a broken promise if it were passed over: option -> what this site does instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How the script's process is set up, beside its resources."""

    append: bool = False
    """``--open-mode=append``: output files keep what they hold."""
    stdin: str | None = None
    """``--input`` pattern; `None` for nothing to read."""
    exported: tuple[tuple[str, str], ...] = ()
    """``NAME=value`` pairs of ``--export``."""
    warning: int = 0
    """Signal that the script's own process gets before its time limit (``--signal=B:...``); 0 for none. Without ``B:``
    Slurm signals job steps alone, and there are none here."""
    warning_before: int = _SECONDS_BEFORE
    """Seconds."""


def conduct(spec: JobSpec) -> Conduct:
    """Read the options; raises `SchedulerRefused` for one that cannot be kept here."""
    options = options_of(spec)
    broken = [f"--{name}: this site {instead}" for name, instead in _IMPOSSIBLE.items() if name in options]
    if broken:
        raise SchedulerRefused("; ".join(broken), remedy="leave the option out, or submit to a site that has Slurm")
    asked = options.get("signal")
    number, before = _warning(read_signal(asked)) if asked else (0, _SECONDS_BEFORE)
    exported = options.get("export")
    return Conduct(
        append=(options.get("open-mode") or "").lower().startswith("a"),
        stdin=options.get("input") or None,
        exported=export(exported).values if exported else (),
        warning=number,
        warning_before=before,
    )


def signal_number(name: str) -> int:
    """Return the number of a signal that is named without ``SIG``; raises `SchedulerRefused` for one without any."""
    if name.isdecimal():
        return int(name)
    try:
        return signal.Signals[f"SIG{name}"]
    except KeyError:
        raise SchedulerRefused(f"--signal: there is no signal {name!r}") from None


def _warning(end: EndSignal) -> tuple[int, int]:
    """Return which signal the script's own process gets before its time limit, and how many seconds before."""
    number = signal_number(end.name)
    return number if end.whom is Whom.BATCH else 0, _SECONDS_BEFORE if end.grace is None else end.grace
