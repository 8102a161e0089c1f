"""Any history that partners, sites and a hub could write, honest or not: two verifiers say the same of each."""

from dataclasses import replace

import second_verifier
from books import FILE, START, TRUSTED, Books, a_usage, agreement_file, check
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.core.agreement.read import read
from foedus.core.base.instant import Instant
from foedus.core.ledger.bodies import allocation_body, project_body
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.lines import examine
from foedus.core.ledger.verify import verify

HOMES = {"jerusalem": "israel", "baku": "azerbaijan"}
SITES = st.sampled_from(sorted(HOMES))
SIGNERS = st.sampled_from(["jerusalem", "baku", "baku2", "israel", "azerbaijan", "hub"])
SECOND = agreement_file(2, TRUSTED.digest)
THIRD = agreement_file(3, read(SECOND.encode()).digest)


def use(data, books):
    site = data.draw(SITES)
    usage = a_usage(
        site=site,
        site_partner=HOMES[site],
        user_partner=data.draw(st.sampled_from(["israel", "azerbaijan"])),
        agreement_version=data.draw(st.sampled_from([1, 1, 1, 2])),
        job=data.draw(st.sampled_from(["1", "2", "3_0"])),
        attempt=data.draw(st.integers(1, 3)),
        elapsed=data.draw(st.integers(0, 90)),
    )
    if data.draw(st.booleans()):
        books.use(usage, data.draw(st.just(site) | SIGNERS))
    else:
        newest = [entry.seq for entry in books.entries if entry.body.get("job") == usage.job]
        books.correct(usage, data.draw(st.sampled_from([*newest[-1:], 1])), data.draw(st.just(site) | SIGNERS))


def vouch(data, books):
    site = data.draw(SITES)
    later = data.draw(st.sampled_from([0, 0, 0, 5000]))
    books.vouch(site, data.draw(SIGNERS), data.draw(st.just(HOMES[site]) | SIGNERS), Instant(START + later))


def revoke(data, books):
    site = data.draw(SITES)
    books.revoke(site, data.draw(SIGNERS), data.draw(st.just(HOMES[site]) | SIGNERS))


def agree(data, books):
    signers = data.draw(st.lists(SIGNERS, unique=True) | st.just(["israel", "azerbaijan"]))
    books.agree(data.draw(st.sampled_from([FILE, SECOND, SECOND, THIRD])), signers)


def fund(data, books):
    signers = data.draw(st.lists(SIGNERS, unique=True, max_size=2))
    body = allocation_body("caspian", "lights", data.draw(st.integers(-9, 9)), "call")
    books.book(Kind.ALLOCATION, body, *signers)
    books.book(Kind.PROJECT, project_body(data.draw(st.sampled_from(["caspian", "other"])), "lights", {}), "hub")


def seal(data, books):
    if books.entries:
        site = data.draw(SITES)
        books.seal(site, data.draw(st.just(site) | SIGNERS))


def line_by_line(_, chunks):
    return ([examine(line, check) for line in chunk] for chunk in chunks)


ACTIONS = st.sampled_from([use, use, use, vouch, revoke, agree, fund, seal])


@settings(max_examples=150)
@given(st.data())
def test_two_verifiers_say_the_same_of_any_history_and_runs_say_what_lines_say(data):
    books = Books()
    if data.draw(st.booleans()):
        books.agree()
        books.vouch("baku", "baku", "azerbaijan")
        books.vouch("jerusalem", "jerusalem", "israel")
    for action in data.draw(st.lists(ACTIONS, min_size=1, max_size=5)):
        action(data, books)
    if not books.entries:
        return
    lines = books.export()
    ours = verify(lines, agreement=TRUSTED, check=check)
    theirs = second_verifier.wrong(b"".join(lines), FILE.encode())
    assert ours.sound == (theirs is None), (ours.faults, theirs)
    assert ours == verify(lines, agreement=TRUSTED, check=check, mapper=line_by_line)


@settings(max_examples=40)
@given(st.lists(st.tuples(SITES, st.integers(0, 5000), st.booleans()), max_size=12))
def test_any_honest_history_is_sound(used):
    books = Books()
    books.agree()
    books.vouch("baku", "baku", "azerbaijan")
    books.vouch("jerusalem", "jerusalem", "israel")
    for number, (site, elapsed, corrected) in enumerate(used, 1):
        usage = a_usage(site=site, site_partner=HOMES[site], job=str(number), elapsed=elapsed)
        entry = books.use(usage)
        if corrected:
            books.correct(replace(usage, memory=1), entry.seq)
            books.seal(site)
    lines = books.export()
    report = verify(lines, agreement=TRUSTED, check=check, held=books.head)
    assert (report.faults, report.head, report.entries) == ((), books.head, len(books.entries))
    assert report == verify(lines, agreement=TRUSTED, check=check, held=books.head, mapper=line_by_line)
    assert second_verifier.wrong(b"".join(lines), FILE.encode()) is None
