"""Letters that nobody sees: they steer terminals, break lines, or let a text read differently from what it says."""

import re

_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTIONS = "\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_UNSEEN = re.compile(f"[{_CONTROLS}{_DIRECTIONS}]")
_LONGEST_SENTENCE = 500


def has_control(text: str) -> bool:
    """Say whether a text holds a control character, tabs and line breaks of every kind among them."""
    return _CONTROL.search(text) is not None


def has_unseen(text: str) -> bool:
    """Say whether a text holds a control character, or one that turns the direction of what follows it."""
    return _UNSEEN.search(text) is not None


def sentence_fault(value: object) -> str | None:
    """Say what is wrong with what should be a sentence for the books: some text on one line."""
    if isinstance(value, str) and 1 <= len(value) <= _LONGEST_SENTENCE and not has_unseen(value):
        return None
    return f"is not a line of 1 to {_LONGEST_SENTENCE} characters without controls"
