"""No single change of an exported ledger goes unseen, and a verifier written from the format's page agrees.

``FOEDUS_MUTATIONS`` says how many changes to try (3,000 where it is not set; 100,000 take some minutes);
``FOEDUS_MUTATION_SEED`` picks others.
"""

import io
import itertools
import json
import os
import random
import re
from collections import Counter
from functools import lru_cache

import pytest
import second_verifier
from books import FILE, TRUSTED, a_ledger, a_usage, agreement_file, check, opened

from foedus.core.base.canon import canonical, sha256
from foedus.core.ledger.runs import examine_chunk
from foedus.core.ledger.verify import verify

COUNT = int(os.environ.get("FOEDUS_MUTATIONS", "3000"))
SEED = int(os.environ.get("FOEDUS_MUTATION_SEED", "20261123"))
GOOD = a_ledger().export()
DATA = b"".join(GOOD)


@lru_cache(maxsize=8192)
def seen(*lines):
    return examine_chunk(lines, check)


def few_at_a_time(_, chunks):
    """Examine four lines at a time, and those that were seen before not anew: that is a pure function."""
    for chunk in chunks:
        yield [found for first in range(0, len(chunk), 4) for found in seen(*chunk[first : first + 4])]


def ours(data: bytes) -> bool:
    """Whether our verifier finds it sound."""
    return verify(io.BytesIO(data).readlines(), agreement=TRUSTED, check=check, mapper=few_at_a_time).sound


def theirs(data: bytes) -> bool:
    return second_verifier.wrong(data, FILE.encode()) is None


def flip_bit(data, dice):
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def change_byte(data, dice):
    at = dice.randrange(len(data))
    return data[:at] + bytes([(data[at] + dice.randrange(1, 256)) % 256]) + data[at + 1 :]


def drop_byte(data, dice):
    at = dice.randrange(len(data))
    return data[:at] + data[at + 1 :]


def insert_byte(data, dice):
    at = dice.randrange(len(data) + 1)
    return data[:at] + bytes([dice.randrange(256)]) + data[at:]


def insert_space(data, dice):
    at = dice.choice([found.end() for found in re.finditer(rb"[,:{}\[\]\n]", data)])
    return data[:at] + dice.choice([b" ", b"\t", b"\n", b"\r"]) + data[at:]


def truncate(data, dice):
    return data[: dice.randrange(len(data))]


def drop_line(data, dice):
    lines = data.splitlines(keepends=True)
    del lines[dice.randrange(len(lines))]
    return b"".join(lines)


def double_line(data, dice):
    lines = data.splitlines(keepends=True)
    at = dice.randrange(len(lines))
    lines.insert(dice.randrange(len(lines) + 1), lines[at])
    return b"".join(lines)


def swap_lines(data, dice):
    lines = data.splitlines(keepends=True)
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def replace_line(data, dice):
    lines = data.splitlines(keepends=True)
    one, other = dice.sample(range(len(lines)), 2)
    lines[one] = lines[other]
    return b"".join(lines)


def change_digit(data, dice):
    at = dice.choice([found.start() for found in re.finditer(rb"[0-9]", data)])
    other = str((int(data[at : at + 1]) + dice.randrange(1, 10)) % 10).encode()
    return data[:at] + other + data[at + 1 :]


def change_member(data, dice):
    """Change one value of one line and write the line anew: canonical, with a hash that fits."""
    lines = data.splitlines(keepends=True)
    at = dice.randrange(len(lines))
    thing = json.loads(lines[at])
    inside = thing["body"] if isinstance(thing.get("body"), dict) and dice.random() < 0.8 else thing
    name = dice.choice(sorted(inside))
    value = inside[name]
    if isinstance(value, int):
        inside[name] = value + dice.choice([-1, 1, 1000])
    elif isinstance(value, str) and value:
        inside[name] = value[:-1] if dice.random() < 0.5 else value + dice.choice("a0z")
    elif value is None:
        inside[name] = 0
    elif dice.random() < 0.5:
        del inside[name]
    else:
        inside[name] = type(value)()
    return rewritten(lines, at, thing)


def swap_signatures(data, dice):
    """Give two lines each other's signatures, with hashes that fit."""
    lines = data.splitlines(keepends=True)
    one, other = dice.sample([at for at, line in enumerate(lines) if b'"signatures"' in line], 2)
    first, second = json.loads(lines[one]), json.loads(lines[other])
    first["signatures"], second["signatures"] = second["signatures"], first["signatures"]
    return rewritten(rewritten(lines, one, first).splitlines(keepends=True), other, second)


