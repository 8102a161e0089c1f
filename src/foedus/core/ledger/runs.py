"""What is examined at a time: some lines of an export, most of them runs of sound usage entries.

Runs keep long books quick to read: whoever joins the parts looks at a run once, not at each of its entries.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from foedus.core.base.dsse import Verifier
from foedus.core.base.ids import Digest
from foedus.core.base.instant import Instant
from foedus.core.ledger.glance import Glanced, glance
from foedus.core.ledger.lines import Seen, Whose, examine


class Link(NamedTuple):
    """Where the chain stands after an entry."""

    seq: int
    hash: Digest
    at: Instant


class Run(NamedTuple):
    """Usage entries that follow from one another, none with a fault of its own."""

    prev: Digest
    """What the first of them follows from."""
    first: Link
    last: Link
    signed: tuple[tuple[Whose, str, Instant], ...]
    """Whose records they are and which key signed them, each once, and when the first such was booked."""
    attempts: tuple[str, ...]
    """The attempt of each, as ``1042/1``."""


Chunk: TypeAlias = Sequence[bytes]
Found: TypeAlias = Sequence[Seen | Run]
Mapper = Callable[[Callable[[Chunk], Found], Iterable[Chunk]], Iterable[Found]]
"""Applies a function to each chunk of lines and gives what it returns in order: `map`, or a pool of processes."""


def examine_chunk(lines: Chunk, check: Verifier) -> Found:
    """Say all that some lines alone tell, in order."""
    found: list[Seen | Run] = []
    run: list[Glanced] = []
    for line in lines:
        entry = glance(line, check)
        if run and (entry is None or not _follows(run[-1], entry)):
            found.append(_run(run))
            run = []
        if entry is None:
            found.append(examine(line, check))
        else:
            run.append(entry)
    return [*found, _run(run)] if run else found


def _follows(last: Glanced, entry: Glanced) -> bool:
    return entry.prev == last.hash and entry.seq == last.seq + 1 and entry.at >= last.at


def _run(entries: Sequence[Glanced]) -> Run:
    first, last = entries[0], entries[-1]
    signed: dict[tuple[Whose, str], Instant] = {}
    for entry in entries:
        signed.setdefault((entry.whose, entry.signer), entry.at)
    return Run(
        first.prev,
        Link(first.seq, first.hash, first.at),
        Link(last.seq, last.hash, last.at),
        tuple((whose, signer, at) for (whose, signer), at in signed.items()),
        tuple([entry.attempt for entry in entries]),
    )
