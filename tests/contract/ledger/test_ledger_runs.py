"""Usage entries at a glance, and runs of them: whatever is passed so, a closer look finds sound too, and alike."""

import random
import re
from dataclasses import replace

import pytest
from books import START, TRUSTED, a_usage, check, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.core.base.canon import sha256
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.glance import BODY, Glanced, glance
from foedus.core.ledger.lines import EntrySeen, UsageFacts, examine
from foedus.core.ledger.runs import Run, examine_chunk
from foedus.core.ledger.usage import EnergyMethod
from foedus.core.ledger.usage_json import usage_body
from foedus.core.ledger.verify import verify


def line_of(usage) -> bytes:
    return opened().use(usage).line()


def closer(glanced: Glanced) -> EntrySeen:
    """Say what a closer look has to find."""
    job, _, number = glanced.attempt.partition("/")
    facts = UsageFacts(glanced.whose, job, int(number), None)
    return EntrySeen(
        glanced.seq, glanced.prev, glanced.hash, glanced.at, Kind.USAGE, (glanced.signer,), facts, None, ()
    )


def believe(key, message, signature):
    return True


@pytest.mark.parametrize(
    "usage",
    [
        a_usage(),
        a_usage(gpus={}),
        a_usage(gpus={"": 1}),
        a_usage(elapsed=0),
        a_usage(energy=0, energy_method=EnergyMethod.ACCOUNTING),
        a_usage(purpose=None, requested_time_limit=None, native_id=""),
        a_usage(job="20_7", attempt=3, ended=Instant(START - 1)),
    ],
)
def test_the_usual_shapes_are_known_at_a_glance(usage):
    line = line_of(usage)
    found = glance(line, check)
    assert found is not None
    assert closer(found) == examine(line, check)


def test_the_pattern_has_the_members_of_a_record_in_their_order():
    assert list(BODY) == sorted(usage_body(a_usage()))


FIGURE = st.sampled_from([0, 1, 2, 59, 60, 10**15, 2**53 - 1, 2**53, -1])
TEXT = st.sampled_from(["", "a", "a.b-c_d", "A", "-a", "a" * 63, "a" * 64, "ş", 'a"', "a\n", "\x7f"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "elapsed": FIGURE,
        "cpus": FIGURE,
        "cpu_seconds": FIGURE,
        "gpus": st.dictionaries(st.sampled_from(["", "h100", "a b", "a/b", "é"]), FIGURE, max_size=2),
        "gpu_seconds": st.dictionaries(st.sampled_from(["", "h100"]), FIGURE, max_size=2),
        "attempt": FIGURE,
        "nodes": FIGURE,
        "memory": FIGURE,
        "exit_code": FIGURE,
        "energy": st.none() | FIGURE,
        "energy_method": st.none() | st.just(EnergyMethod.ACCOUNTING),
        "requested_time_limit": st.none() | FIGURE,
        "native_id": TEXT,
        "project": TEXT,
        "user": TEXT,
        "job": st.sampled_from(["1", "01", "1_0", "1_01", "x"]),
        "started": st.none() | st.integers(-5000, 5000).map(lambda off: Instant(START + off)),
        "submitted": st.integers(-5000, 5000).map(lambda off: Instant(START + off)),
        "ended": st.sampled_from([0, 1000, 123_000, 124_000, 125_000]).map(lambda off: Instant(START + off)),
    },
)


@settings(max_examples=300)
@given(CHANGES)
def test_what_passes_at_a_glance_is_sound(changes):
    try:
        line = line_of(replace(a_usage(elapsed=0), **changes))
    except ValueError:
        return  # it has no canonical form
    found = glance(line, check)
    if found is not None:
        assert closer(found) == examine(line, check)


