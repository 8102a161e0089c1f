"""Reads an exported ledger from end to end and finds everything that was changed, dropped, reordered or doubled.

Needs the file and one agreement that the reader trusts, and nothing else. Lines are taken one after the other, runs of
usage entries as a whole where they fit; what is kept is one number per attempt, so that a second record of it is
noticed.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, assert_never

from foedus.core.agreement.model import Agreement
from foedus.core.base.dsse import Verifier
from foedus.core.base.ids import AllianceId, Digest, SiteId
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import GENESIS, Kind
from foedus.core.ledger.lines import (
    TRAILER_START,
    BrokenSeen,
    EntrySeen,
    HeaderSeen,
    SealSeen,
    Seen,
    TrailerSeen,
    UsageFacts,
    examine,
)
from foedus.core.ledger.runs import Chunk, Found, Link, Mapper, Run, examine_chunk
from foedus.core.ledger.trust import Trust

MOST_FAULTS: Final = 1000
"""Listed in a report; the others are counted."""
_CHUNK: Final = 512 * 1024
"""Bytes that are examined at a time, some hundred lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFault:
    """One thing that is wrong with the file."""

    line: int
    """Counted from 1."""
    fault: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.fault}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """How far a site vouches for the ledger."""

    site: SiteId
    seq: int
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a file holds, and what is wrong with it."""

    alliance: AllianceId
    entries: int
    kinds: Mapping[Kind, int]
    """How many entries of each kind."""
    first: Instant | None
    """When the first entry was booked."""
    head: Head | None
    """The newest entry, as found."""
    agreement_version: int
    """The version in force at the end."""
    seals: tuple[Sealed, ...]
    """The newest seal of each site, by site."""
    faults: tuple[LineFault, ...]
    unlisted: int
    """How many more faults there are than are listed."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(
    lines: Iterable[bytes],
    *,
    agreement: Agreement,
    check: Verifier,
    held: Head | None = None,
    mapper: Mapper | None = None,
) -> Report:
    """Read the lines of an export (each with its newline) and report.

    ``held`` is a head that the reader kept from an earlier time: the ledger must lead through it. ``mapper`` may
    examine lines in several processes; the default is one after the other.
    """
    file = _File(lines)
    book = _Book(agreement, held, partial(examine, check=check))
    examiner = partial(examine_chunk, check=check)
    parts: Iterable[Found] = mapper(examiner, file) if mapper else map(examiner, file)
    for found in parts:
        book.take(found, file)
    return book.close()


