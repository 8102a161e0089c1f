"""``--signal``: what a job wants to be sent before it is ended, and how long it needs then."""

from dataclasses import dataclass
from enum import StrEnum

from foedus.core.base.units import Seconds
from foedus.core.jobs.sbatch import options_of
from foedus.core.jobs.spec import JobSpec


class Whom(StrEnum):
    """Who gets the signal."""

    BATCH = "batch"
    """The script's own process: ``--signal=B:...``."""
    STEPS = "steps"
    """What the script has started, without itself: ``--signal`` without ``B:``."""
    ALL = "all"
    """Both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSignal:
    """A signal that asks a job to save and to end."""

    name: str = "TERM"
    """As the job spells it, without ``SIG``: a name, or a number."""
    whom: Whom = Whom.ALL
    grace: Seconds | None = None
    """How long it may take then; `None` for the site's own rule."""


def end_signal(spec: JobSpec) -> EndSignal:
    """Return what a sound job is sent when it is asked to end: its ``--signal``, else SIGTERM to all of it."""
    text = options_of(spec).get("signal")
    return read_signal(text) if text else EndSignal()


def read_signal(text: str) -> EndSignal:
    """Read ``[{R|B}:]SIGNAL[@SECONDS]``."""
    whom, _, rest = text.rpartition(":")
    name, _, seconds = rest.partition("@")
    return EndSignal(
        name=name.upper().removeprefix("SIG"),
        whom=Whom.BATCH if "B" in whom.upper() else Whom.STEPS,
        grace=Seconds(int(seconds)) if seconds.isdecimal() else None,
    )
