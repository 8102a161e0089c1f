from dataclasses import replace

import pytest
from alliance import GRANTED, START, Alliance, script

from foedus.core.base.instant import Instant
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.bodies import project_body
from foedus.core.ledger.chain import Head, sign_head
from foedus.core.ledger.entry import Kind, sign_body
from foedus.core.ledger.verify import verify
from foedus.flow.balance import Folded, balance_view, catch_up
from foedus.flow.books import Countersigned, countersign, head, ledger_file, since
from foedus.keys import ed25519
from foedus.wire.agents import ReportItem, UsageItem
from foedus.wire.ledger import BalanceLine, SealView


def entries(alliance: Alliance) -> list[str]:
    with alliance.store.read() as tx:
        return [str(entry.kind) for entry in tx.ledger.entries(1, 100)]


@pytest.fixture
def ended(alliance: Alliance) -> Alliance:
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(120)
    alliance.run("jerusalem", "1")
    return alliance


def test_the_records_of_one_report_are_booked_in_order_each_on_its_own(alliance: Alliance):
    alliance.submit_all("noa", [script(gpus=2)] * 3)
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(120)
    for job in ("1", "2", "3"):
        alliance.run("jerusalem", job)
    good = {job: alliance.record(alliance.usage(job)) for job in ("1", "2", "3")}
    untrue = alliance.record(alliance.usage("2", user="ben"))

    answers = alliance.book_all([good["3"], untrue, good["1"], good["3"], good["2"]])

    words = "body.user: is 'ben', and the hub has 'noa'"
    assert answers == [
        ReportItem(job="3", attempt=1, accepted=True),
        ReportItem(job="2", attempt=1, accepted=False, text=words),
        ReportItem(job="1", attempt=1, accepted=True),
        ReportItem(job="3", attempt=1, accepted=True),
        ReportItem(job="2", attempt=1, accepted=True),
    ]
    with alliance.store.read() as tx:
        assert [entry.body.get("job") for entry in tx.ledger.entries(1, 9)] == [None, "3", "1", "2"]
    assert [alliance.attempts(job)[0].entry for job in ("1", "2", "3")] == [3, 4, 2]
    assert alliance.budget()[1] == 3 * 2 * 60


def test_a_good_record_is_booked_once(ended: Alliance):
    item = ended.record(ended.usage("1"))
    yes = ReportItem(job="1", attempt=1, accepted=True)
    assert [ended.book(item) for _ in range(2)] == [yes, yes]
    assert entries(ended) == [Kind.AGREEMENT, Kind.USAGE]
    assert ended.budget() == (GRANTED, 120, 0)
    (attempt,) = ended.attempts("1")
    assert attempt.entry == 2
    assert ended.story("1")[-1] == ("booked", {"attempt": 1, "entry": 2, "gpu_seconds": 120, "elapsed": 60})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"project": "metro"}, "body.project: is 'metro', and the hub has 'shield'"),
        ({"user": "dan"}, "body.user: is 'dan', and the hub has 'noa'"),
        ({"user_partner": "azerbaijan"}, "body.user_partner: is 'azerbaijan', and the hub has 'israel'"),
        ({"sector": "mining"}, "body.sector: is 'mining', and the hub has 'cybersecurity'"),
        ({"purpose": None}, "body.purpose: is None, and the hub has <Purpose.FINETUNE: 'finetune'>"),
        ({"alliance": "other"}, "body.alliance: is 'other', and the hub has 'caspian'"),
        ({"cpu_seconds": 1}, "body.cpu_seconds: is 1, not 1 CPUs times 60 s"),
        ({"ended": Instant(START + 10**9)}, "body.ended: 2026-12-04T21:46:40Z is after the booking"),
        ({"attempt": 2}, "attempt 2 of job 1 was not given to jerusalem"),
    ],
)
def test_what_cannot_be_true_is_refused_in_words(ended: Alliance, *, changes, text):
    answer = ended.book(ended.record(replace(ended.usage("1"), **changes)))
    assert answer.accepted is False
    assert answer.text.startswith(text)
    assert entries(ended) == [Kind.AGREEMENT]
    assert ended.budget() == (GRANTED, 0, 0)


def test_a_run_that_began_before_it_was_given_is_disputed_unless_the_hubs_clock_was_wrong_then(alliance: Alliance):
    right = alliance.now
    alliance.later(3600)
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.run("jerusalem", "1")
    times = {"submitted": right, "started": right, "ended": Instant(right + 60_000)}
    item = alliance.record(replace(alliance.usage("1"), **times))

    assert "is before the site was given the attempt" in alliance.book(item).text
    alliance.now = Instant(right + 90_000)

    assert alliance.book(item) == ReportItem(job="1", attempt=1, accepted=True)


def test_another_sites_record(ended: Alliance):
    text = "attempt 1 of job 1 was not given to baku"
    assert ended.book(ended.record(ended.usage("1")), "baku").text == text
    foreign = ended.record(ended.usage("1", site="baku"))
    assert ended.book(foreign).text == "attempt 1 of job 1 was not given to jerusalem"


