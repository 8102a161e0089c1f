import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.errors import Fault
from foedus.core.jobs.paths import may_hold, parents, path_fault, pattern_fault, picked, tree_faults

PART = st.text(alphabet="abAB.-_ *?[]!é", min_size=1, max_size=6).filter(lambda part: part not in {".", ".."})
PATH = st.lists(PART, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", ".hidden", "a/..b", "..a/b", "a..", "with space/ü", "x" * 255, "/".join(["d"] * 128)],
)
def test_names_inside_the_folder_pass(path):
    assert path_fault(path, "bundle") is None


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("a/../../b", "leads out of the folder"),
        ("..", "leads out of the folder"),
        ("a/./b", "has an empty part or a '.'"),
        ("a//b", "has an empty part or a '.'"),
        ("a/", "has an empty part or a '.'"),
        ("a\x00b", "holds a control character"),
        ("a\nb", "holds a control character"),
        ("a\x1b[2Jb", "holds a control character"),
        ("a\u2028b", "holds a control character"),
        ("x" * 256, "has a part over 255 bytes"),
        ("é" * 128, "has a part over 255 bytes"),
        ("a/" * 2500 + "a", "is longer than 4096 bytes"),
        ("/".join(["d"] * 129), "is deeper than 128 folders"),
        ("a\ud800", "is not UTF-8 text"),
    ],
)
def test_every_other_name_is_refused_with_its_fault(path, fault):
    assert path_fault(path, "bundle") == Fault(
        path="bundle",
        fault=f"{path!r} {fault}",
        remedy="name it relative to the job's folder, like results/model.bin",
    )


@given(st.text(max_size=40))
def test_a_path_that_passes_cannot_leave_its_folder(path):
    if path_fault(path, "p") is None:
        depth = 0
        for part in path.split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
            assert part not in {"", ".", ".."}
            assert depth > 0


@given(st.lists(PATH, max_size=6))
def test_a_tree_is_sound_only_if_sorted_single_and_without_files_that_are_folders(paths):
    sound = (
        paths == sorted(set(paths))
        and all(path_fault(path, "t") is None for path in paths)
        and not any(parent in paths for path in paths for parent in parents(path))
    )

    assert (tree_faults(paths, "t") == ()) == sound


def test_all_faults_of_a_tree_come_at_once():
    faults = tree_faults(["b", "a", "a/x", "../up"], "bundle")

    assert [fault.fault for fault in faults] == [
        "'../up' leads out of the folder",
        "the files are not sorted by path, or one is listed twice",
        "'a' is both a file and the folder of 'a/x'",
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "is_picked"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "d/a.txt", False),
        ("d/*.txt", "d/a.txt", True),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "d/e/a.txt", True),
        ("d/**", "d/e/a.txt", True),
        ("d/**", "dd/a.txt", False),
        ("d", "d/e/a.txt", True),
        ("d/", "d/e/a.txt", True),
        (".", "d/e/a.txt", True),
        ("d?", "d1/x", True),
        ("model-[0-9].bin", "model-7.bin", True),
        ("model-[!0-9].bin", "model-7.bin", False),
        ("a[/]b", "a/b", False),
        ("a[", "a[", True),
        ("a[]b", "a[]b", True),
        ("a.b", "axb", False),
    ],
)
def test_patterns_pick_as_a_shell_would(pattern, path, is_picked):
    assert picked(path, (pattern,)) is is_picked


@given(PART.filter(lambda part: "[" not in part), PART)
def test_one_part_without_brackets_picks_what_fnmatch_picks(pattern, name):
    if pattern != "**":
        assert picked(name, (pattern,)) == fnmatch.fnmatchcase(name, pattern)


@given(PATH, PATH)
def test_a_folder_that_holds_a_picked_file_is_never_passed_by(pattern, path):
    if pattern_fault(pattern, "p") is None and picked(path, (pattern,)):
        assert all(may_hold(folder, (pattern,)) or picked(folder, (pattern,)) for folder in parents(path))
