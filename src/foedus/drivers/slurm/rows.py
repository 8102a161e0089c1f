"""Tables that the scheduler prints, cut into fields safely.

Users choose much of what is printed (comments, folders, command lines), so no fixed character can part the fields. Each
query brings a separator of its own that nobody could have known when he named his job.
"""

import secrets

from foedus.core.base.errors import SiteTrouble


def separator() -> str:
    """Return a fresh separator. It begins with no digit, which squeue would read as a width."""
    return f"|{secrets.token_hex(8)}|"


def cut(text: str, mark: str, width: int, command: str) -> list[tuple[str, ...]]:
    """Cut a table in which `mark` follows each field; fields may hold line breaks.

    Raises `SiteTrouble` if the text is no whole number of rows, as when a command was cut short.
    """
    parts = text.split(mark)
    rest = parts.pop()
    if rest.strip() or len(parts) % width:
        raise SiteTrouble(f"{command} printed {len(parts)} fields and {rest[:80]!r}, not rows of {width}")
    rows = [tuple(parts[start : start + width]) for start in range(0, len(parts), width)]
    return [(row[0].lstrip("\n"), *row[1:]) for row in rows]
