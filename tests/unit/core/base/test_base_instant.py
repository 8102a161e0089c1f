import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.instant import Instant, after, exact_instant, from_seconds, iso, parse_iso, seconds_between

INSTANTS = st.integers(-62_135_596_800_000, 253_402_300_799_999).map(Instant)


@given(INSTANTS)
def test_instants_read_back(instant):
    assert parse_iso(iso(instant)) == instant
    assert exact_instant(iso(instant)) == instant


@given(st.integers(0, 2**33), st.integers(-(2**31), 2**31))
def test_seconds_are_exact(second, more):
    start = from_seconds(second)
    assert seconds_between(start, after(start, more)) == more


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.500Z", 1500),
        ("1970-01-01T02:00:00+02:00", 0),
        ("2026-11-23T12:00:00+04:00", 1_795_420_800_000),
        ("2026-11-23t08:00:00z", 1_795_420_800_000),
        ("2026-11-23 08:00:00.0009999999Z", 1_795_420_800_000),
    ],
)
def test_offsets_are_counted(text, wanted):
    assert parse_iso(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T08:00:00",
        "2026-11-23",
        "now",
        "2026-02-30T00:00:00Z",
        "",
        "20261123T080000Z",
        "2026-W48-1T08:00:00Z",
        "2026-11-23T08:00Z",
        "2026-11-23T08Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:00:00,5Z",
        "2026-11-23T08:00:00.Z",
        "2026-11-23T08:00:00+0400",
        "2026-11-23T08:00:00+04",
        "2026-11-23T08:00:00+04:00:30",
        "2026-11-23T08:00:00+25:00",
        "2026-11-23x08:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-11-23T08:00:00Z\n",
        "\u0662026-11-23T08:00:00Z",
    ],
)
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError):
        parse_iso(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T08:00:00+00:00",
        "2026-11-23T08:00:00.000Z",
        "2026-11-23T08:00:00.5Z",
        "2026-11-23T08:00:00.500000Z",
        "2026-11-23 08:00:00Z",
        "20261123T080000Z",
        "2026-11-23T08:00:00z",
        "2026-11-23T08:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T23:59:60Z",
        "\u0662026-11-23T08:00:00Z",
        "2026-11-23T08:00:00Z\n",
        1_795_420_800_000,
        None,
    ],
)
def test_the_books_know_one_spelling(text):
    assert exact_instant(text) is None
