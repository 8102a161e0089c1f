"""``#SBATCH`` text into a `JobSpec`, as sbatch of Slurm 22.05 reads it.

The script itself is never changed: what is read here tells admission and placement what the site's own Slurm will read
again. An option is therefore understood, passed on, taken over by Foedus, overruled by the site, or refused by name
(`foedus.core.jobs.options`).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from foedus.core.base.errors import BadInput, Fault, TooLarge
from foedus.core.jobs.directives import Misspelt, Word, other_schedulers, scan
from foedus.core.jobs.exports import export, taken_from
from foedus.core.jobs.extras import extras, read_lines
from foedus.core.jobs.given import Asked, Given, read_words
from foedus.core.jobs.options import Handling, Option
from foedus.core.jobs.shape import resources
from foedus.core.jobs.spec import Dependencies, JobSpec
from foedus.core.jobs.spellings import array, dependencies

LARGEST_SCRIPT = 4 * 1024 * 1024
"""Bytes; the end that Slurm sets by default (``max_script_size``)."""

_LONGEST = {"job-name": 1023, "array": 4095, "output": 4095, "error": 4095, "chdir": 4095, "dependency": 131071}
"""Bytes of a value that slurmctld accepts."""
_MOST_WORDS = 2000
"""Words in directives and beside the script: far more than any job needs, and quick to read."""
_LONGEST_WORDS = 256 * 1024
"""Characters of all of them together."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
_DEFAULT_NAME = "sbatch"
_COMMAND_LINE = "command line"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE = re.compile(r"line (\d+)")


def parse(
    script: str,
    overrides: Sequence[str] = (),
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = _NOTHING,
    *,
    file_name: str = "",
) -> JobSpec:
    """Read a script and the options beside it.

    `overrides` are words as on sbatch's command line (``("--gpus", "2", "-J", "name")``), with Foedus's own
    (``--project`` ...) among them; they win over the script. `environment` is the submitting shell's: only the
    variables that ``--export=NAME`` names are taken from it. `file_name` names the job that has no other name.

    Raises `TooLarge` for a script over `LARGEST_SCRIPT` or for options without end, and `BadInput` with everything
    else that is wrong.
    """
    _check_size(script)
    faults = [*_script_faults(script), *_unfit("argument", enumerate(arguments, start=1))]
    if faults:
        raise BadInput(*sorted(faults, key=_line_of))
    options, beside, own = _givens(script, overrides, faults)
    asked = Asked((*options, *beside), faults)
    _check_handling(asked, len(options))
    _check_values(asked, own)
    notices = _overruled(options)
    needs = resources(asked, notices)
    said, given_beside = Asked(own, ()), Asked(beside, ())
    more = extras(said, given_beside)
    waits_for = asked.read("dependency", dependencies) or Dependencies()
    exported = asked.read("export", export)
    tasks = asked.read("array", array)
    chdir = asked.read("chdir", _chdir)
    asked.read("distribution", _distribution)
    taken = taken_from(environment, exported) if exported else ()
    _check_others(asked, script)
    faults = [*asked.faults, *said.faults, *given_beside.faults, *_unfit("variable", taken)]
    if faults:
        raise BadInput(*sorted(faults, key=_line_of))
    return JobSpec(
        script=script,
        overrides=tuple(one.text for one in beside if _goes_along(one)),
        arguments=tuple(arguments),
        environment=taken,
        name=_text(asked, "job-name") or file_name.rpartition("/")[2] or _DEFAULT_NAME,
        resources=needs,
        array=tasks,
        dependencies=waits_for,
        output=_file(asked, "output"),
        error=_file(asked, "error"),
        chdir=chdir or None,
        requeue=_requeue(asked),
        project=more.project,
        purpose=more.purpose,
        datasets=more.datasets,
        bundle=more.bundle,
        outputs=more.outputs,
        checkpoint=more.checkpoint,
        notices=tuple(notices),
    )


def options_of(spec: JobSpec) -> Mapping[str, str | None]:
    """Return sbatch's options of a sound spec by long name, the last of each: the script's, then the overrides'.

    For drivers that carry out themselves what a `JobSpec` has no field for: ``--signal``, ``--open-mode``,
    ``--export``.
    """
    found = scan(spec.script)
    options, _ = read_words(found.sbatch, foedus=False)
    beside, _ = read_words(_words(spec.overrides), foedus=False)
    return {given.name: given.value for given in (*options, *beside)}


def _check_size(script: str) -> None:
    if len(script) > LARGEST_SCRIPT or len(script.encode("utf-8", "replace")) > LARGEST_SCRIPT:
        remedy = "move data out of the script, into the bundle"
        raise TooLarge(f"the script is larger than {LARGEST_SCRIPT} bytes", remedy=remedy)


def _script_faults(script: str) -> Iterable[Fault]:
    """Say what makes sbatch refuse a script unread."""
    if not script.strip():
        yield Fault(
            path="script", fault="is empty", remedy="begin it with #! and the path of an interpreter: #!/bin/sh"
        )
        return
    if not script.startswith("#!"):
        yield Fault(
            path="line 1",
            fault="does not begin with #!",
            remedy="make the first line #! and the path of an interpreter: #!/bin/sh",
        )
    for found, fault, remedy in (
        ("\0", "holds a NUL character", "save it as plain text"),
        ("\r\n", "has DOS line breaks (CR LF)", "convert it: dos2unix, or sed -i 's/\\r$//'"),
    ):
        at = script.find(found)
        if at >= 0:
            yield Fault(path=f"line {script.count(chr(10), 0, at) + 1}", fault=fault, remedy=remedy)
    if _SURROGATE.search(script):
        yield Fault(path="script", fault="is not UTF-8 text", remedy="save it as UTF-8")


