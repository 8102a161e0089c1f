import json
from dataclasses import replace

import pytest
from books import KEYS, START, TRUSTED, Books, a_ledger, a_usage, check, opened
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.canon import canonical, sha256
from foedus.core.base.dsse import Signature
from foedus.core.base.errors import BadInput
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import (
    Head,
    SignedHead,
    append,
    follows,
    head_from_json,
    head_of,
    head_signed_by,
    sign_head,
    signed_head_from_json,
)
from foedus.core.ledger.entry import GENESIS, Entry, Kind, entry_from_json, matching, sign_body
from foedus.core.ledger.export import export, seal
from foedus.core.ledger.verify import verify

SIGNATURE = Signature(keyid=KEYS["hub"].key, sig="AAAA")
BODIES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.text(st.characters(exclude_categories=["Cs"])))
INSTANTS = st.integers(0, 2**41).map(Instant)


def test_the_first_entry_and_the_second():
    first = append(None, kind=Kind.PROJECT, body={"a": 1}, signatures=(SIGNATURE,), at=START)
    head = head_of("caspian", first)
    second = append(head, kind=Kind.USAGE, body={}, signatures=(), at=Instant(START + 5))
    assert first == Entry(seq=1, prev=GENESIS, at=START, kind=Kind.PROJECT, body={"a": 1}, signatures=(SIGNATURE,))
    assert head == Head(alliance="caspian", seq=1, hash=first.hash, at=START)
    assert second == Entry(seq=2, prev=first.hash, at=Instant(START + 5), kind=Kind.USAGE, body={}, signatures=())


def test_the_hash_is_that_of_the_line_without_it():
    entry = a_ledger().entries[7]
    parts = json.loads(entry.line())
    stated = parts.pop("hash")
    assert stated == entry.hash == sha256(canonical(parts))
    assert entry.line() == canonical(entry.json()) + b"\n"


def test_time_does_not_run_backwards():
    first = append(None, kind=Kind.PROJECT, body={}, signatures=(), at=START)
    second = append(head_of("a", first), kind=Kind.PROJECT, body={}, signatures=(), at=Instant(START - 1))
    assert second.at == START


@given(st.lists(st.tuples(st.sampled_from(Kind), BODIES, INSTANTS), min_size=1, max_size=8), st.data())
def test_any_chain_leads_from_any_head_to_any_later_one_and_nothing_else_does(said, data):
    entries = []
    for kind, body, at in said:
        head = head_of("a", entries[-1]) if entries else None
        entries.append(append(head, kind=kind, body=body, signatures=(SIGNATURE,), at=at))
    heads = [None, *(head_of("a", entry) for entry in entries)]
    begin = data.draw(st.integers(0, len(entries) - 1))
    end = data.draw(st.integers(begin + 1, len(entries)))
    between = entries[begin:end]
    assert follows(heads[begin], between, heads[end]) == ()
    dropped = data.draw(st.integers(0, len(between) - 1))
    assert follows(heads[begin], between[:dropped] + between[dropped + 1 :], heads[end])
    assert follows(heads[begin], [*between, between[dropped]], heads[end])
    changed = replace(between[dropped], body={**between[dropped].body, "new": 1})
    assert follows(heads[begin], [*between[:dropped], changed, *between[dropped + 1 :]], heads[end])


@given(st.sampled_from(Kind), BODIES, INSTANTS)
def test_entries_read_back(kind, body, at):
    entry = append(None, kind=kind, body=body, signatures=(SIGNATURE, SIGNATURE), at=at)
    assert entry_from_json(json.loads(entry.line())) == entry


def test_what_is_wrong_with_a_step_is_said():
    books = opened()
    old, new = head_of("caspian", books.entries[0]), books.head
    second, third = books.entries[1:]
    assert follows(old, [third], new) == (
        "entry 3 stands where entry 2 belongs",
        "entry 3 does not follow from the entry before it",
    )
    assert follows(old, [second], new) == (
        f"the entries lead to entry 2 with hash {second.hash}, the head says 3 with {third.hash}",
    )
    assert follows(replace(old, alliance="other"), [second, third], new) == (
        "the head is of alliance caspian, not of other",
    )
    assert follows(new, [], new) == ()
    back = replace(third, at=START)
    assert follows(old, [second, back], head_of("caspian", back)) == ("entry 3 is older than the entry before it",)


