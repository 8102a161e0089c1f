"""Usage that was never used, that is kept back, or that comes late."""

from dataclasses import replace

import pytest
from alliance import GRANTED, START, Alliance, script
from books import TRUSTED, a_usage, check, opened

from foedus.core.base.instant import Instant, after, parse_iso
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.verify import verify
from foedus.flow.balance import Folded, balance_view, catch_up
from foedus.flow.book import DISPUTED
from foedus.flow.gaps import LATE_S, OVERDUE_S, gap_list
from foedus.wire.agents import ReportItem, UsageItem
from foedus.wire.ledger import GapCount, GapKind, GapList, GapView

EACH = ", and a node of jerusalem has at most 8"
MENDED = "; compare the record with the site's accounting"


def gaps(alliance: Alliance) -> GapList:
    return alliance.do(lambda tx: gap_list(tx, alliance.agreement, alliance.now))


def entries(alliance: Alliance) -> list[str]:
    with alliance.store.read() as tx:
        return [str(entry.kind) for entry in tx.ledger.entries(1, 100)]


@pytest.fixture
def ended(alliance: Alliance) -> Alliance:
    """A job of two GPUs was given to Jerusalem, and ended there two minutes later."""
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(300)
    alliance.run("jerusalem", "1")
    return alliance


def gpus(count: int, elapsed: int = 60) -> dict:
    return {"gpus": {"h100": count}, "gpu_seconds": {"h100": count * elapsed}}


LONG = 400 * 86_400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (gpus(9), f"body.gpus: are 9 on 1 nodes, and a node of jerusalem has at most 8{MENDED}"),
        ({"nodes": 1000}, f"body.nodes: is 1000, and jerusalem has 96{MENDED}"),
        ({"gpu_seconds": {"h100": 7200}}, f"body.gpu_seconds: is 7200 of 'h100', not 2 times 60 s{MENDED}"),
        ({"gpu_seconds": {"h100": 119, "": 1}}, f"body.gpu_seconds: names other GPU models than gpus does{MENDED}"),
        (
            {"nodes": 0},
            f"body.nodes: is 0, but the attempt ran{MENDED}; body.gpus: are 2 on 0 nodes{EACH}{MENDED}",
        ),
        (
            {"elapsed": 3600, "cpu_seconds": 3600, **gpus(2, 3600)},
            f"body.elapsed: 3600 s do not fit between start and end (60 s){MENDED}",
        ),
        (
            {
                "submitted": after(START, -LONG),
                "started": after(START, -LONG),
                "elapsed": LONG,
                "cpu_seconds": LONG,
                **gpus(2, LONG),
            },
            "body.started: 2025-10-19T08:00:00Z is before the site was given the attempt at 2026-11-23T08:00:00Z"
            + MENDED,
        ),
        ({"requested_gpus": 8}, "body.requested_gpus: is 8, and the hub has 2"),
        ({"user_partner": "azerbaijan"}, "body.user_partner: is 'azerbaijan', and the hub has 'israel'"),
    ],
    ids=["GPUs", "nodes", "GPU-seconds", "models", "no node", "elapsed", "before it was given", "request", "whose"],
)
def test_forged_usage_is_disputed_and_not_billed(ended: Alliance, *, changes, words):
    """Abuse 7: more GPU-seconds than nodes times time, more time than passed, somebody else's account."""
    answer = ended.book(ended.record(replace(ended.usage("1"), **changes)))
    assert answer == ReportItem(job="1", attempt=1, accepted=False, text=words)
    assert (entries(ended), ended.budget()) == ([Kind.AGREEMENT], (GRANTED, 0, 0))
    (attempt,) = ended.attempts("1")
    assert (attempt.entry, attempt.reason) == (None, f"{DISPUTED}: {words}")
    ended.later(LATE_S + 1)
    assert [(gap.kind, gap.text) for gap in gaps(ended).gaps] == [(GapKind.UNBOOKED, attempt.reason)]


@pytest.mark.parametrize(
    ("member", "value"), [("elapsed", -60), ("cpus", -1), ("gpus", {"h100": -2}), ("nodes", 2**53)]
)
def test_figures_below_nothing_and_beyond_number_are_no_record(ended: Alliance, *, member, value):
    """Abuse 7: negative figures, which would pay back what others used."""
    good = ended.record(ended.usage("1"))
    answer = ended.book(UsageItem(body={**good.body, member: value}, keyid=good.keyid, sig=good.sig))
    assert (answer.accepted, answer.text.startswith(f"body.{member}")) == (False, True)
    assert (entries(ended), ended.budget()) == ([Kind.AGREEMENT], (GRANTED, 0, 0))


def test_runs_of_one_native_job_that_overlap(alliance: Alliance):
    """Abuse 7: a requeued job is billed twice for the same minutes."""
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(300)
    alliance.running("jerusalem", "1")
    alliance.ended("jerusalem", "1", outcome=Outcome.PREEMPTED, requeued_as=2)
    alliance.ended("jerusalem", "1", 2)
    second = alliance.usage("1", 2)
    assert alliance.book(alliance.record(second)).accepted is True
    words = "body.started: attempt 2 of the same native job ran from 2026-11-23T08:04:00Z to 2026-11-23T08:05:00Z"
    assert alliance.book(alliance.record(replace(second, attempt=1))).text == words + MENDED
    before = replace(second, attempt=1, submitted=START, started=after(second.started, -60), ended=second.started)
    assert alliance.book(alliance.record(before)).accepted is True


