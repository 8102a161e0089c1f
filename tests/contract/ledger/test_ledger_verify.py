"""What `verify` says of sound ledgers, and of each way in which somebody with the hub's key could cheat."""

import json
from dataclasses import replace

import pytest
from books import FILE, KEYS, START, TRUSTED, Books, a_ledger, a_usage, agreement_file, check, opened

from foedus.core.agreement.read import read
from foedus.core.base.canon import canonical, sha256
from foedus.core.base.instant import Instant, iso
from foedus.core.ledger.bodies import project_body
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import Kind, sign_body
from foedus.core.ledger.usage_json import usage_body
from foedus.core.ledger.verify import LineFault, Report, Sealed, verify


def report(lines, agreement=TRUSTED, **more) -> Report:
    return verify(lines, agreement=agreement, check=check, **more)


def faults(books: Books, **more) -> tuple[LineFault, ...]:
    return report(books.export(), **more).faults


def said(*pairs) -> tuple[LineFault, ...]:
    return tuple(LineFault(line=line, fault=fault) for line, fault in pairs)


def test_a_sound_ledger_is_reported_whole():
    books = a_ledger()
    eighth, before_last = books.entries[12], books.entries[-2]
    assert report(books.export()) == Report(
        alliance="caspian",
        entries=32,
        kinds={
            Kind.AGREEMENT: 2,
            Kind.SITE_KEY: 3,
            Kind.SITE_KEY_REVOKED: 1,
            Kind.PROJECT: 1,
            Kind.ALLOCATION: 1,
            Kind.USAGE: 22,
            Kind.CORRECTION: 2,
        },
        first=Instant(START + 1000),
        head=books.head,
        agreement_version=2,
        seals=(
            Sealed(site="baku", seq=before_last.seq, at=before_last.at),
            Sealed(site="jerusalem", seq=eighth.seq, at=eighth.at),
        ),
        faults=(),
        unlisted=0,
    )


def test_either_version_of_the_agreement_will_do():
    second = read(agreement_file(2, TRUSTED.digest).encode())
    assert report(a_ledger().export(), second).faults == ()


def test_the_ledger_must_lead_through_a_head_that_one_holds():
    books = a_ledger()
    fifth = books.entries[4]
    held = Head(alliance="caspian", seq=5, hash=fifth.hash, at=fifth.at)
    other = replace(held, hash=sha256(b"another history"))
    later = replace(held, seq=99)
    assert faults(books, held=held) == ()
    assert faults(books, held=other) == said((6, "entry 5 is not the one whose head you hold"))
    assert faults(books, held=later) == said((37, "the ledger ends before entry 99, whose head you hold"))


def test_a_site_cannot_book_twice():
    books = opened()
    books.use(a_usage())
    books.use(a_usage(elapsed=60))
    assert faults(books) == said((6, "attempt 1042/1 is booked twice: entry 4 has it already"))


@pytest.mark.parametrize(
    ("usage", "signer", "wanted"),
    [
        (a_usage(), "jerusalem", "is not signed with a key that stands for site baku, alone"),
        (a_usage(), "hub", "is not signed with a key that stands for site baku, alone"),
        (a_usage(), "azerbaijan", "is not signed with a key that stands for site baku, alone"),
        (a_usage(site_partner="israel"), "baku", "site baku is azerbaijan's, not israel's"),
        (a_usage(user_partner="france"), "baku", "france is no partner of the agreement"),
        (a_usage(alliance="other"), "baku", "is of alliance other, not of caspian"),
        (
            a_usage(agreement_version=2),
            "baku",
            "version 2 of the agreement was not in force when this was booked",
        ),
        (
            replace(a_usage(), cpu_seconds=7),
            "baku",
            "body.cpu_seconds is 7, not 16 CPUs times 3600 s",
        ),
    ],
)
def test_a_usage_record_that_cannot_stand(usage, signer, wanted):
    books = opened()
    books.use(usage, signer)
    assert faults(books) == said((5, wanted))


def test_a_record_of_a_site_that_nobody_knows():
    books = opened()
    books.use(a_usage(site="paris"), "baku")
    assert faults(books) == said(
        (5, "paris is no site of the agreement"),
        (5, "is not signed with a key that stands for site paris, alone"),
    )


def test_a_key_counts_from_its_day_and_not_after_its_end():
    books = opened()
    books.vouch("baku", "baku2", "azerbaijan", Instant(START + 3_600_000))
    books.use(a_usage(job="1"), "baku2")
    books.revoke("baku", "baku", "azerbaijan")
    books.use(a_usage(job="2"), "baku")
    books.vouch("baku", "baku", "azerbaijan")
    assert faults(books) == said(
        (6, "the key of site baku counts only from 2026-11-23T09:00:00Z"),
        (8, "is not signed with a key that stands for site baku, alone"),
        (9, f"{KEYS['baku'].key} was revoked and cannot come back"),
    )


