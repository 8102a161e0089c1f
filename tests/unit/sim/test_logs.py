"""Reading job logs: what is kept, and what is said of the rest."""

import gzip

import pytest

from foedus.core.base.errors import BadInput
from foedus.sim.logs.read import read
from foedus.sim.logs.sacct import seconds
from foedus.sim.workload import Reason


def swf(id, submit, run, width, limit):  # noqa: A002 - as the format names it
    return f"{id} {submit} 0 {run} {width} -1 -1 {width} {limit} -1 1 1 1 -1 -1 -1 -1 -1"


def written(folder, text, name="log"):
    file = folder / name
    file.write_text(text)
    return file


def told(file, capacity=None):
    with pytest.raises(BadInput) as caught:
        read("site", file, capacity)
    return [str(fault).replace(str(file), "FILE") for fault in caught.value.faults]


def columns(site):
    return [getattr(site, name).tolist() for name in ("submit", "run", "width", "limit")]


def test_swf_in_any_order_with_every_fault(tmp_path):
    lines = [
        "; MaxProcs: 8",
        swf(3, 500, 10, 2, 60),
        swf(1, 100, 50, 4, 40),
        swf(2, 200, -1, 4, 40),
        swf(4, 300, 10, 9, 40),
        swf(5, -1, 10, 1, 40),
        swf(1, 400, 10, 1, 40),
        swf(6, 600, 10, 1, -1),
        "7 700 0",
        swf(8, 800, 10, 0, 40),
        "not a job at all",
    ]
    site = read("kth", written(tmp_path, "\n".join(lines)))
    assert (site.name, site.capacity, site.unit) == ("kth", 8, "processors")
    assert columns(site) == [[0, 400, 500], [40, 10, 10], [4, 2, 1], [40, 60, 10]]
    assert site.remarks.lines == {
        Reason.UNREADABLE: [9, 11],
        Reason.NO_SUBMIT: [6],
        Reason.NO_RUN: [4],
        Reason.NO_WIDTH: [10],
        Reason.WIDER: [5],
        Reason.TWICE: [7],
        Reason.NO_LIMIT: [8],
        Reason.OVER_LIMIT: [3],
    }
    assert site.remarks.sentences()[:2] == [
        "dropped 1: an id that came before (line 7)",
        "dropped 1: has no processors (line 10)",
    ]


def test_compressed_swf_and_a_size_that_is_given(tmp_path):
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(swf(1, 0, 5, 3, 9).encode()))
    assert columns(read("a", file, 4)) == [[0], [5], [3], [9]]


def test_every_log_that_cannot_be_used_is_refused(tmp_path):
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"1 2 3" * 1000)[:40])
    assert told(tmp_path / "none") == ["FILE: cannot be read: No such file or directory; give a file that can"]
    assert told(broken)[0].startswith("FILE: broken gzip data: ")
    known = "give SWF, sacct --parsable2, or CSV with timestamp,duration,num_gpus,cluster"
    for text in ("", "a poem\nof two lines"):
        assert told(written(tmp_path, text)) == [f"FILE: not a job log that is known; {known}"]
    assert told(written(tmp_path, swf(1, 0, 5, 3, 9))) == [
        "site: the log does not say how large the site is; write NAME=FILE:UNITS"
    ]
    assert told(written(tmp_path, swf(1, 0, 5, 3, 9)), 2) == [
        "site: no job can be used: dropped 1: wider than the site (line 1); give another log or size"
    ]


SACCT = """JobID|Submit|Start|End|NCPUS|AllocTRES|Timelimit
7|2026-01-01T00:00:00|2026-01-01T00:01:00|2026-01-01T01:01:00|8|cpu=8,gres/gpu=2|02:00:00
7.batch|2026-01-01T00:01:00|2026-01-01T00:01:00|2026-01-01T01:01:00|8|cpu=8|
8_1|2026-01-01T00:10:00|Unknown|Unknown|8|cpu=8|02:00:00
9|2026-01-01T00:20:00|2026-01-01T00:20:00|2026-01-01T00:20:30|4|cpu=4,gres/gpu=1|UNLIMITED
nonsense
"""


def test_sacct_with_a_header_in_gpus(tmp_path):
    site = read("a", written(tmp_path, SACCT), 4)
    assert (columns(site), site.unit) == ([[0, 1200], [3600, 30], [2, 1], [7200, 30]], "GPUs")
    assert site.remarks.lines == {
        Reason.UNREADABLE: [6],
        Reason.STEP: [3],
        Reason.NO_RUN: [4],
        Reason.NO_LIMIT: [5],
    }


def test_sacct_with_gpus_that_are_told_by_model_alone(tmp_path):
    site = read("a", written(tmp_path, SACCT.replace("gres/gpu=", "gres/gpu:a100=")), 4)
    assert (columns(site)[2], site.unit) == ([2, 1], "GPUs")


def test_sacct_in_processors_where_most_jobs_have_no_gpu(tmp_path):
    site = read("a", written(tmp_path, SACCT.replace(",gres/gpu=2", "")), 8)
    assert (columns(site)[2], site.unit) == ([8, 4], "processors")


def test_sacct_that_lacks_fields(tmp_path):
    assert told(written(tmp_path, "JobID|User|State|Partition|Start|A|B|C|D\n1|u|COMPLETED|p|x|a|b|c|d"), 4) == [
        "line 1: no field submit; no field elapsed or elapsedraw or end; no field ncpus or alloccpus or alloctres; "  # noqa: ISC004
        "no field timelimit; ask sacct for --parsable2 --format=JobID,Submit,Start,End,NCPUS,AllocTRES,Timelimit"
    ]


def test_philly(tmp_path):
    text = "timestamp,duration,num_gpus,gpu_time,cluster\n2017-10-09 07:01:55,66.0,1,66.0,a\nx,1,1,1,a\n"
    site = read("a", written(tmp_path, text), 8)
    assert (columns(site), site.unit) == ([[0], [66], [1], [600]], "GPUs")
    assert site.remarks.lines == {Reason.UNREADABLE: [3]}


def test_slurm_spans():
    assert [seconds(text) for text in ("1-06:00:00", "02:00", "00:00:30.512", "UNLIMITED", "Partition_Limit", "")] == [
        108_000,
        120,
        30,
        -1,
        -1,
        -1,
    ]
