import contextlib
import os

from foedus.agent.tails import CHUNK, Stretch, _read
from foedus.store.journal_rows import Tail


def tail(path, **more):
    return Tail(job="7", attempt=1, stream="stdout", path=str(path), **more)


def read(one, room=10_000_000):
    return _read(one, contextlib.nullcontext, room)


def test_what_is_new_is_read_in_chunks(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"x" * (CHUNK + 5))
    one = tail(file)

    first = read(one)
    assert (len(first.data), first.last) == (CHUNK, False)
    second = read(first.acknowledged(CHUNK))
    assert (second.data, second.piece().offset) == (b"xxxxx", CHUNK)
    assert read(second.acknowledged(CHUNK + 5)) is None


def test_the_hub_says_where_to_go_on(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"0123456789")
    sent = Stretch(tail=tail(file, position=2, offset=2), data=b"2345", last=False)

    assert (sent.acknowledged(6).position, sent.acknowledged(6).offset) == (6, 6)
    assert (sent.acknowledged(9).position, sent.acknowledged(9).offset) == (9, 9)
    assert (sent.acknowledged(0).position, sent.acknowledged(0).offset) == (0, 0)


def test_a_file_that_began_anew_is_read_from_its_beginning(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"new")
    one = read(tail(file, position=100, offset=100))

    assert (one.data, one.piece().offset, one.acknowledged(103).position) == (b"new", 100, 3)


def test_the_cap_cuts_and_says_so_only_if_something_is_left_out(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"0123456789")

    assert (read(tail(file), 4).data, read(tail(file), 4).last) == (b"0123", True)
    assert (read(tail(file), 10).data, read(tail(file), 10).last) == (b"0123456789", False)
    assert (read(tail(file), 0).data, read(tail(file), 0).last) == (b"", True)
    assert read(tail(file, position=10, offset=10), 0) is None


def test_links_and_devices_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "fifo")

    assert read(tail(tmp_path / "link")) is None
    assert read(tail(tmp_path / "fifo")) is None
    assert read(tail("/dev/zero")) is None
    assert read(tail(tmp_path)) is None
    assert read(tail(tmp_path / "absent")) is None
