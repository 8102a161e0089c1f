import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.ids import JobId
from foedus.core.base.units import duration, mebibytes
from foedus.core.jobs import spellings
from foedus.core.jobs.directives import Misspelt
from foedus.core.jobs.spec import ArraySpec, Condition, Dependencies, Dependency
from foedus.core.jobs.spellings import Gpus

MINUTE, HOUR, DAY = 60, 3600, 86400


def dependency(word: str, job: str) -> Dependency:
    return Dependency(condition=Condition(word), job=JobId(job))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5 * MINUTE),
        ("5:30", 6 * MINUTE),
        ("0:1", MINUTE),
        ("90:00", 90 * MINUTE),
        ("1:00:00", HOUR),
        ("1:2:3", HOUR + 3 * MINUTE),
        ("1-", DAY),
        ("1-0", DAY),
        ("1-2", DAY + 2 * HOUR),
        ("1-2:3", DAY + 2 * HOUR + 3 * MINUTE),
        ("1-2:3:4", DAY + 2 * HOUR + 4 * MINUTE),
        ("007", 7 * MINUTE),
        ("0-0:0:0", None),
        ("0", None),
        ("0:0", None),
        ("INFINITE", None),
        ("unlimited", None),
        ("-1", None),
    ],
)
def test_times(text, seconds):
    assert spellings.time_limit(text) == seconds


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("5", 5),
        ("0", 0),
        ("5M", 5),
        ("5mb", 5),
        ("1K", 1),
        ("1025k", 2),
        ("2G", 2048),
        ("2gB", 2048),
        ("1T", 1048576),
        ("+3", 3),
        (" 3", 3),
    ],
)
def test_sizes_of_memory(text, mib):
    assert spellings.memory(text) == mib


@pytest.mark.parametrize(
    ("text", "span"),
    [("2", (2, 2)), ("2-4", (2, 4)), ("-4", (1, 4)), ("1k", (1024, 1024)), ("1-1K", (1, 1024)), (" 3 ", (3, 3))],
)
def test_numbers_of_nodes(text, span):
    assert spellings.nodes(text) == span


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2", Gpus(count=2)),
        ("a100", Gpus(count=1, model="a100")),
        ("A100:2", Gpus(count=2, model="a100")),
        ("2,3", Gpus(count=3)),
        ("a100:2,a100:4", Gpus(count=4, model="a100")),
        ("1k", Gpus(count=1024)),
        ("0", None),
        ("a100:0", None),
        ("", None),
    ],
)
def test_numbers_of_gpus(text, found):
    assert spellings.gpus(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gpu", Gpus(count=1)),
        ("gpu:2", Gpus(count=2)),
        ("gpu:a100", Gpus(count=1, model="a100")),
        ("gpu:a100:2", Gpus(count=2, model="a100")),
        ("gres:gpu:2", Gpus(count=2)),
        ("gpu:2,tmpdisk:10", Gpus(count=2)),
        ("tmpdisk:10,gpu:tesla:4", Gpus(count=4, model="tesla")),
        ("tmpdisk:10", None),
        ("gpu:0", None),
        ("none", None),
        ("NONE", None),
        ("", None),
    ],
)
def test_gpus_among_generic_resources(text, found):
    assert spellings.gres(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0-4", ArraySpec(indices=(0, 1, 2, 3, 4))),
        ("1,3,5", ArraySpec(indices=(1, 3, 5))),
        ("0-15:4", ArraySpec(indices=(0, 4, 8, 12))),
        ("5,1-3,2", ArraySpec(indices=(1, 2, 3, 5))),
        ("0-3%2", ArraySpec(indices=(0, 1, 2, 3), at_once=2)),
        ("[0-3]%2", ArraySpec(indices=(0, 1, 2, 3), at_once=2)),
        ("0,7%1", ArraySpec(indices=(0, 7), at_once=1)),
        ("0-3%0", ArraySpec(indices=(0, 1, 2, 3))),
        ("0-9:3%2", ArraySpec(indices=(0, 3, 6, 9), at_once=2)),
        ("4000000", ArraySpec(indices=(4000000,))),
        ("1,", ArraySpec(indices=(1,))),
        ("", None),
    ],
)
def test_arrays(text, found):
    assert spellings.array(text) == found


