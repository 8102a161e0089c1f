import json
from dataclasses import dataclass, field

import httpx2
import pytest
from hub_double import FakeClock, means

from foedus.client import Client, Moved
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, NotFound
from foedus.wire.files import PIECE, FileEntry, Manifest


@dataclass
class PieceHub:
    """Keeps pieces; may be told to fail."""

    pieces: dict[str, bytes] = field(default_factory=dict)
    outputs: Manifest | None = None
    sent: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    fail_after: int | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        *_, kind, last = request.url.path.split("/")
        if last == "missing":
            wanted = json.loads(request.content)["pieces"]
            return httpx2.Response(200, json={"missing": [one for one in wanted if one not in self.pieces]})
        if last == "outputs":
            if self.outputs is None:
                return httpx2.Response(404, json={"code": "not-found", "message": "no outputs yet"})
            return httpx2.Response(200, text=self.outputs.model_dump_json())
        assert kind == "pieces"
        if self.fail_after == len(self.sent) + len(self.fetched):
            return httpx2.Response(500, json={"code": "broken", "message": "disk full"})
        if request.method == "PUT":
            self.sent.append(last)
            self.pieces[last] = request.content
            return httpx2.Response(204)
        self.fetched.append(last)
        return httpx2.Response(200, content=self.pieces[last])


def client(hub):
    clock = FakeClock()
    return Client("http://127.0.0.1:1", "t", transport=httpx2.MockTransport(hub), sleep=clock.sleep, means=means(clock))


def hold(hub, files):
    """Put files into the hub as a job's outputs."""
    entries = []
    for path, data in sorted(files.items()):
        cut = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
        hub.pieces.update({sha256(one): one for one in cut})
        entries.append(FileEntry(path=path, mode=0o640, size=len(data), pieces=[sha256(one) for one in cut]))
    hub.outputs = Manifest(files=entries)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_only_what_is_missing_is_sent_and_the_manifest_comes_last(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_bytes(b"aaa")
    (tmp_path / "src" / "b.py").write_bytes(b"bbbb")
    (tmp_path / "other").write_bytes(b"no")
    hub = PieceHub(pieces={sha256(b"aaa"): b"aaa"})
    seen = []
    digest = client(hub).upload("traffic", ["src"], root=tmp_path, progress=seen.append)
    assert hub.sent == [sha256(b"bbbb"), digest]
    manifest = Manifest.model_validate_json(hub.pieces[digest])
    assert [entry.path for entry in manifest.files] == ["src/a.py", "src/b.py"]
    assert seen == [Moved(done=3, total=7), Moved(done=7, total=7), Moved(done=7, total=7)]
    assert client(hub).upload("traffic", ["src"], root=tmp_path) == digest
    assert len(hub.sent) == 2


def test_every_pattern_that_names_nothing_is_told_at_once(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(BadInput) as caught:
        client(PieceHub()).upload("p", ["a", "b", "c/*.py"], root=tmp_path)
    assert [fault.path for fault in caught.value.faults] == ["b", "c/*.py"]


def test_a_path_out_of_the_folder_is_refused_before_anything_is_sent(tmp_path):
    hub = PieceHub()
    with pytest.raises(BadInput, match="leads out of the folder"):
        client(hub).upload("p", ["../secrets"], root=tmp_path)
    assert hub.sent == []


def test_outputs_arrive_whole(tmp_path):
    hub = PieceHub()
    files = {"model.bin": b"x" * (PIECE + 5), "logs/one.txt": b"one", "empty": b""}
    hold(hub, files)
    seen = []
    folder = tmp_path / "out"
    assert client(hub).fetch("5", folder, progress=seen.append) == hub.outputs
    assert tree(folder) == files
    assert (folder / "model.bin").stat().st_mode & 0o777 == 0o640
    assert seen[0] == Moved(done=0, total=PIECE + 8)
    assert seen[-1] == Moved(done=PIECE + 8, total=PIECE + 8)


def test_a_fetch_goes_on_where_it_stopped(tmp_path):
    hub = PieceHub()
    files = {"a": b"aaaa", "big": bytes(PIECE) + b"tail"}
    hold(hub, files)
    hub.fail_after = 2
    with pytest.raises(Broken):
        client(hub).fetch("5", tmp_path)
    assert (len(hub.fetched), (tmp_path / "big").exists()) == (2, False)
    hub.fail_after = None
    client(hub).fetch("5", tmp_path)
    assert hub.fetched == [sha256(b"aaaa"), sha256(bytes(PIECE)), sha256(b"tail")]
    assert tree(tmp_path) == files


def test_files_that_are_right_stay_and_others_are_replaced(tmp_path):
    hub = PieceHub()
    hold(hub, {"good": b"same", "changed": b"new!", "longer": b"ab"})
    (tmp_path / "good").write_bytes(b"same")
    (tmp_path / "changed").write_bytes(b"old!")
    (tmp_path / "longer").write_bytes(b"abc")
    (tmp_path / "mine").write_bytes(b"mine")
    client(hub).fetch("5", tmp_path)
    assert tree(tmp_path) == {"good": b"same", "changed": b"new!", "longer": b"ab", "mine": b"mine"}
    assert hub.fetched == [sha256(b"new!"), sha256(b"ab")]


def test_a_piece_with_other_bytes_is_never_kept(tmp_path):
    hub = PieceHub()
    hold(hub, {"a": b"true"})
    hub.pieces[sha256(b"true")] = b"fake"
    with pytest.raises(Broken, match="other bytes"):
        client(hub).fetch("5", tmp_path)
    assert tree(tmp_path) == {}


def test_a_damaged_part_is_fetched_again(tmp_path):
    hub = PieceHub()
    hold(hub, {"a": b"true"})
    (tmp_path / ".foedus-parts").mkdir()
    (tmp_path / ".foedus-parts" / sha256(b"true")).write_bytes(b"fake")
    client(hub).fetch("5", tmp_path)
    assert tree(tmp_path) == {"a": b"true"}


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil"])
def test_an_output_that_would_escape_is_refused(tmp_path, path):
    hub = PieceHub()
    hold(hub, {path: b"evil"})
    folder = tmp_path / "out"
    with pytest.raises(BadInput):
        client(hub).fetch("5", folder)
    assert tree(tmp_path) == {}


def test_a_link_in_the_folder_leads_nowhere(tmp_path):
    hub = PieceHub()
    hold(hub, {"link/evil": b"evil"})
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput):
        client(hub).fetch("5", tmp_path / "out")
    assert tree(tmp_path / "elsewhere") == {}


def test_no_outputs_yet_is_said_so(tmp_path):
    with pytest.raises(NotFound, match="no outputs yet"):
        client(PieceHub()).fetch("5", tmp_path / "out")
    assert not (tmp_path / "out").exists()
