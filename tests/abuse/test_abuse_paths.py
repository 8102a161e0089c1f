"""Paths that lead out of a job's folder, and folders that change while somebody looks."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whole import Whole, script

from foedus.agent.tails import _read
from foedus.client.bundle import pack, read_piece, unpack
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput
from foedus.store.journal_rows import Tail
from foedus.wire.files import FileEntry, Manifest

SECRET = b"secret of another account"
ROUNDS = 150


@contextlib.contextmanager
def flipping(path: Path, honest: Callable[[], None], target: Path) -> Iterator[None]:
    """Let somebody put a link in the place of a file or folder, and take it back, as fast as they can."""
    stop = threading.Event()

    def flip() -> None:
        link = path.with_name("link")
        away = path.with_name("away")
        while not stop.is_set():
            with contextlib.suppress(OSError):
                link.symlink_to(target)
                path.rename(away)
                link.rename(path)
                path.unlink()
                away.rename(path)

    honest()
    thread = threading.Thread(target=flip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_outputs_that_turn_into_links_while_they_are_packed(tmp_path: Path):
    """Abuse 3: a folder of outputs is swapped for a link to somebody else's folder between check and use."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_bytes(SECRET)
    work = tmp_path / "work"
    (work / "out").mkdir(parents=True)
    (work / "out" / "file").write_bytes(b"mine")
    seen: set[bytes] = set()
    with flipping(work / "out", lambda: None, tmp_path / "other"):
        for _ in range(ROUNDS):
            with contextlib.suppress(BadInput, FileNotFoundError):
                packed = pack(work, ["out"])
                seen.update(read_piece(packed, piece) for piece in packed.sources)
    assert seen <= {b"mine"}


def test_a_bundle_is_never_unpacked_through_a_link(tmp_path: Path):
    """Abuse 3: the folder that a bundle is written to is swapped for a link while it is written."""
    (tmp_path / "other").mkdir()
    work = tmp_path / "work"
    (work / "data").mkdir(parents=True)
    data = b"x" * 100
    names = [f"data/{number:02}" for number in range(5)]
    manifest = Manifest(files=[FileEntry(path=name, mode=0o644, size=100, pieces=[sha256(data)]) for name in names])
    with flipping(work / "data", lambda: None, tmp_path / "other"):
        for _ in range(ROUNDS):
            with contextlib.suppress(BadInput):
                unpack(manifest, lambda _: data, work)
    assert list((tmp_path / "other").iterdir()) == []


def test_a_log_that_turns_into_a_link_is_not_read(tmp_path: Path):
    """Abuse 3: a job's output file is swapped for a link, or is a hard link that its own account could not make."""
    (tmp_path / "other").write_bytes(SECRET)
    log = tmp_path / "slurm-1.out"
    tail = Tail(job="1", attempt=1, stream="stdout", path=str(log))
    seen: set[bytes] = set()
    with flipping(log, lambda: log.write_bytes(b"mine"), tmp_path / "other"):
        for _ in range(ROUNDS * 10):
            stretch = _read(tail, contextlib.nullcontext, 1000)
            if stretch is not None:
                seen.add(stretch.data)
    assert seen <= {b"mine"}


@pytest.mark.parametrize("pattern", ["../../etc", "/etc/passwd", "a/../../b", "~root"])
def test_outputs_are_declared_inside_the_jobs_folder(whole: Whole, pattern: str):
    """Abuse 3: traversal in the declared outputs."""
    with whole.served.client("lead") as lead:
        if pattern == "~root":  # a name like any other: nobody expands it
            assert whole.run(script("true", foedus=f"output={pattern}"))[1] == "completed"
            return
        with pytest.raises(BadInput, match="does not stay in the job's folder"):
            lead.submit(script("true", foedus=f"output={pattern}"))


def test_what_the_job_links_to_does_not_come_back(whole: Whole, tmp_path: Path):
    """Abuse 3 and 22: restricted data leaves by a link, a hard link or a device among the outputs."""
    secret = tmp_path / "restricted.csv"
    secret.write_bytes(SECRET)
    lines = [
        "mkdir out; echo mine > out/mine",
        f"ln -s {secret} out/link; ln -s {tmp_path} out/folder; mkfifo out/pipe; ln -s / out/root",
    ]
    job, state, _ = whole.run(script(*lines, foedus="output=out"))
    with whole.served.client("lead") as lead:
        files = [file.path for file in lead.outputs(job).files]
        (attempt,) = lead.why(job).attempts
    assert (state, files) == ("completed", ["out/mine"])
    assert attempt.reason.startswith("not sent, being no regular files: ")
    assert os.fspath(secret) not in attempt.reason
