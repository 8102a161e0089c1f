"""A backup's file: whole or refused, whatever became of it."""

import re

import pytest

from foedus.core.base.errors import BadInput, Conflict
from foedus.process.archive import check, unpack, write

FACTS = {"at": "2026-11-23T08:00:00Z"}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "in").mkdir(parents=True)
    (folder / "one").write_bytes(b"first" * 1000)
    (folder / "in" / "two").write_bytes(b"second" * 1000)
    return folder


@pytest.fixture
def backup(tmp_path, source):
    path = tmp_path / "backup.tar"
    write(path, "hub", FACTS, [(name, source / name) for name in ("one", "in/two", "gone meanwhile")])
    return path


def test_what_was_written_comes_back(tmp_path, source, backup):
    target = tmp_path / "target"

    found = unpack(backup, "hub", lambda name: target / name)

    assert (found.kind, found.facts, sorted(found.files)) == ("hub", FACTS, ["in/two", "one"])
    assert [(target / name).read_bytes() for name in found.files] == [
        (source / name).read_bytes() for name in found.files
    ]
    assert [path.stat().st_mode & 0o777 for path in (backup, target / "one", target / "in")] == [0o600, 0o600, 0o700]


def test_a_file_that_was_changed_or_cut_off_is_refused_before_anything_is_unpacked(tmp_path, backup):
    whole, spoilt = backup.read_bytes(), tmp_path / "spoilt.tar"
    ends = range(0, len(whole) - 2 * 512, 512)  # tar's own end is two empty blocks, and padding
    listed = whole.index(b'"files"')
    for data in (
        *(whole[:end] for end in ends if end < listed),
        whole.replace(b"firstfirst", b"firsTfirst", 1),
        whole.replace(b'"kind": "hub"', b'"kind": "hut"'),
        whole.replace(b'"files"', b'"filez"'),
        b"",
    ):
        spoilt.write_bytes(data)
        with pytest.raises(BadInput):
            unpack(spoilt, "hub", lambda name: tmp_path / "target" / name)
    assert not (tmp_path / "target").exists()


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, source):
    path = tmp_path / "odd.tar"
    write(path, "hub", FACTS, [("../one", source / "one")])

    with pytest.raises(BadInput, match=re.escape("holds '../one', which no backup does")):
        check(path, "hub")


def test_nothing_is_written_over(backup, source):
    with pytest.raises(Conflict, match="exists; a backup is never written over another file"):
        write(backup, "hub", FACTS, [("one", source / "one")])


def test_a_backup_of_the_other_kind_is_refused(backup):
    with pytest.raises(BadInput, match="is of kind hub, not agent"):
        check(backup, "agent")
