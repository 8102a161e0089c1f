"""Slurm's lists of trackable resources (``cpu=8,gres/gpu:a100=4``) and of generic ones (``gpu:a100:4(S:0)``)."""

import re
from fnmatch import fnmatchcase

from foedus.core.base.units import Mebibytes

_GPU = "gres/gpu"
_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?([KMGTP]?)[nc]?")
_GRES = re.compile(r"gpu(?::([^:()]+))?:([0-9]{1,15})(?:\(.*\))?")


def parse(text: str) -> dict[str, str]:
    """Read ``name=value`` pairs; an empty list has none."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def count(text: str) -> int:
    """Read a number of things; Slurm shortens large ones (``2K`` nodes) in some columns."""
    match = _SIZE.fullmatch(text)
    return _whole(match, 1) if match else 0


def memory(text: str) -> Mebibytes:
    """Read a memory size (``64M``, ``1.50G``; a bare number is MiB), rounded up to whole MiB."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return Mebibytes(0)
    if not match[3]:
        return Mebibytes(int(match[1]))
    return Mebibytes(-(-_whole(match, 1) // _FACTORS["M"]))


def gpus(resources: dict[str, str]) -> dict[str, int]:
    """Return GPUs by model, lower case; ``""`` for those without one.

    Slurm prints the sum (``gres/gpu=4``) beside the typed parts (``gres/gpu:a100=4``): only what the parts leave over
    is a GPU without a model.
    """
    typed: dict[str, int] = {}
    for name, value in resources.items():
        if name.startswith(f"{_GPU}:"):
            model = name.removeprefix(f"{_GPU}:").lower()
            typed[model] = typed.get(model, 0) + count(value)
    rest = count(resources.get(_GPU, "0")) - sum(typed.values())
    found = {model: number for model, number in typed.items() if number}
    return {"": rest, **found} if rest > 0 else found


def gres_gpus(text: str) -> dict[str, int]:
    """Return GPUs by model from a node's ``Gres`` or ``GresUsed``."""
    found: dict[str, int] = {}
    for part in re.split(r",(?![^(]*\))", text):
        match = _GRES.fullmatch(part.strip())
        if match:
            model = (match[1] or "").lower()
            found[model] = found.get(model, 0) + int(match[2])
    return found


def named(found: dict[str, int], nodes: str, models: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Give GPUs without a model the one that the site's settings have for their nodes."""
    model = next((model for pattern, model in models if fnmatchcase(nodes, pattern)), "")
    if not model or "" not in found:
        return found
    rest = {known: number for known, number in found.items() if known}
    return {**rest, model: rest.get(model, 0) + found[""]}


def _whole(match: re.Match[str], scale: int) -> int:
    """Return the number with its suffix as a whole, rounded up."""
    places = match[2] or ""
    numerator = int(match[1] + places) * _FACTORS[match[3]] * scale
    return -(-numerator // 10 ** len(places))
