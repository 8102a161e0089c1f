"""Options of sbatch that have no field in a `JobSpec` and that this driver carries out itself, or has to refuse."""

import signal
from dataclasses import dataclass

from foedus.core.base.errors import SchedulerRefused
from foedus.core.jobs.exports import export
from foedus.core.jobs.sbatch import options_of
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
    number, before = _warning(options.get("signal") or "")
    exported = options.get("export")
    return Conduct(
        append=(options.get("open-mode") or "").lower().startswith("a"),
        stdin=options.get("input") or None,
        exported=export(exported).values if exported else (),
        warning=number,
        warning_before=before,
    )


def _warning(text: str) -> tuple[int, int]:
    """Read ``[{R|B}:]SIGNAL[@SECONDS]``."""
    whom, _, rest = text.rpartition(":")
    name, _, seconds = rest.partition("@")
    before = int(seconds) if seconds.isdecimal() else _SECONDS_BEFORE
    if "B" not in whom.upper():
        return 0, before
    if name.isdecimal():
        return int(name), before
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    try:
        return signal.Signals[full], before
    except KeyError:
        raise SchedulerRefused(f"--signal={text}: there is no signal {name!r}") from None