def test_what_passes_at_a_glance_is_spelled_canonically():
    """Change bytes, mend the hash, and believe every signature: only the pattern is left to refuse."""
    dice, passed = random.Random(20261123), 0
    line = line_of(a_usage())
    for _ in range(3000):
        changed = bytearray(line)
        for _ in range(dice.choice([1, 1, 1, 2])):
            at = dice.randrange(len(changed))
            part = dice.choice([b"", b"0", b"1", b"9", b"a", b'"', b"-", b" ", b".", bytes([dice.randrange(256)])])
            changed[at : at + dice.randrange(2)] = part
        mended = rehashed(bytes(changed))
        found = glance(mended, believe)
        if found is not None:
            passed += 1
            assert closer(found) == examine(mended, believe), mended
    assert passed > 100


def rehashed(line: bytes) -> bytes:
    member = re.search(rb',"hash":"[^"]*"', line)
    if member is None:
        return line
    rest = line[: member.start()] + line[member.end() :].removesuffix(b"\n")
    return line[: member.start()] + b',"hash":"%b"' % sha256(rest).encode() + line[member.end() :]


def test_a_run_is_what_follows_from_one_another():
    books = opened()
    entries = [books.use(a_usage(job=str(number))) for number in range(1, 4)]
    books.correct(a_usage(job="1", elapsed=60), corrects=4)
    entries += [books.use(a_usage(job=str(number))) for number in range(5, 7)]
    lines = books.export()[4:-1]
    found = examine_chunk(lines, check)
    assert [len(part.attempts) if isinstance(part, Run) else part.kind for part in found] == [3, Kind.CORRECTION, 2]
    del lines[1]
    assert [len(part.attempts) for part in examine_chunk(lines[:2], check)] == [1, 1]


def tampered(books):
    """Ledgers whose every entry is sound in itself, and which are not."""
    lines = books.export()
    yield "dropped", [*lines[:9], *lines[10:]], None
    yield "doubled", [*lines[:9], lines[8], *lines[9:]], None
    yield "swapped", [*lines[:8], lines[9], lines[8], *lines[10:]], None
    yield "after the end", [*lines, lines[8]], None
    yield "without a header", lines[1:], None
    yield "broken before", [*lines[:7], b"?\n", *lines[8:]], None
    entry = books.entries[9]
    head = Head(alliance="caspian", seq=entry.seq, hash=entry.hash, at=entry.at)
    yield "held", lines, head
    yield "held another", lines, replace(head, hash=sha256(b"other"))


def a_long_one(change=None):
    books = opened()
    for number in range(1, 12):
        books.use(a_usage(job=str(number)))
        if number == 6 and change:
            change(books)
    return books


CHANGED = {
    "booked twice at once": lambda books: books.use(a_usage(job="6")),
    "booked twice": lambda books: books.use(a_usage(job="1")),
    "of a site of another partner": lambda books: books.use(a_usage(job="90", site_partner="israel")),
    "signed by another": lambda books: books.use(a_usage(job="90"), "jerusalem"),
    "of no version": lambda books: books.use(a_usage(job="90", agreement_version=7)),
    "after a revocation": lambda books: books.revoke("baku", "baku", "azerbaijan"),
}
CASES = {name: (lines, held) for name, lines, held in tampered(a_long_one())} | {
    name: (a_long_one(change).export(), None) for name, change in CHANGED.items()
}


@pytest.mark.parametrize("name", CASES)
def test_runs_say_what_lines_say(name):
    def line_by_line(_, chunks):
        return ([examine(line, check) for line in chunk] for chunk in chunks)

    lines, held = CASES[name]
    report = verify(lines, agreement=TRUSTED, check=check, held=held)
    assert report == verify(lines, agreement=TRUSTED, check=check, held=held, mapper=line_by_line)
    assert report.sound == (name == "held")


def test_a_key_that_counts_only_later_is_found_in_a_run():
    books = opened()
    books.vouch("baku", "baku2", "azerbaijan", Instant(START + 7000))
    for number in range(1, 6):
        books.use(a_usage(job=str(number)), "baku2")
    report = verify(books.export(), agreement=TRUSTED, check=check)
    words = "the key of site baku counts only from 2026-11-23T08:00:07Z"
    assert [(one.line, one.fault) for one in report.faults] == [(6, words), (7, words)]
