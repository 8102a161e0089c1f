"""The programs of `bench` run and print their figures; what the figures are is for a quiet machine."""

import pytest

from bench_figures import figures


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_jobs_that_do_nothing(database: str):
    each = ("ms-of-processor/job",)
    assert figures("noop_jobs.py", "--database", database) == {
        "fork-exec-loop": ("jobs/s",),
        f"noop-jobs-{database}": ("jobs/s", "goal", "100"),
        **{f"noop-jobs-{database}-{part}": each for part in ("hub", "agent", "client")},
    }