def test_only_its_own_partner_speaks_for_a_site():
    books = Books()
    books.agree()
    books.vouch("baku", "baku", "israel")
    books.vouch("baku", "baku", "hub")
    books.vouch("baku", "baku", "azerbaijan")
    books.vouch("jerusalem", "baku", "israel")
    books.revoke("baku", "baku", "israel")
    books.revoke("baku", "hub", "azerbaijan")
    assert faults(books) == said(
        (3, "is not signed by azerbaijan, whose site baku is"),
        (4, "is not signed by azerbaijan, whose site baku is"),
        (6, f"{KEYS['baku'].key} is already the key of site baku"),
        (7, "is not signed by azerbaijan, whose site baku is"),
        (8, f"{KEYS['hub'].key} is not a key of site baku"),
    )


def test_a_key_may_be_given_to_its_site_again():
    books = opened()
    books.vouch("baku", "baku", "azerbaijan", Instant(START + 3_600_000))
    books.use(a_usage())
    books.book(Kind.SITE_KEY, books.entries[-2].body, "azerbaijan", "stranger")
    assert faults(books) == ()


def test_an_agreement_needs_everybody():
    books = Books()
    books.agree(signers=["israel"])
    books.agree(agreement_file(2, TRUSTED.digest, azerbaijan=KEYS["stranger"].key), ["israel", "stranger"])
    assert faults(books) == said(
        (2, f"azerbaijan did not sign version 1 of the agreement with {KEYS['azerbaijan'].key}"),
        (3, f"azerbaijan did not sign version 2 of the agreement with {KEYS['azerbaijan'].key}"),
    )


def test_an_agreement_follows_from_the_one_before():
    other = sha256(b"other")
    books = Books()
    books.agree()
    books.agree(agreement_file(3, other))
    assert faults(books) == said((3, "the agreement's version: version 3 does not follow version 1, which is in force"))
    books = Books()
    books.agree()
    books.agree(agreement_file(2, other))
    words = f"the agreement's previous: names {other}, but version 1 in force has {TRUSTED.digest}"
    assert faults(books) == said((3, words))


def test_the_first_agreement_is_version_1():
    books = Books()
    books.agree(agreement_file(2, TRUSTED.digest))
    found = faults(books, agreement=read(agreement_file(2, TRUSTED.digest).encode()))
    assert found == said((2, "the agreement's version: version 2 cannot be the first that comes into force"))


def test_another_agreement_than_the_one_given():
    other = read(FILE.replace("Test alliance", "Other title").encode())
    ahead = read(agreement_file(2, TRUSTED.digest).encode())
    books = opened()
    assert faults(books, agreement=other) == said((2, "version 1 of the agreement differs from the one given"))
    assert faults(books, agreement=ahead) == said((5, "version 2 of the agreement, as given, is not in this ledger"))


def test_an_unsound_agreement_is_no_agreement():
    books = Books()
    books.agree("id = 3\n")
    found = [fault.fault for fault in faults(books)]
    assert all(fault.startswith("the agreement is unsound: ") for fault in found[:-2])
    assert found[-2:] == [
        "is not signed by the hub alone",
        "version 1 of the agreement, as given, is not in this ledger",
    ]


def test_nothing_counts_before_an_agreement():
    books = Books()
    books.vouch("baku", "baku", "azerbaijan")
    books.agree()
    assert faults(books) == said((2, "no agreement is in force yet"))


def test_projects_are_opened_by_the_hub_or_a_partner():
    books = opened()
    for signers in (("hub",), ("israel",), ("baku",), ()):
        books.book(Kind.PROJECT, project_body("caspian", "lights", {}), *signers)
    books.book(Kind.PROJECT, {"alliance": "caspian"}, "hub")
    assert faults(books) == said(
        (7, "is not signed by the hub or a partner"),
        (8, "is not signed by the hub or a partner"),
        (9, "body.project is missing"),
    )


def test_corrections_name_the_newest_record():
    books = opened()
    books.use(a_usage())
    books.correct(a_usage(elapsed=60), corrects=4)
    books.correct(a_usage(elapsed=61), corrects=4)
    books.correct(a_usage(job="7"), corrects=1)
    assert faults(books) == said(
        (7, "corrects entry 4, but entry 5 is the newest of attempt 1042/1"),
        (8, "corrects attempt 7/1, which was never booked"),
    )


def test_time_does_not_run_backwards():
    books = opened()
    late = books.use(a_usage(ended=Instant(START - 60_000)))
    books.entries[-1] = replace(late, at=START)
    assert faults(books) == said((5, "is older than the entry before it"))


def test_a_signature_of_another_record_does_not_count():
    books = opened()
    other = sign_body(KEYS["baku"], Kind.USAGE, usage_body(a_usage(job="9")))
    books.chain(Kind.USAGE, usage_body(a_usage()), [other])
    assert faults(books) == said(
        (5, f"the signature of {KEYS['baku'].key} does not match"),
        (5, "is not signed with a key that stands for site baku, alone"),
    )


def test_a_usage_signature_is_none_on_a_correction():
    books = opened()
    books.use(a_usage())
    body = {**usage_body(a_usage(elapsed=60)), "corrects": 4, "reason": "r"}
    books.chain(Kind.CORRECTION, body, [sign_body(KEYS["baku"], Kind.USAGE, body)])
    assert [fault.fault for fault in faults(books)] == [
        f"the signature of {KEYS['baku'].key} does not match",
        "is not signed with a key that stands for site baku, alone",
    ]


