import os
import tempfile
import threading
from pathlib import Path

import pytest

from foedus.agent.accounts import AccountRules, look_up
from foedus.agent.rights import rights_of
from foedus.agent.workspace import Cache, make_folder
from foedus.client.bundle import pack
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, SiteTrouble

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
NOBODY = look_up("nobody", AccountRules(own_uid=0))


@pytest.fixture
def open_folder():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_the_account_reads_no_more_than_it_may(open_folder):
    (open_folder / "mine").write_text("mine")
    (open_folder / "mine").chmod(0o600)
    (open_folder / "all").write_text("all")
    (open_folder / "all").chmod(0o644)

    with rights_of(NOBODY)():
        assert (open_folder / "all").read_text() == "all"
        with pytest.raises(PermissionError):
            (open_folder / "mine").read_text()
    assert (open_folder / "mine").read_text() == "mine"


def test_other_threads_keep_their_rights(open_folder):
    (open_folder / "mine").write_text("mine")
    (open_folder / "mine").chmod(0o600)
    found = []
    acting = threading.Event()

    def read():
        acting.wait()
        found.append((open_folder / "mine").read_text())

    thread = threading.Thread(target=read)
    thread.start()
    with rights_of(NOBODY)():
        acting.set()
        thread.join()

    assert found == ["mine"]


def test_root_groups_do_not_open_doors_for_the_account(open_folder):
    (open_folder / "group").write_text("group")
    os.chown(open_folder / "group", 0, 0)
    (open_folder / "group").chmod(0o640)

    with rights_of(NOBODY)(), pytest.raises(PermissionError):
        (open_folder / "group").read_text()


def test_rights_come_back_after_an_error(open_folder):
    (open_folder / "mine").write_text("mine")
    (open_folder / "mine").chmod(0o600)

    with pytest.raises(RuntimeError), rights_of(NOBODY)():
        raise RuntimeError

    assert (open_folder / "mine").read_text() == "mine"


def test_a_job_folder_belongs_to_its_account_alone(open_folder):
    folder = open_folder / "work" / "transit" / "7" / "1"
    make_folder(open_folder / "work", folder, NOBODY)
    make_folder(open_folder / "work", folder, NOBODY)

    for path in (folder, folder / "work"):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (NOBODY.uid, NOBODY.gid, 0o700)
    for path in (folder.parent, folder.parent.parent):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (0, 0o711)


def test_outputs_are_read_with_the_rights_of_the_account(open_folder):
    (open_folder / "theirs").write_text("x")
    (open_folder / "mine").write_text("x")
    (open_folder / "mine").chmod(0o600)

    packed = pack(open_folder, ["."], guard=rights_of(NOBODY))

    assert [file.path for file in packed.manifest.files] == ["theirs"]
    assert packed.skipped == ("mine",)


def test_a_folder_that_cannot_be_made_is_the_sites_trouble(open_folder):
    (open_folder / "work").write_text("in the way")

    with pytest.raises(SiteTrouble, match="cannot be made"):
        make_folder(open_folder / "work", open_folder / "work" / "p" / "7" / "1", NOBODY)


def test_fetched_pieces_are_kept_checked_and_trimmed(open_folder):
    pieces = {sha256(data): data for data in (b"one", b"two", b"three")}
    asked = []

    def fetch(piece):
        asked.append(piece)
        return pieces[piece]

    cache = Cache(folder=open_folder, fetch=fetch)
    one, two, _ = pieces
    assert (cache.read(one), cache.read(one), asked) == (b"one", b"one", [one])
    (open_folder / one).write_bytes(b"damaged")
    assert (cache.read(one), asked) == (b"one", [one, one])
    pieces[two] = b"other"
    with pytest.raises(BadInput, match="other bytes"):
        cache.read(two)
    cache.trim(2)
    assert list(open_folder.iterdir()) == []