def test_every_fault_of_an_entry_is_named_at_once():
    parts = {"at": "now", "body": [], "hash": "x", "kind": "gift", "prev": 1, "seq": 0, "signatures": [{}], "more": 1}
    with pytest.raises(BadInput) as refusal:
        entry_from_json(parts)
    assert [fault.path for fault in refusal.value.faults] == [
        "entry.at",
        "entry.body",
        "entry.hash",
        "entry.kind",
        "entry.prev",
        "entry.seq",
        "entry.more",
        "entry.signatures[0]",
    ]


def test_an_entry_with_another_hash_is_refused():
    parts = {**opened().entries[0].json(), "hash": "0" * 64}
    with pytest.raises(BadInput) as refusal:
        entry_from_json(parts, "line 2")
    assert [(fault.path, fault.fault) for fault in refusal.value.faults] == [
        ("line 2.hash", "is not the hash of what the entry says")
    ]


@pytest.mark.parametrize("found", [None, [], "x", 3])
def test_what_is_no_object_is_no_entry(found):
    with pytest.raises(BadInput):
        entry_from_json(found)


def test_heads_are_signed_and_read_back():
    head = opened().head
    signature = sign_head(KEYS["hub"], head)
    signed = SignedHead(head=head, signature=signature)
    assert signed_head_from_json(json.loads(signed.write())) == signed
    assert head_signed_by(check, KEYS["hub"].key, head, signature)
    assert not head_signed_by(check, KEYS["baku"].key, head, signature)
    assert not head_signed_by(check, KEYS["hub"].key, replace(head, seq=head.seq + 1), signature)


def test_every_fault_of_a_head_is_named_at_once():
    with pytest.raises(BadInput) as refusal:
        head_from_json({"alliance": "A", "at": 1, "hash": "", "seq": -1})
    paths = [fault.path for fault in refusal.value.faults]
    assert paths == ["head.alliance", "head.at", "head.hash", "head.seq"]


@pytest.mark.parametrize("signatures", [[], {}, [{}, {}], ["x"], None])
def test_a_head_has_one_signature(signatures):
    with pytest.raises(BadInput) as refusal:
        signed_head_from_json({**opened().head.json(), "signatures": signatures})
    assert [fault.path for fault in refusal.value.faults] == ["head.signatures"]


def test_an_export_streams_and_puts_seals_after_their_entries():
    books = opened()
    books.use(a_usage())
    books.seal("jerusalem")
    books.seal("baku")
    asked = []

    def entries():
        for entry in books.entries:
            asked.append(entry.seq)
            yield entry

    written = export("caspian", entries(), books.seals, KEYS["hub"])
    assert json.loads(next(written)) == {"alliance": "caspian", "format": "foedus-ledger/1"}
    assert asked == []
    assert (json.loads(next(written))["seq"], asked) == (1, [1])
    kinds = [json.loads(line).get("site") or json.loads(line)["kind"] for line in written]
    assert kinds == ["site-key", "site-key", "usage", "baku", "jerusalem", "trailer"]


def test_an_empty_ledger_is_not_exported():
    with pytest.raises(ValueError):
        Books().honest_export()


def test_an_export_of_an_honest_hub_holds_everything():
    books = a_ledger()
    assert books.honest_export() == books.export()


def test_seals_that_would_prove_nothing_are_left_out():
    late = Books()
    late.agree()
    late.seal("baku")  # catches up with a ledger that is older than its key
    late.vouch("baku", "baku", "azerbaijan", Instant(START + 60_000))
    late.seal("baku")  # the key does not count yet
    late.vouch("baku", "baku2", "azerbaijan")
    late.revoke("baku", "baku2", "azerbaijan")
    late.seal("baku", "baku2")
    late.vouch("jerusalem", "jerusalem", "israel")
    late.seals.append(seal(KEYS["hub2"], "jerusalem", late.head, sign_head(KEYS["jerusalem"], late.head)))
    kept = late.seal("jerusalem")
    elsewhere = replace(kept.head, seq=99)
    late.seals.append(seal(KEYS["hub"], "jerusalem", elsewhere, sign_head(KEYS["jerusalem"], elsewhere)))
    written = late.honest_export()
    assert [line for line in written if b'"seal"' in line] == [kept.line()]
    assert verify(written, agreement=TRUSTED, check=check).faults == ()


def test_only_signatures_that_match_are_booked_and_one_of_each_key():
    body = {"alliance": "caspian", "project": "lights"}
    good = sign_body(KEYS["hub"], Kind.PROJECT, body)
    other = sign_body(KEYS["israel"], Kind.PROJECT, body)
    wrong = sign_body(KEYS["baku"], Kind.USAGE, body)
    malformed = Signature(keyid=KEYS["baku"].key, sig="?")
    assert matching(Kind.PROJECT, body, [wrong, good, malformed, good, other], check) == (good, other)