def test_a_seal_of_another_history_is_found():
    books = opened()
    sealed = books.seal("baku")
    wrong = replace(sealed, head=replace(sealed.head, hash=sha256(b"other")))
    books.seals[:] = [wrong]
    assert faults(books) == said(
        (5, f"the signature of {KEYS['hub'].key} does not match"),
        (5, f"the signature of {KEYS['baku'].key} does not match"),
        (5, "does not seal the entry before it"),
        (5, "the hub did not sign this head"),
        (5, "is not signed with a key that stands for site baku, alone"),
    )


def test_a_seal_needs_the_sites_own_key():
    books = opened()
    books.seal("baku", "jerusalem")
    assert faults(books) == said((5, "is not signed with a key that stands for site baku, alone"))


def test_seals_come_once_and_in_order():
    books = opened()
    books.seal("baku")
    books.seal("baku")
    assert faults(books) == said((6, "seals of one entry stand in the order of their sites, one each"))


def test_only_the_hub_closes_the_books():
    assert report(opened().export("stranger")).faults == said((5, "is not signed by the hub alone"))


def test_cut_off_at_any_line():
    lines = a_ledger().export()
    for count in range(len(lines)):
        found = report(lines[:count]).faults
        assert "the ledger is cut off: its last line is missing" in [fault.fault for fault in found]


def test_what_follows_the_end():
    lines = opened().export()
    assert report([*lines, lines[1]]).faults == said((6, "stands after the end of the ledger"))
    assert report([*lines, b"\n"]).faults == said(
        (6, "is not canonical JSON: Expecting value: line 2 column 1 (char 1)"),
        (6, "stands after the end of the ledger"),
    )


def test_a_dropped_entry_is_named_once():
    lines = a_ledger().export()
    del lines[8]
    assert report(lines).faults == said(
        (9, "entry 9 stands where entry 8 belongs"),
        (9, "does not follow from the entry before it"),
        (27, "corrects attempt 3/1, which was never booked"),
        (36, "the lines before it are not the ones that the hub signed"),
    )


def test_a_changed_figure_is_named_with_its_line():
    lines = opened().export()
    books = opened()
    books.use(a_usage())
    lines = books.export()
    parts = json.loads(lines[4])
    parts["body"]["memory"] += 1
    lines[4] = canonical(parts) + b"\n"
    assert report(lines).faults == said(
        (5, "the hash is not that of what the entry says"),
        (5, f"the signature of {KEYS['baku'].key} does not match"),
        (5, "is not signed with a key that stands for site baku, alone"),
        (6, "the lines before it are not the ones that the hub signed"),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'{"at"', b'{ "at"'),
        lambda line: line.replace(b"\n", b" \n"),
        lambda line: line.replace(b"\n", b"\r\n"),
        lambda line: line.replace(b'"noa"', b'"\\u006eoa"'),
        lambda line: line.replace(b'"attempt":1', b'"attempt":1,"attempt":1'),
        lambda line: line.replace(b'"exit_code":0', b'"exit_code":-0'),
        lambda line: json.dumps(dict(reversed(json.loads(line).items())), separators=(",", ":")).encode() + b"\n",
    ],
)
def test_one_spelling_for_each_line(change):
    books = opened()
    books.use(a_usage())
    lines = books.export()
    changed = [*lines[:4], change(lines[4]), lines[5]]
    assert changed != lines
    assert report(changed).faults == said(
        (5, "is not spelled in the one canonical way"),
        (6, "the lines before it are not the ones that the hub signed"),
    )


def test_base64_has_one_spelling():
    books = opened()
    books.use(a_usage())
    lines = books.export()
    sig = books.entries[3].signatures[0].sig
    spare = sig[:-3] + chr(ord(sig[-3]) + 1) + "=="
    lines[4] = lines[4].replace(sig.encode(), spare.encode())
    assert report(lines).faults[0] == LineFault(
        line=5, fault="is not canonical JSON: a signature is malformed (base64 with spare bits set)"
    )


def test_faults_are_counted_beyond_those_listed(monkeypatch):
    monkeypatch.setattr("foedus.core.ledger.verify.MOST_FAULTS", 5)
    lines = a_ledger().export()
    found = report([lines[0], *[b"?\n"] * 50, *lines[1:]])
    assert (len(found.faults), found.unlisted, found.sound) == (5, 46, False)


def test_a_body_with_a_hundred_thousand_brackets_is_only_a_fault():
    lines = opened().export()
    lines[2] = b"[" * 100_000 + b"\n"
    assert [fault.line for fault in report(lines).faults] == [3, 5]


def test_a_pool_may_examine_chunks_ahead(monkeypatch):
    monkeypatch.setattr("foedus.core.ledger.verify._CHUNK", 5000)

    def ahead(function, chunks):
        return iter([function(chunk) for chunk in list(chunks)])

    lines = a_ledger().export()
    assert report(lines, mapper=ahead) == report(lines)
    assert iso(report(lines).first) == "2026-11-23T08:00:01Z"
