"""How things are shown: text that cannot play tricks on a terminal, times with their age, figures with their unit."""

import json
import sys
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import hours

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

_HARMLESS_FORMAT = frozenset("\u00ad\u200c\u200d")
"""Soft hyphen and the joiners: words of several scripts need them, and they move nothing."""
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WIDE = 1000
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plain(text: str) -> str:
    r"""Make every character visible that would steer a terminal or reorder a line, tabs and line breaks too.

    >>> plain("a\x1b[2Jb\u202ec")
    'a\\x1b[2Jb\\u202ec'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if unicodedata.category(letter) in _UNSHOWN and letter not in _HARMLESS_FORMAT:
        return ascii(letter)[1:-1]
    return letter


def age(earlier: Instant, now: Instant) -> str:
    """Say how long ago, in the largest whole unit: ``3 h``."""
    seconds = max(0, int(seconds_between(earlier, now)))
    size, unit = next(((size, unit) for size, unit in _STEPS if seconds >= size), (1, "s"))
    return f"{seconds // size} {unit}"


def when(instant: Instant | None, now: Instant) -> str:
    """Show a time on the local clock, with its age; a dash for none."""
    if instant is None:
        return "-"
    local = datetime.fromtimestamp(instant / 1000, tz=UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S %z} ({since(instant, now)})"


def since(instant: Instant | None, now: Instant) -> str:
    """Show how long ago or ahead a time is, for a column of many; a dash for none."""
    if instant is None:
        return "-"
    return f"in {age(now, instant)}" if instant > now else f"{age(instant, now)} ago"


def moment(instant: Instant) -> str:
    """Show a time on the local clock, for a line of many below a heading that names the `zone`."""
    return f"{datetime.fromtimestamp(instant / 1000, tz=UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def zone(now: Instant) -> str:
    """Name the local clock: ``times are +0100``."""
    return f"times are {datetime.fromtimestamp(now / 1000, tz=UTC).astimezone():%z}"


def gpu_hours(gpu_seconds: int) -> str:
    """Show GPU-seconds as GPU-hours."""
    return f"{hours(gpu_seconds)} h"


def count(number: int, thing: str) -> str:
    """Show how many things there are: ``1 GPU``, ``2 GPUs``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def brief(text: str, longest: int = 160) -> str:
    """Cut a text for a table of many; the whole of it is told elsewhere."""
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def size(count: int) -> str:
    """Show bytes in binary units, to a tenth."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":  # noqa: PLR2004 - what a binary prefix means
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def console(*, stderr: bool = False) -> "Console":
    """Return where tables go; a pipe or file gets them unshortened."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=width is not None, width=width)


def say(text: str = "") -> None:
    """Print a line, made safe."""
    sys.stdout.write(plain(text) + "\n")


def note(text: str) -> None:
    """Print a line for the person, beside the output; where both go to one file, they stay in order."""
    sys.stdout.flush()
    sys.stderr.write(plain(text) + "\n")


def print_line(found: Mapping[str, object]) -> None:
    """Print an object as one line of JSON, in ASCII."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def print_json(view: "BaseModel | dict[str, object]") -> None:
    """Print a message as JSON, in ASCII: nothing in it can steer a terminal."""
    found = view if isinstance(view, dict) else view.model_dump(mode="json")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
