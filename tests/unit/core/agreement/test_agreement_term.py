from dataclasses import replace

import pytest

from foedus.core.agreement.term import succeeds, term_faults
from foedus.core.base.errors import Fault
from foedus.core.base.instant import parse_iso


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        ("2025-12-31T23:59:59.999Z", False),
        ("2026-01-01T00:00:00Z", True),
        ("2026-12-31T23:59:59.999Z", True),
        ("2027-01-01T00:00:00Z", False),
    ],
)
def test_the_term_is_whole_days_in_utc(agreement, now, holds):
    assert (term_faults(agreement, parse_iso(now)) == ()) is holds


def test_out_of_term_says_which_way(agreement):
    assert term_faults(agreement, parse_iso("2027-02-03T00:00:00Z")) == (
        Fault(
            path="ends",
            fault="the term ended on 2026-12-31, and it is 2027-02-03",
            remedy="agree on an amendment with a later end",
        ),
    )
    assert [fault.path for fault in term_faults(agreement, parse_iso("2025-02-03T00:00:00Z"))] == ["starts"]


def test_the_next_version_follows(agreement):
    following = replace(agreement, version=2, previous=agreement.digest, digest="b" * 64)
    assert succeeds(agreement, following) == ()


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"version": 1, "previous": None}, ["version"]),
        ({"version": 3}, ["version"]),
        ({"previous": "c" * 64}, ["previous"]),
        ({"id": "triplets", "previous": "c" * 64}, ["id", "previous"]),
    ],
)
def test_what_does_not_follow(agreement, changes, paths):
    following = replace(agreement, **({"version": 2, "previous": agreement.digest, "digest": "b" * 64} | changes))
    assert [fault.path for fault in succeeds(agreement, following)] == paths


def test_the_first_in_force_is_version_1(agreement):
    assert succeeds(None, agreement) == ()
    later = replace(agreement, version=2, previous="b" * 64)
    assert [fault.path for fault in succeeds(None, later)] == ["version"]
