"""A disk of the tests that is full takes nothing more, and takes it again when it is emptied."""

import errno

import pytest

from chaos.disks import small_disks


def test_a_full_disk_takes_nothing_until_it_has_room_again(tmp_path):
    folder = tmp_path / "disk"
    with small_disks([folder], 4) as disks:
        disk = disks[folder]
        if not disk.real:
            pytest.skip("this machine does not let its tests mount")
        (folder / "before").write_bytes(b"x" * 100_000)
        disk.fill()
        with pytest.raises(OSError, match="No space left") as caught:
            (folder / "more").write_bytes(b"x" * 100_000)
        disk.empty()
        (folder / "more").write_bytes(b"x" * 100_000)
        kept = sorted((file.name, file.stat().st_size) for file in folder.iterdir())

    assert caught.value.errno == errno.ENOSPC
    assert kept == [("before", 100_000), ("more", 100_000)]
    assert list(folder.iterdir()) == []
