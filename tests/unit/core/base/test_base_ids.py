import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import DIGEST, JOB_ID, NAME, Marker, array_task, job_id, name_fault, parent_array

JOBS = st.from_regex(JOB_ID, fullmatch=True)


@given(st.from_regex(NAME, fullmatch=True), JOBS, st.integers(1, 999_999_999))
def test_markers_read_back(alliance, job, attempt):
    marker = Marker(alliance=alliance, job=job, attempt=attempt)
    assert Marker.parse(marker.text) == marker


@given(st.text())
def test_any_other_comment_is_no_marker(text):
    marker = Marker.parse(text)
    assert marker is None or marker.text == text


@pytest.mark.parametrize(
    "text",
    [
        "foedus:a/1/0",
        "foedus:a/0/1",
        "foedus:A/1/1",
        "foedus:a/1_/1",
        " foedus:a/1/1",
        "foedus:a/1/1\n",
        "foedus:a/1/01",
    ],
)
def test_near_misses_are_no_markers(text):
    assert Marker.parse(text) is None


@pytest.mark.parametrize("text", ["1", "1042", "1042_0", "1042_9999999"])
def test_job_ids(text):
    assert job_id(text) == text


@pytest.mark.parametrize("text", ["", "0", "01", "1_", "1_01", "1_10000000", "-1", "1 ", "\u0661", "1_0_0"])
def test_what_is_no_job_id_is_refused(text):
    with pytest.raises(BadInput) as refusal:
        job_id(text)
    assert refusal.value.faults == (
        Fault(path="job", fault=f"{text!r} is not a job id", remedy="give an id such as 1042, or 1042_3 for a task"),
    )


def test_tasks_and_their_array():
    assert (array_task("7", 3), parent_array("7_3"), parent_array("7")) == ("7_3", "7", None)


@pytest.mark.parametrize("text", ["a", "0", "a-b.c_d", "a" * 63])
def test_names(text):
    assert name_fault(text, "site") is None


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "é", "a b", "a" * 64, "a\n", "../a"])
def test_what_is_no_name_is_refused(text):
    assert name_fault(text, "site") == Fault(
        path="site",
        fault=f"{text!r} is not a name",
        remedy="use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit",
    )


def test_digests_are_lower_case():
    assert [bool(DIGEST.fullmatch(text)) for text in ("a" * 64, "A" * 64, "a" * 63)] == [True, False, False]
