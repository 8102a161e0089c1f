from dataclasses import replace
from datetime import date, timedelta

import pytest
from books import TRUSTED, a_ledger, a_usage
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.agreement.model import Period, Pledge
from foedus.core.base.errors import BadInput
from foedus.core.base.instant import parse_iso
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.balance import (
    Balance,
    Flow,
    PartnerBalance,
    balance,
    corrected,
    flows,
    periods,
    pledged,
    total,
)
from foedus.core.ledger.booked import booked, settled
from foedus.core.ledger.calendar import Window, month_of, window_at, window_named, windows_between

HOUR = 3600
NOVEMBER = window_named("2026-11")
PARTNERS = ["israel", "azerbaijan"]
DAYS = st.dates(date(2026, 11, 1), date(2027, 10, 31))
HOME = {"jerusalem": "israel", "baku": "azerbaijan"}


@st.composite
def usages(draw):
    site = draw(st.sampled_from(sorted(HOME)))
    day = draw(DAYS)
    return a_usage(
        site=site,
        site_partner=HOME[site],
        user_partner=draw(st.sampled_from(PARTNERS)),
        ended=parse_iso(f"{day}T12:00:00Z"),
        elapsed=draw(st.integers(0, 100_000)),
        gpus=draw(st.dictionaries(st.sampled_from(["a100", "h100", ""]), st.integers(0, 64))),
        outcome=draw(st.sampled_from(Outcome)),
    )


def of(records, window=NOVEMBER, agreement=TRUSTED):
    return balance([flow for usage in records for flow in flows(usage)], agreement, window)


def test_one_guest_and_one_owner():
    guest = a_usage(outcome=Outcome.PREEMPTED)
    owner = a_usage(site="jerusalem", site_partner="israel", gpus={"a100": 1})
    assert of([guest, guest, owner]) == Balance(
        alliance="caspian",
        window=NOVEMBER,
        partners=(
            PartnerBalance(partner="israel", pledged=1000 * HOUR, own={"a100": HOUR}, gave={}, took={"h100": 4 * HOUR}),
            PartnerBalance(
                partner="azerbaijan",
                pledged=12000 * HOUR * 30 // 365,
                own={},
                gave={"h100": 4 * HOUR},
                took={},
            ),
        ),
    )


def test_net_is_what_was_given_beyond_what_was_taken():
    assert [one.net for one in of([a_usage()]).partners] == [-2 * HOUR, 2 * HOUR]


@given(st.lists(usages(), max_size=20), st.sampled_from(Period))
def test_what_is_given_is_what_is_taken_and_no_second_is_lost(records, period):
    found = [of(records, window) for window in periods(TRUSTED, period, date(2027, 12, 31))]
    for one in found:
        assert sum(part.net for part in one.partners) == 0
    everything = [part for one in found for part in one.partners]
    gave, took, own = (
        sum(sum(getattr(part, name).values()) for part in everything) for name in ("gave", "took", "own")
    )
    assert gave == took == sum(sum(usage.gpu_seconds.values()) for usage in records if usage.guest)
    assert own == sum(sum(usage.gpu_seconds.values()) for usage in records if not usage.guest)


@given(st.lists(usages(), max_size=10), st.lists(usages(), max_size=10))
def test_a_running_total_gives_the_same_balance(earlier, later):
    flowed = [flow for usage in earlier for flow in flows(usage)]
    more = [flow for usage in later for flow in flows(usage)]
    assert total([*total(flowed), *more]) == total([*flowed, *more])
    year = window_named("2027")
    assert balance(total([*total(flowed), *more]), TRUSTED, year) == of([*earlier, *later], year)


@given(usages(), usages())
def test_a_correction_takes_the_place_of_what_it_corrects(before, after):
    assert total([*flows(before), *corrected(before, after)]) == total(flows(after))


def test_the_newest_record_of_each_attempt_counts():
    records = [record for entry in a_ledger().entries if (record := booked(entry))]
    third = next(record for record in settled(records) if record.usage.job == "3")
    assert (len(records), len(settled(records))) == (24, 22)
    assert (third.usage.elapsed, third.corrects, third.reason) == (95, 25, "the clock of one node was wrong")


def test_a_record_counts_whole_in_the_month_of_its_end():
    over = a_usage(ended=parse_iso("2026-12-01T00:10:00Z"))
    just = a_usage(ended=parse_iso("2026-11-30T23:59:59.999Z"))
    assert [month_of(one.ended) for one in (over, just)] == ["2026-12", "2026-11"]
    assert [one.net for one in of([over]).partners] == [0, 0]


def test_who_left_still_has_what_they_gave_and_took():
    left = Flow(month="2026-11", giver="france", taker="israel", model="", gpu_seconds=9)
    found = balance([left], TRUSTED, NOVEMBER)
    assert [(one.partner, one.pledged, one.net) for one in found.partners] == [
        ("israel", 1000 * HOUR, -9),
        ("azerbaijan", 12000 * HOUR * 30 // 365, 0),
        ("france", 0, 9),
    ]


def test_a_record_without_gpus_moves_nothing():
    assert flows(a_usage(gpus={})) == flows(a_usage(elapsed=0)) == ()


@pytest.mark.parametrize(
    ("period", "starts", "window", "wanted"),
    [
        (Period.MONTH, "2026-11-01", "2026-11", 3000),
        (Period.MONTH, "2026-11-16", "2026-11", 1500),
        (Period.MONTH, "2026-11-30", "2026-11", 100),
        (Period.MONTH, "2026-12-01", "2026-11", 0),
        (Period.MONTH, "2026-01-01", "2026-Q4", 9000),
        (Period.MONTH, "2026-01-01", "2026", 36000),
        (Period.YEAR, "2026-01-01", "2026", 3000),
        (Period.YEAR, "2026-01-01", "2026-11", 3000 * 30 // 365),
        (Period.QUARTER, "2026-11-01", "2026-Q4", 3000 * 61 // 92),
        (Period.QUARTER, "2026-01-01", "2026", 12000),
    ],
)
def test_pledges_count_by_the_day(period, starts, window, wanted):
    site = replace(TRUSTED.sites[0], pledge=Pledge(amount=3000, period=period))
    assert pledged(site, date.fromisoformat(starts), date(2027, 10, 31), window_named(window)) == wanted


@given(st.sampled_from(Period), st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_windows_read_back_and_tile_the_calendar(period, day):
    window = window_at(day, period)
    assert window_named(window.label) == window
    assert window.first <= day <= window.last
    assert window_at(window.last + timedelta(days=1), period).first == window.last + timedelta(days=1)
    assert windows_between(period, window.first, window.last) == (window,)
    months = windows_between(Period.MONTH, window.first, window.last)
    assert tuple(month.label for month in months) == window.months
    assert sum(month.days for month in months) == window.days


def test_the_periods_of_a_term():
    labels = [window.label for window in periods(TRUSTED, Period.QUARTER, date(2027, 4, 1))]
    assert labels == ["2026-Q4", "2027-Q1", "2027-Q2"]
    assert periods(TRUSTED, Period.YEAR, date(2026, 10, 31)) == ()
    assert window_named("2026-Q4") == Window(label="2026-Q4", first=date(2026, 10, 1), last=date(2026, 12, 31))


@pytest.mark.parametrize("label", ["", "26", "2026-13", "2026-Q5", "2026-1", "2026-Q", "0999", "2026-11-01"])
def test_what_is_no_period_is_refused(label):
    with pytest.raises(BadInput) as refusal:
        window_named(label)
    assert [fault.fault for fault in refusal.value.faults] == [f"{label!r} is no month, quarter or year"]