def test_the_largest_array_has_100_000_tasks():
    whole = spellings.array("0-99999")
    assert whole is not None
    assert whole.indices == tuple(range(100_000))
    with pytest.raises(Misspelt, match="at most 100000 tasks"):
        spellings.array("0-100000")
    with pytest.raises(Misspelt, match="at most 100000 tasks"):
        spellings.array(",".join(["0-99999"] * 50))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("afterok:12", Dependencies(all_of=(dependency("afterok", "12"),))),
        ("AfterAny:12", Dependencies(all_of=(dependency("afterany", "12"),))),
        ("afterok:1:2_3", Dependencies(all_of=(dependency("afterok", "1"), dependency("afterok", "2_3")))),
        (
            "afterok:1,afternotok:2",
            Dependencies(all_of=(dependency("afterok", "1"), dependency("afternotok", "2"))),
        ),
        ("afterok:1?afterany:2", Dependencies(any_of=(dependency("afterok", "1"), dependency("afterany", "2")))),
        ("afterok:7_*", Dependencies(all_of=(dependency("afterok", "7"),))),
        ("12", Dependencies(all_of=(dependency("afterany", "12"),))),
        ("12,13_4", Dependencies(all_of=(dependency("afterany", "12"), dependency("afterany", "13_4")))),
        ("0", Dependencies()),
        ("", Dependencies()),
    ],
)
def test_dependencies(text, found):
    assert spellings.dependencies(text) == found


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        *(
            ("time_limit", text)
            for text in ("", "x", "1:", ":1", "1::2", "1-2:", "--1", "-5", "1:2-3", "1:2:3:4", "5m")
        ),
        *(("time_limit", text) for text in ("1-2-3", " 5", "9" * 12, "35791395", "9" * 5000, "\u0665")),
        *(("memory", text) for text in ("", "G", "-1", "1.5G", "5P", "5GiB", "5 G", "9" * 5000)),
        *(("count", text) for text in ("", "0", "-1", "2k", "x", "1.0", "2 ", "9" * 5000)),
        *(("nodes", text) for text in ("", "0", "0-4", "4-2", "2-", "x", "2-x", "1,3", "1-2-3", "9" * 5000)),
        *(("gpus", text) for text in ("a100:1,v100:1", "2,a100:1", "a100:x", "a100:", ":2", "a:b:c", "-1", "a b")),
        *(("gres", text) for text in ("gpu:", "gpu:x:y", "gpu::1", "gpu=2", "GPU:2", "gres/gpu:2", ":2", "help")),
        *(("gres", text) for text in ("mps:50", "shard:2", "gpu:2,gpu:a100:1", "gpu:a:b:c")),
        *(("array", text) for text in ("x", "3-1", "1:2", "0-3:0", "-1", "%4", "1-", "4000001", "0-" + "9" * 5000)),
        *(
            ("dependencies", text)
            for text in ("singleton", "after:1", "aftercorr:1", "expand:1", "afterok", "afterok:")
        ),
        *(("dependencies", text) for text in ("afterok:1+5", "afterok:x", "afterok:0", "afterok:1_2_*", "12:13", "x")),
        *(("dependencies", text) for text in ("afterok:1,afterok:2?afterok:3", "afterok:1,", "afterburstbuffer:1")),
    ],
)
def test_what_slurm_would_not_take_is_refused(reader, text):
    with pytest.raises(Misspelt) as caught:
        getattr(spellings, reader)(text)
    assert caught.value.fault
    assert caught.value.remedy


@given(st.integers(1, 20_000_000))
def test_a_duration_that_foedus_writes_is_read_back(minutes):
    assert spellings.time_limit(duration(minutes * 60)) == minutes * 60


@given(st.integers(0, 2**31 - 1))
def test_a_size_that_foedus_writes_is_read_back(size):
    assert spellings.memory(mebibytes(size)) == size


@given(st.sets(st.integers(0, 4_000_000), min_size=1, max_size=50), st.none() | st.integers(1, 99))
def test_an_array_written_index_by_index_is_read_back(indices, at_once):
    text = ",".join(map(str, indices)) + (f"%{at_once}" if at_once else "")
    assert spellings.array(text) == ArraySpec(indices=tuple(sorted(indices)), at_once=at_once)


@given(st.sampled_from(["time_limit", "memory", "count", "nodes", "gpus", "gres", "array", "dependencies"]), st.text())
def test_any_text_is_read_or_refused(reader, text):
    with contextlib.suppress(Misspelt):
        getattr(spellings, reader)(text)