def test_whoever_reads_the_books_finds_it_too():
    """Abuse 7: a hub that books what a site cannot have used; each reader refuses the ledger."""
    books = opened()
    books.use(a_usage(job="1", nodes=1, gpus={"h100": 5}))
    books.use(a_usage(job="2", nodes=3))
    books.use(a_usage(job="3", nodes=2, gpus={"h100": 8}))
    found = verify(books.export(), agreement=TRUSTED, check=check).faults
    assert [str(fault) for fault in found] == [
        "line 5: body.gpus are 5 on 1 nodes, and a node of baku has at most 4",
        "line 6: body.nodes is 3, and baku has 2",
    ]


def test_usage_that_is_kept_back_is_counted(ended: Alliance):
    """Abuse 8: a site reports that a job ended and sends no record of it."""
    none = [GapCount(site=site, ended=0, booked=0, overdue=0) for site in ("jerusalem", "baku")]
    one = none[0].model_copy(update={"ended": 1})
    assert gaps(ended) == GapList(sites=[one, none[1]], gaps=[])  # its accounting may lag behind
    end = ended.now
    ended.later(LATE_S + 1)
    gap = GapView(
        job="1",
        attempt=1,
        site="jerusalem",
        kind=GapKind.UNBOOKED,
        since=end,
        text="completed; no record of it has come",
    )
    assert gaps(ended) == GapList(sites=[one, none[1]], gaps=[gap])
    late = replace(ended.usage("1"), submitted=START, started=after(end, -60), ended=end)
    assert ended.book(ended.record(late)).accepted is True
    assert gaps(ended) == GapList(sites=[one.model_copy(update={"booked": 1}), none[1]], gaps=[])


def test_a_job_that_never_ends_is_noticed(alliance: Alliance):
    """Abuse 8: a site never says that a job ended, so that it never has to account for it."""
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.running("jerusalem", "1")
    alliance.later(3600 + OVERDUE_S)
    assert gaps(alliance).gaps == []
    alliance.later(1)
    (gap,) = gaps(alliance).gaps
    assert (gap.kind, gap.since, gap.text) == (
        GapKind.OVERDUE,
        after(START, 3600),
        "its time limit is over, and the site says that it runs",
    )
    assert gaps(alliance).sites[0] == GapCount(site="jerusalem", ended=0, booked=0, overdue=1)


def test_a_record_that_comes_in_the_next_quarter_counts_in_its_own(alliance: Alliance):
    """Abuse 8: usage is delayed to shift it into another period. It keeps its date, and shows when it came."""
    alliance.now = parse_iso("2026-12-31T23:00:00Z")
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(1800)
    alliance.run("jerusalem", "1")
    record = alliance.record(alliance.usage("1"))
    alliance.now = Instant(parse_iso("2027-02-01T00:00:00Z"))
    assert alliance.book(record).accepted is True
    with alliance.store.read() as tx:
        (entry,) = tx.ledger.entries(2, 1)
    assert (entry.at, entry.body["ended"]) == (alliance.now, "2026-12-31T23:30:00Z")
    known = alliance.do(lambda tx: catch_up(tx, Folded()))
    used = {}
    for period in ("2026-Q4", "2027-Q1"):
        view = alliance.do(lambda tx, period=period: balance_view(tx, alliance.agreement, known, period, alliance.now))
        used[period] = [line.own for line in view.lines]
    assert used == {"2026-Q4": [120, 0], "2027-Q1": [0, 0]}


def test_no_clock_moves_what_was_used(ended: Alliance):
    """Abuse 9: the hub's clock is set back an hour between two bookings: the books' time waits, the figures stay."""
    usage = ended.usage("1")
    assert ended.book(ended.record(usage)).accepted is True
    ended.later(-3600)
    ended.submit(text=script(gpus=2))
    ended.says("jerusalem", 8)
    ended.place()
    ended.run("jerusalem", "2")
    again = replace(usage, job="2", native_id="n2")
    far = ended.book(ended.record(replace(again, ended=after(usage.ended, 7200))))
    assert (far.accepted, "is after the booking at" in far.text) == (False, True)
    ended.later(3600)
    assert ended.book(ended.record(again)).accepted is True
    with ended.store.read() as tx:
        times = [entry.at for entry in tx.ledger.entries(1, 10)]
    assert times == sorted(times)
    assert ended.budget()[1] == 240


@pytest.mark.parametrize("moment", ["2026-12-31T23:59:60Z", "2026-03-29T02:30:00", "2026-10-25T02:30:00[Europe/Paris]"])
def test_times_that_happen_twice_or_never_are_no_times(moment: str):
    """Abuse 9: leap seconds, and local times around a change to or from summer time."""
    with pytest.raises(ValueError, match=r"is no time with its offset|second must be in"):
        parse_iso(moment)
