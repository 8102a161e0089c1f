"""Reading ledgers and heads from files: long ones with a progress bar, and with several processes that check them."""

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Final, cast

from foedus.core.base.errors import BadInput, Fault
from foedus.core.ledger.chain import Head, signed_head_from_json
from foedus.core.ledger.entry import Entry, Kind, entry_from_json
from foedus.core.ledger.lines import LONGEST_LINE
from foedus.core.ledger.runs import Chunk, Found, Mapper

LONG: Final = 4 * 1024 * 1024
"""Bytes; a shorter file takes less time than starting processes does."""
_TOLD: Final = 500
"""Lines after which the bar moves."""
_AHEAD: Final = 3


@contextmanager
def progress(path: Path, words: str) -> Generator[Iterator[bytes]]:
    """Give the lines of a file; on a terminal, a long one with a bar."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < LONG or not sys.stderr.isatty():
            yield _lines(file)
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(words, total=size)
            yield _lines(file, lambda: bar.update(task, completed=file.tell()))


@contextmanager
def pool(path: Path, processes: int) -> Generator[Mapper | None]:
    """Give what examines lines: `None` to do it here, else so many processes (0: one a processor, for long files)."""
    count = processes or (_processors() if path.stat().st_size >= LONG else 1)
    if count == 1:
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as executor:

        def examine(function: Callable[[Chunk], Found], chunks: Iterable[Chunk]) -> Iterator[Found]:
            return _map(executor, count * _AHEAD, function, chunks)

        yield examine


def entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Read the entries among the lines of a ledger; raises `BadInput` naming the line that is malformed."""
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        found = _json(line, where, "export the ledger again")
        parts = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        if parts.get("kind") in Kind.__members__.values():
            yield entry_from_json(parts, where)


def kept_head(path: Path) -> Head:
    """Read a head that the hub signed and somebody kept; raises `BadInput`."""
    found = _json(path.read_bytes(), str(path), "give a head as the hub signed it")
    return signed_head_from_json(_file_form(found), str(path)).head


def _file_form(found: object) -> object:
    """Put a head as ``foedus ledger head --json`` prints it into the form that a ledger's file has it in."""
    if not isinstance(found, dict):
        return found
    parts = cast("dict[str, object]", found)
    if not {"keyid", "sig"} <= parts.keys():
        return parts
    signature = {name: parts.pop(name) for name in ("keyid", "sig")}
    return {**parts, "signatures": [signature]}


def _json(data: bytes, where: str, remedy: str) -> object:
    try:
        return cast("object", json.loads(data))
    except (ValueError, RecursionError) as error:
        raise BadInput(Fault(path=where, fault=f"is not JSON ({error})", remedy=remedy)) from error


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _lines(file: IO[bytes], tell: Callable[[], object] | None = None) -> Iterator[bytes]:
    """Read lines; one that is too long comes in pieces that no reader will take for lines."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        number += 1
        if tell and number % _TOLD == 0:
            tell()


def _map(
    executor: ProcessPoolExecutor, ahead: int, function: Callable[[Chunk], Found], chunks: Iterable[Chunk]
) -> Iterator[Found]:
    """Like `map`, in order; never more than so many chunks are read ahead."""
    source = iter(chunks)
    waiting = deque(executor.submit(function, chunk) for chunk in islice(source, ahead))
    while waiting:
        found = waiting.popleft().result()
        waiting.extend(executor.submit(function, chunk) for chunk in islice(source, 1))
        yield found
