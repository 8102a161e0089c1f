"""Takes single options out of a script's ``#SBATCH`` lines by overwriting them with blanks.

Only for the few that nothing on sbatch's command line takes back: ``--wait`` (sbatch would stay until the job ends),
and an account or QOS of another site where this site names none. The copy that Slurm gets is the same everywhere else,
byte for byte, and has the same length and lines.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DIRECTIVE = "#SBATCH"
_TOKEN = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option in all its spellings."""

    long: str
    shortest: str
    """The shortest beginning of ``long`` that getopt takes for it."""
    short: str
    valued: bool


WAIT = Option(long="wait", shortest="wait", short="W", valued=False)
ACCOUNT = Option(long="account", shortest="acco", short="A", valued=True)
QOS = Option(long="qos", shortest="qo", short="q", valued=True)


def blank(script: str, options: Sequence[Option]) -> str:
    """Return the script with these options blanked; sbatch reads directives up to the first command."""
    lines = script.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(_DIRECTIVE):
            lines[number] = _blank_line(line, options)
        elif line.strip() and not line.startswith("#"):
            break
    return "".join(lines)


def without(overrides: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Leave these options out of a command line whose options are each one element."""
    return [word for word in overrides if not any(_named(word, option) for option in options)]


def _blank_line(line: str, options: Sequence[Option]) -> str:
    drop_next = False
    for token in list(_TOKEN.finditer(line, len(_DIRECTIVE))):
        if token[0].startswith("#"):
            break
        option = next((option for option in options if _named(token[0], option)), None)
        if option or drop_next:
            start, end = token.span()
            line = f"{line[:start]}{' ' * (end - start)}{line[end:]}"
        drop_next = option is not None and option.valued and _bare(token[0], option)
    return line


def _named(word: str, option: Option) -> bool:
    if word.startswith("--"):
        name = word[2:].partition("=")[0]
        return option.long.startswith(name) and name.startswith(option.shortest)
    if option.valued:
        return word.startswith(f"-{option.short}")
    return word == f"-{option.short}"


def _bare(word: str, option: Option) -> bool:
    return "=" not in word if word.startswith("--") else word == f"-{option.short}"
