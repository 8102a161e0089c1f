"""Tests that share clusters or an alliance stay in one process, and the names by which they are known exist."""

from pathlib import Path

from side_by_side import CLUSTERS, LONGEST_FIRST, share_of

TESTS = Path(__file__).parent.parent


def test_tests_are_named_after_what_they_share():
    tests = (
        "tests/live/test_stories.py::test_a",
        "tests/live/test_same_script.py::test_b[gpus-baku]",
        "tests/live/test_slurm_driver.py::test_c[baku]",
        "tests/e2e/test_faults.py::test_d[two-hubs]",
        "tests/e2e/test_main_job.py::test_e[sqlite-1]",
        "tests/e2e/test_refusals.py::test_e[121-two-hubs]",
        "tests/e2e/test_demo.py::test_f",
        "tests/unit/core/base/test_base_ids.py::test_g[sqlite]",
    )
    assert [share_of(test) for test in tests] == [
        "clusters scripts",
        "clusters scripts",
        "clusters drivers",
        "alliance two-hubs",
        "alliance sqlite",
        "alliance two-hubs",
        "tests/e2e/test_demo.py",
        "tests/unit/core/base/test_base_ids.py",
    ]


def test_every_name_is_a_module_or_folder_of_today():
    assert [name for name in CLUSTERS if not (TESTS / "live" / f"{name}.py").exists()] == []
    assert [name for name in LONGEST_FIRST if not (TESTS / name).is_dir()] == []
