from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.units import duration, hours, mebibytes


@given(st.integers(-(2**53), 2**53))
def test_hours_are_rounded_to_the_nearest_four_decimals(seconds):
    assert abs(Fraction(hours(seconds)) - Fraction(seconds, 3600)) <= Fraction(1, 20_000)


@given(st.integers(-(2**40), 2**40))
def test_no_two_counts_of_seconds_look_alike_in_hours(seconds):
    assert hours(seconds) != hours(seconds + 1)


@given(st.integers(0, 10**9))
def test_durations_read_back(seconds):
    day, _, clock = duration(seconds).rpartition("-")
    hour, minute, second = (int(part) for part in clock.split(":"))
    assert ((int(day or 0) * 24 + hour) * 60 + minute) * 60 + second == seconds


@given(st.integers(0, 2**40))
def test_memory_sizes_read_back(count):
    text = mebibytes(count)
    assert int(text[:-1]) * {"M": 1, "G": 1024, "T": 1024 * 1024}[text[-1]] == count


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (hours(5400), "1.5"),
        (hours(0), "0"),
        (hours(36_000), "10"),
        (hours(-36), "-0.01"),
        (duration(0), "00:00:00"),
        (duration(90_061), "1-01:01:01"),
        (mebibytes(0), "0M"),
        (mebibytes(65_536), "64G"),
        (mebibytes(1_000), "1000M"),
        (mebibytes(2_097_152), "2T"),
    ],
)
def test_what_is_shown(shown, wanted):
    assert shown == wanted
