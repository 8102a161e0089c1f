"""What a job tells Foedus beyond sbatch: ``#FOEDUS`` lines, and the same keys on the command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from foedus.core.base.errors import Fault
from foedus.core.base.ids import ProjectId, name_fault
from foedus.core.jobs.directives import Misspelt, Word
from foedus.core.jobs.given import Asked, Given, Value
from foedus.core.jobs.options import FOEDUS_BY_NAME
from foedus.core.jobs.paths import path_fault
from foedus.core.jobs.spec import Purpose

_LONGEST_DATASET = 200
_LINE_KEYS = {**FOEDUS_BY_NAME, "output": FOEDUS_BY_NAME["fetch"]}
"""In a ``#FOEDUS`` line ``output`` is free; on a command line it is sbatch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What was said."""

    project: ProjectId | None = None
    purpose: Purpose | None = None
    datasets: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    checkpoint: str | None = None


def read_lines(words: Sequence[Word]) -> tuple[tuple[Given, ...], tuple[Fault, ...]]:
    """Read the words of ``#FOEDUS`` lines: ``key=value``, ``--key=value`` or ``--key value``."""
    givens: list[Given] = []
    faults: list[Fault] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.text.removeprefix("--").partition("=")
        option = _LINE_KEYS.get(key)
        if option is None:
            near = get_close_matches(key[:64], list(_LINE_KEYS), n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(_LINE_KEYS)}"
            faults.append(Fault(path=word.where, fault=f"{key[:64]!r} is no key of #FOEDUS", remedy=remedy))
        elif equals:
            givens.append(Given(option=option, value=value, where=word.where))
        elif word.text.startswith("--") and rest and rest[0].where == word.where:
            givens.append(Given(option=option, value=rest.pop(0).text, where=word.where))
        else:
            faults.append(Fault(path=word.where, fault=f"{key!r} has no value", remedy=f"write {key}=VALUE"))
    return tuple(givens), tuple(faults)


def extras(asked: Asked, overrides: Asked) -> Extras:
    """Put lines and command line together: of a project or purpose the last counts, lists of the script add up.

    A list on the command line replaces the script's.
    """
    for asking in (asked, overrides):
        for given in asking.all("project"):
            fault = name_fault(given.value or "", given.path)
            if fault:
                asking.faults.append(fault)
    project = overrides.last("project") or asked.last("project")
    return Extras(
        project=ProjectId(project.value or "") if project else None,
        purpose=_last(asked, overrides, "purpose", _purpose),
        datasets=_list(asked, overrides, "dataset", _dataset),
        bundle=_list(asked, overrides, "bundle", _path),
        outputs=_list(asked, overrides, "fetch", _glob),
        checkpoint=_last(asked, overrides, "checkpoint", _folder),
    )


def _last(asked: Asked, overrides: Asked, name: str, check: Callable[[str], Value]) -> Value | None:
    """Read what counts once: the last of the command line, else the last of the script."""
    of_script = asked.read(name, check)
    beside = overrides.read(name, check)
    return of_script if beside is None else beside


def _list(asked: Asked, overrides: Asked, name: str, check: Callable[[str], str]) -> tuple[str, ...]:
    """Collect the parts in order, each once."""
    found: dict[Asked, dict[str, None]] = {}
    for asking in (asked, overrides):
        parts = found.setdefault(asking, {})
        for given in asking.all(name):
            for part in (given.value or "").split(","):
                try:
                    parts[check(part)] = None
                except Misspelt as error:
                    asking.faults.append(error.at(given.path))
                    break
    return tuple(found[overrides] or found[asked])


def _purpose(text: str) -> Purpose:
    try:
        return Purpose(text)
    except ValueError:
        raise Misspelt(f"{text[:64]!r} is not a purpose", f"use one of {', '.join(Purpose)}") from None


def _dataset(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_DATASET:
        raise Misspelt(f"{text[:64]!r} does not name a data set", f"give 1 to {_LONGEST_DATASET} characters")
    return text


def _path(text: str) -> str:
    if not text.strip():
        raise Misspelt("a path is empty", "give files and folders with commas between them")
    return text


def _glob(text: str) -> str:
    if not text.strip() or text.startswith("/") or ".." in text.split("/"):
        raise Misspelt(
            f"{text[:64]!r} does not stay in the job's folder", "give patterns relative to it, without '..': results/*"
        )
    return text


def _folder(text: str) -> str:
    folder = text.removesuffix("/")
    if path_fault(folder, "") is not None or not set("*?[").isdisjoint(folder):
        raise Misspelt(
            f"{text[:64]!r} does not stay in the job's folder",
            "give one folder relative to it, without '..' and wildcards: checkpoints",
        )
    return folder
