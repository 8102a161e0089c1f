"""A disk of the tests that is full takes nothing more, and takes it again when it is emptied."""

import errno
import random
from collections.abc import Iterator

import pytest

from chaos.disks import SmallDisk, small_disks
from chaos.nemeses import Span
from chaos.strikes import Age
from chaos.victims import Victim


@pytest.fixture
def disk(tmp_path) -> Iterator[SmallDisk]:
    with small_disks([tmp_path / "disk"], 4) as disks:
        (found,) = disks.values()
        if not found.real:
            pytest.skip("this machine does not let its tests mount")
        yield found


def test_a_full_disk_takes_nothing_until_it_has_room_again(disk):
    folder = disk.folder
    (folder / "before").write_bytes(b"x" * 100_000)
    disk.fill()
    with pytest.raises(OSError, match="No space left") as caught:
        (folder / "more").write_bytes(b"x" * 100_000)
    disk.empty()
    (folder / "more").write_bytes(b"x" * 100_000)
    kept = sorted((file.name, file.stat().st_size) for file in folder.iterdir())

    assert caught.value.errno == errno.ENOSPC
    assert kept == [("before", 100_000), ("more", 100_000)]


def test_what_was_on_a_disk_goes_with_it(tmp_path):
    with small_disks([tmp_path / "disk"], 4) as disks:
        real = all(disk.real for disk in disks.values())
        (tmp_path / "disk" / "file").write_text("x")
    assert (list((tmp_path / "disk").iterdir()) == []) is real


def test_an_agents_state_stays_as_it_is_while_no_copy_of_it_fits_on_the_disk(disk):
    state, copy = disk.folder / "state", disk.folder / "yesterday"
    state.mkdir()
    (state / "journal").write_bytes(b"1" * 100_000)
    victim = Victim("agent", start=lambda: None, kill=lambda: None, alive=lambda: True, pids=list)
    age = Age(victim=victim, state=state, every=Span(least=0, most=0), down=Span(least=0, most=0))

    def strike() -> list[str]:
        age.strike(random.Random(1), lambda _: None)
        return sorted(one.name for one in disk.folder.iterdir())

    disk.fill()
    assert (strike(), (state / "journal").read_bytes()) == (["state"], b"1" * 100_000)
    disk.empty()
    assert strike() == ["state", "yesterday"]
    (state / "journal").write_bytes(b"2" * 100_000)
    assert (strike(), (state / "journal").read_bytes()) == (["state", "yesterday"], b"1" * 100_000)
    assert (copy / "journal").read_bytes() == b"2" * 100_000
