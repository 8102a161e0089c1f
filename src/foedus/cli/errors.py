"""Errors as people and scripts see them: a message on standard error, and an exit code."""

import shutil
import sys

from foedus.cli.exits import Exit
from foedus.cli.show import plain
from foedus.core.base.errors import (
    BadInput,
    Broken,
    Conflict,
    Fault,
    FoedusError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    SchedulerRefused,
    SiteTrouble,
    TooLarge,
    TooMany,
    Unreachable,
)

_INDENT = " " * len("error: ")

EXITS: tuple[tuple[type[FoedusError], Exit], ...] = (
    (BadInput, Exit.USAGE),
    (NotAuthenticated, Exit.NOT_ALLOWED),
    (NotAllowed, Exit.NOT_ALLOWED),
    (NotFound, Exit.NOT_FOUND),
    (Conflict, Exit.REFUSED),
    (TooLarge, Exit.REFUSED),
    (TooMany, Exit.REFUSED),
    (SchedulerRefused, Exit.REFUSED),
    (SiteTrouble, Exit.UNREACHABLE),
    (Unreachable, Exit.UNREACHABLE),
    (Broken, Exit.BROKEN),
)
"""Which error ends in which code; the first row that fits counts."""


def exit_of(error: FoedusError) -> Exit:
    """Return the exit code of an error."""
    return next((code for kind, code in EXITS if isinstance(error, kind)), Exit.FAILED)


def report(error: FoedusError, *, as_json: bool) -> Exit:
    """Print the error on standard error (with ``--json`` on standard output, as the hub would send it)."""
    if as_json:
        from foedus.cli.show import print_json
        from foedus.wire.errors import view_of

        print_json(view_of(error))
    else:
        for line in _folded(lines(error)) if sys.stderr.isatty() else lines(error):
            print(line, file=sys.stderr)  # noqa: T201 - the command line prints
    return exit_of(error)


def _folded(found: list[str]) -> list[str]:
    """Fold lines at words for a window; further lines stand below the words of the first."""
    from foedus.cli.table import fold

    room = shutil.get_terminal_size().columns - len(_INDENT)
    folded: list[str] = []
    for line in found:
        first, *more = fold(line[len(_INDENT) :], room)
        folded += [f"{line[: len(_INDENT)]}{first}", *(f"{_INDENT}{part}" for part in more)]
    return folded


def lines(error: FoedusError) -> list[str]:
    """Return the message, line by line: every fault with its remedy."""
    if isinstance(error, BadInput):
        found = [
            part
            for fault in error.faults
            for part in (f"error: {plain(fault.path)}: {plain(fault.fault)}", f"       {plain(fault.remedy)}")
        ]
    else:
        message, *more = error.message.splitlines() or [""]
        found = [f"error: {plain(message)}", *(f"       {plain(line)}" for line in more)]
        if error.remedy:
            found.append(f"       {plain(error.remedy)}")
    notes: list[str] = getattr(error, "__notes__", [])
    return [*found, *(f"       ({plain(note)})" for note in notes)]


def close(error: Exception) -> FoedusError:
    """Put an error that is none of ours into the tree: a file that cannot be used, or else a bug."""
    if isinstance(error, OSError) and error.filename is not None:
        name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else str(error.filename)
        return BadInput(
            Fault(
                path=name, fault=(error.strerror or str(error)).lower(), remedy="check the path and your rights to it"
            )
        )
    return Broken(
        f"{type(error).__name__}: {error}",
        remedy="this is a bug; FOEDUS_DEBUG=1 shows where it arose, for a report",
    )
