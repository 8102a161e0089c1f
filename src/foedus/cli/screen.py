"""What a job wrote, on a terminal: its colours pass, everything else that would steer the terminal does not."""

import codecs
import re

from foedus.cli.show import plain

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # strings: titles, links, clipboards
    r"|\x1b[ -/]+[0-~]|\x1b[0-Z\\`-~]",  # short ones
    re.DOTALL,
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_](?:(?!\x07|\x1b\\).)*|[ -/]*)\Z", re.DOTALL)
_LONGEST = 4096
"""Letters that an unfinished sequence may have before it is shown as it is."""
_RESET = "\x1b[0m"


class Screen:
    """Turns bytes, as they come, into text that is safe to write to a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        self._held = ""
        self._coloured = False

    def text(self, data: bytes) -> str:
        """Return what can be shown by now; a sequence or letter that is not whole yet is held back."""
        text = self._held + self._decoder.decode(data)
        cut = _UNFINISHED.search(text)
        self._held = ""
        if cut is not None and len(text) - cut.start() <= _LONGEST:
            text, self._held = text[: cut.start()], text[cut.start() :]
        return self._safe(text)

    def end(self) -> str:
        """Return what was held back, and the end of all colours."""
        rest = plain(self._held + self._decoder.decode(b"", final=True))
        self._held = ""
        return rest + (_RESET if self._coloured else "")

    def _safe(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for found in _SEQUENCE.finditer(text):
            parts.append(_letters(text[at : found.start()]))
            if _COLOUR.fullmatch(found.group()):
                self._coloured = True
                parts.append(found.group())
            at = found.end()
        parts.append(_letters(text[at:]))
        return "".join(parts)


def _letters(text: str) -> str:
    """Keep line breaks, tabs and the carriage return of progress bars; make the other controls visible."""
    return "".join(part if part in "\n\t\r" else plain(part) for part in re.split(r"([\n\t\r])", text))
