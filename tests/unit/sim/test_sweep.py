"""Many cases: what is kept, what is taken up again, and what a bad one does to the others."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet

from foedus.core.base.errors import BadInput, Fault
from foedus.sim.alliance import Terms
from foedus.sim.cases import known, work
from foedus.sim.report.write import write_report
from foedus.sim.scenario import Drain, Scenario, Site, Variant
from foedus.sim.sweep import sweep


def swf(*jobs):
    return "".join(
        f"{place} {submit} 0 {run} {width} -1 -1 {width} {run} -1 1 1 1 -1 -1 -1 -1 -1\n"
        for place, (submit, run, width) in enumerate(jobs, 1)
    )


@pytest.fixture
def scenario(tmp_path):
    (tmp_path / "a").write_text(swf((0, 100, 4), (10, 100, 4), (200, 50, 1)))
    (tmp_path / "b").write_text(swf((0, 10, 2), (100_000, 10, 8)))
    return Scenario(
        sites=(Site(name="a", log=tmp_path / "a", units=4), Site(name="b", log=tmp_path / "b", units=8)),
        terms=Terms(restart=10),
        variants=(
            Variant(name="as-it-is"),
            Variant(name="half", pledge={"a": 0.5, "b": 0.1}),
            Variant(name="drained", drains=(Drain(site="a", begin=5, end=500),)),
        ),
    )


def quiet(_done, _total):
    pass


def test_a_bad_case_is_told_and_the_others_are_kept(scenario, tmp_path):
    prepared = work(scenario, tmp_path / "out")
    swept = sweep(prepared, scenario.cases, 2, quiet)
    assert [result.variant for result in swept.results] == ["as-it-is", "drained"]
    assert swept.faults == (Fault(path="half: b", fault="no job is left", remedy="keep more, or pledge more"),)
    assert [known(prepared, case) for case in scenario.cases] == [swept.results[0], None, swept.results[1]]
    assert [(one.site, one.schedule, one.waits.mean, one.against_alone.worst) for one in swept.results[1].figures] == [
        ("a", "alone", 890 / 3, 0),
        ("a", "pooled", 0.0, 0),
        ("a", "together", 0.0, 0),
        ("b", "alone", 0.0, 0),
        ("b", "pooled", 0.0, 0),
        ("b", "together", 0.0, 0),
        ("all", "alone", 178.0, 0),
        ("all", "pooled", 0.0, 0),
        ("all", "together", 0.0, 0),
    ]


def test_what_is_done_is_taken_up_unless_something_changed(scenario, tmp_path):
    prepared = work(scenario, tmp_path / "out")
    case = scenario.cases[0]
    told: list[tuple[int, int]] = []
    sweep(prepared, [case], 1, lambda done, total: told.append((done, total)))
    sweep(prepared, [case], 1, lambda done, total: told.append((done, total)))
    assert told == [(0, 1), (1, 1), (1, 1)]
    assert known(work(scenario, tmp_path / "out"), case) is not None
    (tmp_path / "b").write_text(swf((0, 10, 3), (100_000, 10, 8)))
    assert known(work(scenario, tmp_path / "out"), case) is None
    (piece,) = (tmp_path / "out" / "cases").iterdir()
    piece.write_text(piece.read_text()[:-20])
    assert known(prepared, case) is None


def test_the_files_of_a_report(scenario, tmp_path):
    prepared = work(scenario, tmp_path / "out")
    results = sweep(prepared, [scenario.cases[0]], 1, quiet).results
    files = write_report(tmp_path / "out", prepared, results)
    assert [file.name for file in files] == ["report.html", "report.pdf", "figures.csv", "figures.parquet"]
    page, pdf, csv, figures = files
    text = page.read_text()
    assert ("http" in text.replace("http://www.w3.org/2000/svg", ""), "<script" in text, text.count("<svg")) == (
        False,
        False,
        7,
    )
    assert pdf.read_bytes()[:5] == b"%PDF-"
    assert csv.read_text().splitlines()[1].startswith("as-it-is,1,a,alone,3,4,")
    assert parquet.read_table(figures).column("mean_wait_s").to_pylist()[:3] == [30.0, 0.0, 0.0]
    (jobs,) = (tmp_path / "out" / "jobs").iterdir()
    rows = parquet.read_table(jobs).to_pylist()
    assert [(row["site"], row["schedule"], row["end_s"], row["later_than_alone_s"]) for row in rows[-5:]] == [
        ("a", "together", 100, 0),
        ("a", "together", 110, -90),
        ("a", "together", 250, 0),
        ("b", "together", 10, 0),
        ("b", "together", 100_010, 0),
    ]
    assert json.loads(next((tmp_path / "out" / "cases").iterdir()).read_text())["variant"] == "as-it-is"


def test_a_drain_after_the_end_of_the_log_is_refused(scenario, tmp_path):
    late = Variant(name="late", drains=(Drain(site="a", begin=864_000, end=865_000),))
    with pytest.raises(BadInput) as caught:
        work(Scenario(sites=scenario.sites, variants=(late,)), None)
    assert [str(fault) for fault in caught.value.faults] == [
        "late: drain: begins on day 10, and a's log ends on day 0; choose an earlier day"
    ]


def test_a_folder_that_cannot_be_written_is_told(scenario, tmp_path):
    (tmp_path / "out").write_text("a file")
    prepared = work(scenario, Path(tmp_path / "out"))
    swept = sweep(prepared, [scenario.cases[0]], 1, quiet)
    assert [fault.fault for fault in swept.faults] == ["cannot be written (Not a directory)"]