def _line_of(fault: Fault) -> tuple[bool, int]:
    """Order faults as the lines of the script; what lies in no line comes after all that do."""
    found = _LINE.match(fault.path)
    return found is None, int(found.group(1)) if found else 0


def _unfit(kind: str, named: Iterable[tuple[object, str]]) -> Iterable[Fault]:
    """Refuse what no program can be given, or no message can carry."""
    for name, text in named:
        if "\0" in text or _SURROGATE.search(text):
            yield Fault(path=f"{kind} {name}", fault="holds a NUL or is not UTF-8 text", remedy="change it")


def _words(texts: Sequence[str]) -> tuple[Word, ...]:
    return tuple(Word(text=text, where=_COMMAND_LINE) for text in texts)


def _givens(
    script: str, overrides: Sequence[str], faults: list[Fault]
) -> tuple[tuple[Given, ...], tuple[Given, ...], tuple[Given, ...]]:
    """Read the options of the script, those beside it (Foedus's own among them), and those of ``#FOEDUS`` lines."""
    found = scan(script)
    words = [*(word.text for word in (*found.sbatch, *found.foedus)), *overrides]
    _check_amount(len(words) + len(found.faults), sum(map(len, words)))
    options, option_faults = read_words(found.sbatch, foedus=False)
    own, own_faults = read_lines(found.foedus)
    beside, beside_faults = read_words(_words(overrides), foedus=True)
    _check_amount(len(options) + len(beside))
    faults.extend((*found.faults, *option_faults, *own_faults, *beside_faults))
    return options, beside, own


def _check_amount(words: int, characters: int = 0) -> None:
    if words > _MOST_WORDS or characters > _LONGEST_WORDS:
        raise TooLarge(
            f"there are more than {_MOST_WORDS} options, or more than {_LONGEST_WORDS} characters in them",
            remedy="leave out what repeats; put lists into files",
        )


def _check_handling(asked: Asked, of_script: int) -> None:
    """Refuse what cannot be carried out; beside the script, what a site overrules as well."""
    for at, given in enumerate(asked.givens):
        option = given.option
        if option.handling is Handling.REFUSED:
            asked.faults.append(Fault(path=given.path, fault=f"is refused: {_because(option)}", remedy=option.remedy))
        elif option.handling is Handling.OVERRULED and at >= of_script:
            asked.faults.append(
                Fault(path=given.path, fault=f"has no effect with Foedus: {_because(option)}", remedy="remove it")
            )


def _because(option: Option) -> str:
    return option.why[0].lower() + option.why[1:].rstrip(".")


def _check_values(asked: Asked, own: Sequence[Given]) -> None:
    for given in (*asked.givens, *own):
        bad = _control(given.value or "")
        if bad is not None:
            asked.faults.append(
                Fault(path=given.path, fault=f"its value holds the control character {bad!r}", remedy="remove it")
            )
        longest = _LONGEST.get(given.name)
        if longest and len((given.value or "").encode("utf-8", "replace")) > longest:
            asked.faults.append(Fault(path=given.path, fault=f"is longer than {longest} bytes", remedy="shorten it"))


def _control(text: str) -> str | None:
    """Find the first control character or half of a surrogate pair."""
    if text.isprintable():
        return None
    return next((char for char in text if unicodedata.category(char) in ("Cc", "Cs")), None)


def _overruled(options: Sequence[Given]) -> list[str]:
    return [
        f"{given.where}: {given.text} is not used: {_because(given.option)}"
        for given in options
        if given.option.handling is Handling.OVERRULED
    ]


def _check_others(asked: Asked, script: str) -> None:
    """``#PBS`` and ``#BSUB`` lines, which sbatch would translate and Foedus does not read."""
    if asked.last("ignore-pbs"):
        return
    asked.faults.extend(
        Fault(
            path=word.where,
            fault=f"{word.text} lines ask for things in the words of another scheduler",
            remedy="give --ignore-pbs to pass over them, or write them as #SBATCH lines",
        )
        for word in other_schedulers(script)
    )


def _goes_along(given: Given) -> bool:
    return given.option.handling in (Handling.UNDERSTOOD, Handling.PASSED)


def _text(asked: Asked, name: str) -> str | None:
    given = asked.last(name)
    return given.value if given else None


def _file(asked: Asked, name: str) -> str | None:
    """Return a file pattern; sbatch takes ``none`` for the null device."""
    text = _text(asked, name)
    return "/dev/null" if text and text.lower() == "none" else text or None


def _chdir(text: str) -> str:
    depth = 0
    for part in () if text.startswith("/") else text.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            raise Misspelt(f"{text!r} leads out of the job's folder", "give a folder inside it, or an absolute path")
    return text


def _distribution(text: str) -> str:
    if text.lower().startswith("arbitrary"):
        raise Misspelt("it needs the names of nodes, which are those of one site", "use block or cyclic")
    return text


def _requeue(asked: Asked) -> bool | None:
    last = asked.last("requeue", "no-requeue")
    return last.name == "requeue" if last else None