def rewritten(lines, at, thing):
    if "prev" in thing:
        thing.pop("hash", None)
        thing["hash"] = sha256(canonical(thing))
    lines[at] = canonical(thing) + b"\n"
    return b"".join(lines)


MUTATIONS = [
    flip_bit,
    change_byte,
    drop_byte,
    insert_byte,
    insert_space,
    truncate,
    drop_line,
    double_line,
    swap_lines,
    replace_line,
    change_digit,
    change_member,
    swap_signatures,
]


def test_both_find_the_untouched_file_sound():
    assert (ours(DATA), theirs(DATA)) == (True, True)


def test_both_find_other_sound_files_sound():
    least = b"".join(opened().export())
    one_site = opened()
    for number in range(1, 40):
        one_site.use(a_usage(job=str(number), elapsed=number))
        one_site.seal("baku")
    many_seals = b"".join(one_site.export())
    assert [(ours(data), theirs(data)) for data in (least, many_seals)] == [(True, True), (True, True)]


@pytest.mark.timeout(300 + COUNT // 50)
def test_every_mutation_is_found_by_both():
    dice = random.Random(SEED)
    missed: list[tuple[str, str, int]] = []
    tried = Counter()
    for number, mutate in zip(range(COUNT), itertools.cycle(MUTATIONS), strict=False):
        data = mutate(DATA, dice)
        if data == DATA:
            continue
        tried[mutate.__name__] += 1
        missed += [(who.__name__, mutate.__name__, number) for who in (ours, theirs) if who(data)]
    assert missed == []
    assert set(tried) == {mutate.__name__ for mutate in MUTATIONS}
    assert tried.total() > COUNT * 0.98


@pytest.mark.parametrize("member", ["prev", "hash", "at", "seq", "kind", "body", "signatures"])
def test_a_missing_member_is_found_by_both(member):
    lines = opened().export()
    thing = json.loads(lines[2])
    del thing[member]
    lines[2] = canonical(thing) + b"\n"
    data = b"".join(lines)
    assert (ours(data), theirs(data)) == (False, False)


def cheats():
    """Ledgers that a cheating hub would close with its own key."""
    for signer in ("jerusalem", "hub", "stranger", "azerbaijan"):
        yield f"usage signed by {signer}", lambda books, by=signer: books.use(a_usage(), by)
    yield "usage of a foreign site", lambda books: books.use(a_usage(site_partner="israel"))
    yield "user of no partner", lambda books: books.use(a_usage(user_partner="france"))
    yield "version to come", lambda books: books.use(a_usage(agreement_version=2))
    yield "booked twice", lambda books: (books.use(a_usage()), books.use(a_usage()))
    yield "corrects nothing", lambda books: books.correct(a_usage(), corrects=1)
    yield "corrects another", lambda books: (books.use(a_usage()), books.correct(a_usage(), corrects=3))
    yield "vouched for by another", lambda books: books.vouch("baku", "baku2", "israel")
    yield (
        "vouched for again",
        lambda books: (
            books.revoke("baku", "baku", "azerbaijan"),
            books.vouch("baku", "baku", "azerbaijan"),
        ),
    )
    yield "the key of two sites", lambda books: books.vouch("jerusalem", "baku", "israel")
    yield "revoked by another", lambda books: books.revoke("baku", "baku", "israel")
    yield (
        "used after it was revoked",
        lambda books: (
            books.revoke("baku", "baku", "azerbaijan"),
            books.use(a_usage()),
        ),
    )
    yield "sealed by another", lambda books: books.seal("baku", "jerusalem")
    yield "sealed twice", lambda books: (books.seal("baku"), books.seal("baku"))
    yield "amended by one", lambda books: books.agree(agreement_file(2, TRUSTED.digest), ["israel"])
    yield "amended without a past", lambda books: books.agree(agreement_file(2, sha256(b"other")))
    yield "amended twice at once", lambda books: books.agree(agreement_file(3, TRUSTED.digest))


@pytest.mark.parametrize(("name", "cheat"), list(cheats()), ids=lambda value: value if isinstance(value, str) else "")
def test_both_see_through_a_cheating_hub(name, cheat):
    books = opened()
    cheat(books)
    data = b"".join(books.export())
    assert (ours(data), theirs(data)) == (False, False)
