"""``--export``: which variables of the submitting shell a job gets. Follows ``env_merge_filter`` of Slurm 22.05.8."""

from collections.abc import Mapping
from dataclasses import dataclass

from foedus.core.jobs.directives import Misspelt

_RESERVED = ("SLURM_", "SBATCH_")
"""Variables that sbatch itself reads: those of the submitting machine mean nothing at a site, and are left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the option says."""

    everything: bool
    """``ALL``, alone or among others: the whole environment of whoever submits to the cluster."""
    names: tuple[str, ...] = ()
    """Bare names, whose values come from the submitting shell."""
    values: tuple[tuple[str, str], ...] = ()
    """``NAME=value`` pairs in order; a later one wins."""


def export(text: str) -> Export:
    """Read the option; ``NONE`` gives nothing but Slurm's own variables."""
    if text.upper() in ("NONE", "NIL"):
        return Export(everything=False)
    everything = False
    names: list[str] = []
    values: list[tuple[str, str]] = []
    for part in _parts(text):
        name, equals, value = part.partition("=")
        if part.upper() == "ALL":
            everything = True
        elif equals:
            values.append((name, value))
        elif name:
            names.append(name)
    return Export(everything=everything, names=tuple(names), values=tuple(values))


def taken_from(environment: Mapping[str, str], wanted: Export) -> tuple[tuple[str, str], ...]:
    """Look the bare names up, sorted; sbatch silently leaves out what the shell does not have, and so does this."""
    names = (name for name in sorted(set(wanted.names)) if not name.startswith(_RESERVED))
    return tuple((name, environment[name]) for name in names if name in environment)


def _parts(text: str) -> list[str]:
    """Split at commas outside quotes; quotes around a whole part are taken off, those inside it stay."""
    parts: list[str] = []
    start = 0
    inside = {"'": False, '"': False}
    for at, char in enumerate(text + ","):
        if char in inside:
            inside[char] = not inside[char]
        elif char == "," and (at == len(text) or not any(inside.values())):
            if any(inside.values()):
                raise Misspelt(f"{text[start:][:40]!r} has a quotation mark that is not closed", "close it")
            part = text[start:at]
            parts.append(part[1:-1] if len(part) > 1 and part[0] in inside and part[-1] == part[0] else part)
            start = at + 1
    return parts
