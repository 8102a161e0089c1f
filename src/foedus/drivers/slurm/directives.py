"""Takes single options out of a script's ``#SBATCH`` lines by overwriting them with blanks.

Only for an account or QOS of another site where this site names none: nothing beside the script takes those back.
The copy that Slurm gets is the same everywhere else, byte for byte, and has the same length and lines.
"""

import re
from collections.abc import Collection

from foedus.core.jobs.options import BY_LETTER, Option, Takes, long_matches

_DIRECTIVES = ("#SBATCH", "#SLURM")
_TOKEN = re.compile(r"""\#.*|(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\#])+""")


def blank(script: str, names: Collection[str]) -> str:
    """Return the script with these options (by long name) and their values blanked.

    Words are found as sbatch finds them: in lines that begin with a directive, up to the first command. A value may
    stand alone behind its option.
    """
    lines = script.split("\n")
    value_next = False
    for number, line in enumerate(lines):
        magic = next((word for word in _DIRECTIVES if line.startswith(word)), None)
        if magic is None:
            if line.strip() and not line.lstrip().startswith("#"):
                break
            continue
        for token in _TOKEN.finditer(line, len(magic)):
            if token[0].startswith("#"):
                break
            option = None if value_next else _option(token[0])
            if value_next or (option is not None and option.canonical in names):
                start, end = token.span()
                lines[number] = f"{lines[number][:start]}{' ' * (end - start)}{lines[number][end:]}"
            value_next = option is not None and option.canonical in names and _value_follows(token[0], option)
    return "\n".join(lines)


def _option(word: str) -> Option | None:
    if word.startswith("--"):
        found = long_matches(word[2:].partition("=")[0])
        return found[0] if len(found) == 1 else None
    return BY_LETTER.get(word[1]) if word.startswith("-") and len(word) > 1 else None


def _value_follows(word: str, option: Option) -> bool:
    glued = "=" in word if word.startswith("--") else len(word) > len("-A")
    return option.takes is Takes.VALUE and not glued
