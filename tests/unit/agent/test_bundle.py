import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.client import bundle
from foedus.client.bundle import Caps, pack, read_manifest, read_piece, unpack
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, TooLarge
from foedus.wire.files import FileEntry, Manifest


def write(root, path, data=b"x", mode=0o644):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(mode)


def tree(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def entry(path, data=b"x"):
    return FileEntry(path=path, mode=0o644, size=len(data), pieces=[sha256(data)] if data else [])


@pytest.fixture
def ends(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    return here, there


def test_what_is_packed_is_what_is_unpacked(ends, monkeypatch):
    monkeypatch.setattr(bundle, "PIECE", 4)
    here, there = ends
    write(here, "train.py", b"print(1)\n", 0o755)
    write(here, "data/a/x.csv", b"1,2,3,4,5,6,7,8")
    write(here, "data/empty", b"", 0o600)
    write(here, "other", b"not picked")

    packed = pack(here, ["train.py", "data"])
    unpack(packed.manifest, lambda piece: read_piece(packed, piece), there)

    assert tree(there) == {
        "train.py": (b"print(1)\n", 0o755),
        "data/a/x.csv": (b"1,2,3,4,5,6,7,8", 0o644),
        "data/empty": (b"", 0o600),
    }
    assert packed.pieces[-1] == packed.manifest.digest
    assert read_manifest(packed.manifest.write(), packed.manifest.digest) == packed.manifest


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["a", "b/c", "b/d/e", "é"]), st.binary(max_size=40), min_size=1))
def test_any_tree_comes_back_whole(tmp_path_factory, files):
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    for path, data in files.items():
        write(here, path, data)

    packed = pack(here, ["."])
    unpack(packed.manifest, lambda piece: read_piece(packed, piece), there)

    assert {path: data for path, (data, _) in tree(there).items()} == files


def test_links_devices_and_sockets_are_never_sent(ends, monkeypatch):
    here, there = ends
    write(there, "secret", b"secret")
    write(here, "plain")
    (here / "link").symlink_to(there / "secret")
    (here / "folder").symlink_to(there)
    os.mkfifo(here / "fifo")
    monkeypatch.chdir(here)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")

        packed = pack(here, ["."])

    assert [file.path for file in packed.manifest.files] == ["plain"]
    assert packed.skipped == ("fifo", "folder", "link", "socket")


def test_a_file_swapped_for_a_link_after_packing_is_not_read(ends):
    here, there = ends
    write(there, "secret", b"x")
    write(here, "d/f", b"x")
    packed = pack(here, ["."])
    (here / "d" / "f").unlink()
    (here / "d").rmdir()
    (here / "d").symlink_to(there)
    (there / "f").write_bytes(b"x")

    with pytest.raises(BadInput, match="cannot be read any more"):
        read_piece(packed, sha256(b"x"))


def test_a_file_that_changed_after_packing_is_not_sent(ends):
    here, _ = ends
    write(here, "f", b"one")
    packed = pack(here, ["f"])
    write(here, "f", b"two")

    with pytest.raises(BadInput, match="changed while it was being sent"):
        read_piece(packed, sha256(b"one"))


@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", "a/../../b", "", "a\nb"])
def test_unsafe_patterns_are_refused(ends, pattern):
    with pytest.raises(BadInput):
        pack(ends[0], ["good", pattern])


def test_caps_hold_when_packing(ends):
    here, _ = ends
    write(here, "a", b"12345")
    write(here, "b", b"12345")

    with pytest.raises(TooLarge, match="cap of 9"):
        pack(here, ["."], caps=Caps(size=9))
    with pytest.raises(TooLarge, match="cap of 1"):
        pack(here, ["."], caps=Caps(files=1))


def test_caps_hold_when_unpacking_before_anything_is_written(ends):
    _, there = ends
    manifest = Manifest(files=[entry("a"), entry("b")])

    with pytest.raises(TooLarge):
        unpack(manifest, lambda _: b"x", there, caps=Caps(files=1))
    with pytest.raises(TooLarge):
        unpack(manifest, lambda _: b"x", there, caps=Caps(size=1))
    assert list(there.iterdir()) == []


@pytest.mark.parametrize(
    "paths",
    [["../out"], ["/abs"], ["b", "a"], ["a", "a"], ["a", "a/b"], ["a/../../b"], ["x\x00y"]],
)
def test_a_manifest_with_unsafe_paths_writes_nothing(ends, paths):
    _, there = ends

    with pytest.raises(BadInput):
        unpack(Manifest(files=[entry(path) for path in paths]), lambda _: b"x", there)
    assert list(there.parent.iterdir()) in ([ends[0], there], [there, ends[0]])
    assert list(there.iterdir()) == []


def test_a_folder_that_is_a_link_is_not_entered(ends):
    outside, there = ends
    (there / "d").symlink_to(outside)

    with pytest.raises(BadInput, match="'d' is not a folder"):
        unpack(Manifest(files=[entry("d/f")]), lambda _: b"x", there)
    assert list(outside.iterdir()) == []


def test_a_file_that_is_a_link_or_a_hard_link_is_replaced_not_written_through(ends):
    outside, there = ends
    write(outside, "a", b"mine")
    write(outside, "b", b"mine")
    (there / "a").symlink_to(outside / "a")
    os.link(outside / "b", there / "b")

    unpack(Manifest(files=[entry("a"), entry("b")]), lambda _: b"x", there)

    assert tree(outside) == {"a": (b"mine", 0o644), "b": (b"mine", 0o644)}
    assert tree(there) == {"a": (b"x", 0o644), "b": (b"x", 0o644)}


@pytest.mark.parametrize("data", [b"y", b"", b"xx"])
def test_a_piece_with_other_bytes_is_refused(ends, data):
    with pytest.raises(BadInput, match="has other bytes than its name says"):
        unpack(Manifest(files=[entry("a")]), lambda _: data, ends[1])


def test_a_manifest_whose_sizes_do_not_fit_is_refused(ends):
    lying = FileEntry(path="a", mode=0o644, size=10, pieces=[])

    with pytest.raises(BadInput, match="has not 1 proper pieces"):
        unpack(Manifest(files=[lying]), lambda _: b"", ends[1])


def test_another_manifest_than_the_one_named_is_refused():
    manifest = Manifest(files=[entry("a")])

    with pytest.raises(BadInput, match="another digest"):
        read_manifest(manifest.write() + b" ", manifest.digest)
    with pytest.raises(BadInput, match="is not a manifest"):
        read_manifest(b"[]", sha256(b"[]"))