class _File:
    """Passes lines on in chunks, and remembers the hash of all bytes before each line that may be the trailer.

    The reader may be ahead of the one who asks: a pool takes chunks in advance.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._passed: deque[Chunk] = deque()
        self._before: deque[tuple[int, Digest]] = deque()

    def __iter__(self) -> Iterator[Chunk]:
        so_far = hashlib.sha256()
        chunk: list[bytes] = []
        size = 0
        for number, line in enumerate(self._lines, 1):
            if line.startswith(TRAILER_START):
                self._before.append((number, Digest(so_far.hexdigest())))
            so_far.update(line)
            chunk.append(line)
            size += len(line)
            if size >= _CHUNK:
                self._passed.append(chunk)
                yield chunk
                chunk, size = [], 0
        if chunk:
            self._passed.append(chunk)
            yield chunk

    def chunk(self) -> Chunk:
        """Return the oldest chunk that was passed on, once."""
        return self._passed.popleft()

    def before(self, number: int) -> Digest | None:
        """Return the hash of all bytes before line `number`; ask in ascending order."""
        while self._before and self._before[0][0] < number:
            self._before.popleft()
        if self._before and self._before[0][0] == number:
            return self._before[0][1]
        return None


class _Book:
    """The state that one line leaves for the next."""

    def __init__(self, agreement: Agreement, held: Head | None, closer: Callable[[bytes], Seen]) -> None:
        self._agreement = agreement
        self._held = held
        self._closer = closer
        self._trust = Trust(agreement)
        self._faults: list[LineFault] = []
        self._unlisted = 0
        self._line = 0
        self._kinds: Counter[Kind] = Counter()
        self._first: Instant | None = None
        self._last: Link | None = None
        self._lost = False
        """The line before could not be read: the next entry is taken as it comes."""
        self._sealing: SiteId | None = None
        self._attempts: dict[str, int] = {}
        self._seals: dict[SiteId, Sealed] = {}
        self._closed = False

    def take(self, found: Found, file: _File) -> None:
        """Go on by one chunk. A run that does not fit as a whole is looked at line by line, to say what is wrong."""
        lines = iter(file.chunk())
        for seen in found:
            if not isinstance(seen, Run):
                next(lines)
                self._take(seen, file)
            elif self._fits(seen):
                deque(islice(lines, len(seen.attempts)), maxlen=0)
                self._join(seen)
            else:
                for line in islice(lines, len(seen.attempts)):
                    self._take(self._closer(line), file)

    def _take(self, seen: Seen, file: _File) -> None:
        self._line += 1
        self._note(seen.faults)
        if self._closed:
            self._note(["stands after the end of the ledger"])
            return
        if (self._line == 1) != isinstance(seen, HeaderSeen):
            self._note(["is not where the header belongs" if self._line > 1 else "the header is missing"])
        match seen:
            case HeaderSeen():
                if seen.alliance != self._agreement.id:
                    self._note([f"the ledger is of alliance {seen.alliance}, not of {self._agreement.id}"])
            case EntrySeen():
                self._entry(seen)
            case SealSeen():
                self._seal(seen)
            case TrailerSeen():
                self._trailer(seen, file.before(self._line))
            case BrokenSeen():
                self._lost = True
            case _:
                assert_never(seen)

    def close(self) -> Report:
        """Say what was found."""
        last = self._last
        if not self._closed:
            self._line += 1
            self._note(["the ledger is cut off: its last line is missing"])
        self._note(self._trust.missing())
        if self._held and (last is None or last.seq < self._held.seq):
            self._note([f"the ledger ends before entry {self._held.seq}, whose head you hold"])
        return Report(
            alliance=self._agreement.id,
            entries=self._kinds.total(),
            kinds={kind: self._kinds[kind] for kind in Kind if self._kinds[kind]},
            first=self._first,
            head=self._head(last) if last else None,
            agreement_version=self._trust.version,
            seals=tuple(self._seals[site] for site in sorted(self._seals)),
            faults=tuple(self._faults),
            unlisted=self._unlisted,
        )

    def _head(self, last: Link) -> Head:
        return Head(alliance=self._agreement.id, seq=last.seq, hash=last.hash, at=last.at)

    def _note(self, faults: Iterable[str]) -> None:
        for fault in faults:
            if len(self._faults) < MOST_FAULTS:
                self._faults.append(LineFault(line=self._line, fault=fault))
            else:
                self._unlisted += 1

    def _fits(self, run: Run) -> bool:
        """Say whether nothing is wrong with a run where it stands."""
        last, held = self._last, self._held
        if last is None or self._closed or self._lost:
            return False
        return (
            (run.first.seq, run.prev) == (last.seq + 1, last.hash)
            and run.first.at >= last.at
            and not (held and run.first.seq <= held.seq <= run.last.seq)
            and not any(self._trust.usage_faults(whose, [signer], at) for whose, signer, at in run.signed)
            and len(frozenset(run.attempts)) == len(run.attempts)
            and self._attempts.keys().isdisjoint(run.attempts)
        )

    def _join(self, run: Run) -> None:
        count = len(run.attempts)
        self._line += count
        self._last = run.last
        self._sealing = None
        self._first = self._first or run.first.at
        self._kinds[Kind.USAGE] += count
        self._attempts.update(zip(run.attempts, range(run.first.seq, run.first.seq + count), strict=True))

    def _entry(self, entry: EntrySeen) -> None:
        if not self._lost:
            self._place(entry)
        self._lost = False
        self._last = Link(entry.seq, entry.hash, entry.at)
        self._sealing = None
        self._first = self._first or entry.at
        self._kinds[entry.kind] += 1
        if entry.usage is None:
            self._note(self._trust.learn(entry))
        else:
            self._note(self._trust.usage_faults(entry.usage.whose, entry.signers, entry.at))
            self._note(self._once(entry.seq, entry.usage, entry.kind))
        held = self._held
        if held and entry.seq == held.seq and (entry.hash, entry.at) != (held.hash, held.at):
            self._note([f"entry {held.seq} is not the one whose head you hold"])

    def _place(self, entry: EntrySeen) -> None:
        last = self._last
        seq, digest = (last.seq, last.hash) if last else (0, GENESIS)
        if entry.seq != seq + 1:
            self._note([f"entry {entry.seq} stands where entry {seq + 1} belongs"])
        if entry.prev != digest:
            self._note(["does not follow from the entry before it"])
        if last and entry.at < last.at:
            self._note(["is older than the entry before it"])

    def _once(self, seq: int, usage: UsageFacts, kind: Kind) -> list[str]:
        attempt = f"{usage.job}/{usage.attempt}"
        earlier = self._attempts.get(attempt)
        self._attempts[attempt] = seq
        if kind is Kind.USAGE:
            return [] if earlier is None else [f"attempt {attempt} is booked twice: entry {earlier} has it already"]
        if earlier is None:
            return [f"corrects attempt {attempt}, which was never booked"]
        if usage.corrects != earlier:
            return [f"corrects entry {usage.corrects}, but entry {earlier} is the newest of attempt {attempt}"]
        return []

    def _seal(self, seal: SealSeen) -> None:
        last = self._last
        if last is None or self._lost:
            self._note([] if self._lost else ["seals nothing"])
            return
        if seal.head != self._head(last):
            self._note(["does not seal the entry before it"])
        if self._sealing is not None and seal.site <= self._sealing:
            self._note(["seals of one entry stand in the order of their sites, one each"])
        self._sealing = seal.site
        faults = self._trust.seal_faults(seal.site, seal.signers, seal.head.at)
        self._note(faults)
        if not faults and not seal.faults:
            self._seals[seal.site] = Sealed(site=seal.site, seq=seal.head.seq, at=seal.head.at)

    def _trailer(self, trailer: TrailerSeen, before: Digest | None) -> None:
        self._closed = True
        last = self._last
        if last is None:
            self._note(["the ledger has no entries"])
        elif trailer.head != self._head(last):
            self._note(
                [f"ends at entry {trailer.head.seq} with hash {trailer.head.hash}, which is not the last one here"]
            )
        if trailer.body != before:
            self._note(["the lines before it are not the ones that the hub signed"])
        if list(trailer.signers) != [self._trust.hub_key]:
            self._note(["is not signed by the hub alone"])