def test_signatures(ended: Alliance):
    usage = ended.usage("1")
    text = "the record is not signed with the key of jerusalem"
    good = ended.record(usage)
    for bad in (
        ended.record(usage, ended.site_keys["baku"]),
        good.model_copy(update={"sig": ended.record(replace(usage, exit_code=1)).sig}),
        good.model_copy(update={"sig": "no base64"}),
        good.model_copy(update={"keyid": ended.site_keys["baku"].key}),
    ):
        assert ended.book(bad) == ReportItem(job="1", attempt=1, accepted=False, text=text)
    malformed = UsageItem(body={**good.body, "cpus": -1}, keyid=good.keyid, sig=good.sig)
    answer = ended.book(malformed)
    assert (answer.job, answer.accepted) == ("0", False)
    assert answer.text.startswith("body.cpus")


def test_an_attempt_that_was_preempted_is_booked_too(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(120)
    alliance.running("jerusalem", "1")
    alliance.ended("jerusalem", "1", outcome=Outcome.PREEMPTED, requeued_as=2)
    alliance.ended("jerusalem", "1", 2)
    second = alliance.usage("1", 2)
    first = replace(second, attempt=1, submitted=START, started=START, ended=second.started)
    for usage in (second, first):
        assert alliance.book(alliance.record(usage)).accepted is True
    assert alliance.budget() == (GRANTED, 120, 0)


def test_the_balance_follows_the_books(alliance: Alliance):
    alliance.submit_all("noa", [script(gpus=2)] * 2)
    alliance.says("jerusalem", 2)
    alliance.says("baku", 2)
    alliance.place()
    alliance.later(120)
    alliance.run("jerusalem", "1")
    alliance.run("baku", "2")
    known = alliance.do(lambda tx: catch_up(tx, Folded()))
    assert known == Folded(seq=1)
    alliance.book(alliance.record(alliance.usage("1")))
    alliance.book(alliance.record(alliance.usage("2", elapsed=30)), "baku")
    known = alliance.do(lambda tx: catch_up(tx, known))
    assert known.seq == 3
    assert alliance.do(lambda tx: catch_up(tx, known)) == known
    view = alliance.do(lambda tx: balance_view(tx, alliance.agreement, known, "2026-11", alliance.now))
    assert (view.alliance, view.seq) == ("caspian", 3)
    assert view.lines == [
        BalanceLine(
            partner="israel",
            period="2026-11",
            pledged=50_000 * 3600,
            own=120,
            gave=0,
            took=60,
            by_model={},
        ),
        BalanceLine(
            partner="azerbaijan",
            period="2026-11",
            pledged=30_000 * 3600,
            own=0,
            gave=60,
            took=0,
            by_model={"a100": 60},
        ),
    ]
    every = alliance.do(lambda tx: balance_view(tx, alliance.agreement, known, None, alliance.now))
    assert every.lines == view.lines  # months in which nothing was used are left out
    alliance.later(40 * 86_400)
    later = alliance.do(lambda tx: balance_view(tx, alliance.agreement, known, None, alliance.now))
    assert [line.period for line in later.lines] == ["2026-11", "2026-11", "2027-01", "2027-01"]


def test_heads_and_seals(ended: Alliance):
    hub = ended.signed.keys["hub"]
    ended.book(ended.record(ended.usage("1")))
    newest = ended.do(lambda tx: head(tx, hub))
    assert (newest.seq, newest.keyid) == (2, hub.key)
    both = ended.do(lambda tx: since(tx, 0, hub))
    assert ([entry["seq"] for entry in both.entries], both.head) == ([1, 2], newest)
    assert ended.do(lambda tx: since(tx, 2, hub)).entries == []
    key = ended.site_keys["jerusalem"]
    real = Head(alliance="caspian", seq=2, hash=newest.hash, at=newest.at)
    made = sign_head(key, real)
    good = SealView(site="jerusalem", seq=2, hash=newest.hash, at=newest.at, keyid=made.keyid, sig=made.sig)
    wrong = [
        good.model_copy(update={"site": "baku"}),
        good.model_copy(update={"hash": "ab" * 32}),
        good.model_copy(update={"seq": 1}),
        good.model_copy(update={"keyid": hub.key}),
    ]
    for view in wrong:
        assert (
            ended.do(
                lambda tx, view=view: countersign(tx, "jerusalem", view, hub_keys={hub.key}, verify=ed25519.verify)
            )
            == Countersigned.REFUSED
        )
    assert (
        ended.do(lambda tx: countersign(tx, "jerusalem", good, hub_keys={hub.key}, verify=ed25519.verify))
        == Countersigned.KEPT
    )


def test_an_export_is_of_its_moment_and_holds_no_transaction(alliance):
    def open_project() -> None:
        body = project_body(alliance.agreement.id, "shield", {})
        hub = alliance.signed.keys["hub"]
        alliance.do(lambda tx: tx.ledger.append(Kind.PROJECT, body, [sign_body(hub, Kind.PROJECT, body)], alliance.now))

    open_project()
    lines = ledger_file(alliance.store, alliance.signed.keys["hub"])
    begun = [next(lines), next(lines)]
    open_project()  # a reader's open transaction would hold this up: the database has one connection
    found = verify([*begun, *lines], agreement=alliance.agreement, check=ed25519.verify)
    assert (found.faults, found.entries) == ((), 2)
