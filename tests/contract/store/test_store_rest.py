"""Idempotency keys, logs, pieces, what is forgotten, and what a transaction promises."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import ALICE, BABEK, FORMS, JERUSALEM, NOW, TRAFFIC, abandoned, digest, job, put, user

from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, Busy, Fault, KeyReused, Unreachable
from foedus.core.base.ids import Digest, JobId, ProjectId
from foedus.core.base.instant import after
from foedus.flow.ports import Answered
from foedus.store.cleanup import forget
from foedus.store.pieces_files import PieceFiles
from foedus.store.unit import SqlStore, open_store

WEEK = 7 * 24 * 3600
ONE = JobId("1")


def test_a_key_is_claimed_once_and_answered_ever_after(store: SqlStore):
    with store.begin() as tx:
        assert tx.requests.claim(ALICE, "k", digest(1), NOW) is None
        assert tx.requests.claim(BABEK, "k", digest(2), NOW) is None
        tx.requests.answer(ALICE, "k", 201, b'{"jobs":[]}')
        tx.requests.answer(BABEK, "k", 422, b"")
    with store.begin() as tx:
        assert tx.requests.claim(ALICE, "k", digest(1), NOW) == Answered(
            body=digest(1), status=201, answer=b'{"jobs":[]}'
        )
        assert tx.requests.claim(BABEK, "k", digest(2), NOW) == Answered(body=digest(2), status=422, answer=b"")
        with pytest.raises(KeyReused):
            tx.requests.claim(ALICE, "k", digest(2), NOW)


def test_a_key_is_free_again_when_its_transaction_failed(store: SqlStore):
    with abandoned(store) as tx:
        tx.requests.claim(ALICE, "k", digest(1), NOW)
    with store.begin() as tx:
        assert tx.requests.claim(ALICE, "k", digest(2), NOW) is None


def test_a_key_without_an_answer_and_an_answer_without_a_key_are_bugs(store: SqlStore):
    with store.begin() as tx:
        tx.requests.claim(ALICE, "k", digest(1), NOW)
    with store.begin() as tx:
        with pytest.raises(Broken, match="never answered"):
            tx.requests.claim(ALICE, "k", digest(1), NOW)
        with pytest.raises(Broken, match="without being claimed"):
            tx.requests.answer(ALICE, "other", 200, b"")


def test_old_keys_and_codes_are_forgotten(store: SqlStore):
    with store.begin() as tx:
        for age in (0, WEEK, WEEK + 1):
            tx.requests.claim(ALICE, f"{age}", digest(1), after(NOW, -age))
            tx.requests.answer(ALICE, f"{age}", 200, b"")
            tx.sites.add_code(digest(age), JERUSALEM, after(NOW, -age))
    assert (forget(store, NOW), forget(store, NOW)) == (2, 0)
    with store.begin() as tx:
        kept = [tx.requests.claim(ALICE, f"{age}", digest(1), NOW) is not None for age in (0, WEEK, WEEK + 1)]
    assert kept == [True, True, False]


def test_logs(store: SqlStore):
    def append(offset: int, data: bytes, *, truncated: bool = False, stream: str = "stdout") -> int:
        return tx.logs.append(ONE, 1, stream, offset, data, truncated=truncated)

    with store.begin() as tx:
        assert tx.logs.read(ONE, 1, "stdout", 0, 10) == (b"", 0, False)
        assert append(0, b"hello ") == 6
        assert append(0, b"hello world") == 11
        assert append(3, b"lo") == 11
        assert append(12, b"gap") == 11
        assert append(11, b"") == 11
        assert append(0, b"err", stream="stderr") == 3
        assert append(11, b"\xff\x00", truncated=True) == 13
        assert append(13, b"!") == 14
        assert tx.logs.read(ONE, 1, "stdout", 0, 100) == (b"hello world\xff\x00!", 14, True)
        assert tx.logs.read(ONE, 1, "stdout", 4, 5) == (b"o wor", 14, True)
        assert tx.logs.read(ONE, 1, "stdout", 14, 5) == (b"", 14, True)
        assert tx.logs.read(ONE, 1, "stdout", 99, 5) == (b"", 14, True)
        assert tx.logs.read(ONE, 1, "stderr", 0, 100) == (b"err", 3, False)
        assert tx.logs.read(ONE, 2, "stdout", 0, 100) == (b"", 0, False)


def test_a_large_stretch_is_cut_into_parts(store: SqlStore):
    data = bytes(range(256)) * 4096
    with store.begin() as tx:
        assert tx.logs.append(ONE, 1, "stdout", 0, data[:300_000], truncated=False) == 300_000
        assert tx.logs.append(ONE, 1, "stdout", 200_000, data[200_000:], truncated=False) == len(data)
    with store.read() as tx:
        for offset, limit in ((0, 10), (262_140, 10), (299_990, 300_000), (0, len(data)), (len(data) - 3, 10)):
            assert tx.logs.read(ONE, 1, "stdout", offset, limit)[0] == data[offset : offset + limit]


@pytest.fixture(scope="module")
def in_memory() -> Iterator[SqlStore]:
    """One for many examples: making the tables takes longer than any of them."""
    store = open_store("sqlite://")
    yield store
    store.close()


ATTEMPTS = itertools.count(1)


@settings(max_examples=60)
@given(
    text=st.binary(max_size=60),
    stretches=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=12),
    reads=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=6),
)
def test_stretches_in_any_order_never_garble_a_log(in_memory: SqlStore, text: bytes, stretches, reads):
    attempt = next(ATTEMPTS)
    with in_memory.begin() as tx:
        reached = 0
        for offset, length in stretches:
            piece = text[offset : offset + length]
            if offset <= reached:
                reached = max(reached, offset + len(piece))
            reached = min(reached, len(text))
            assert tx.logs.append(ONE, attempt, "stdout", min(offset, len(text)), piece, truncated=False) == reached
        for offset, limit in reads:
            expected = text[:reached][offset : offset + limit]
            assert tx.logs.read(ONE, attempt, "stdout", offset, limit) == (expected, reached, False)


def test_pieces(store: SqlStore):
    with store.begin() as tx:
        tx.pieces.add(TRAFFIC, digest(2), 10, NOW)
        tx.pieces.add(TRAFFIC, digest(2), 10, NOW)
        wanted = [digest(number) for number in (3, 2, 1, 3)]
        assert tx.pieces.missing(TRAFFIC, wanted) == [digest(3), digest(1)]
        assert tx.pieces.missing(FORMS, wanted) == [digest(3), digest(2), digest(1)]
        assert tx.pieces.missing(FORMS, []) == []


def test_piece_files(tmp_path: Path):
    store, data = PieceFiles(tmp_path / "pieces"), b"\x00piece"
    name = sha256(data)
    assert store.get(TRAFFIC, name) is None
    store.put(TRAFFIC, name, data)
    store.put(TRAFFIC, name, data)
    assert (store.get(TRAFFIC, name), store.get(FORMS, name)) == (data, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "pieces" / TRAFFIC / name[:2] / name]


def test_piece_files_refuse_other_bytes_and_other_paths(tmp_path: Path):
    store = PieceFiles(tmp_path / "pieces")
    with pytest.raises(BadInput, match="another SHA-256"):
        store.put(TRAFFIC, digest(1), b"x")
    with pytest.raises(BadInput) as caught:
        store.get(ProjectId("../.."), Digest("/etc/passwd"))
    remedy = "give the name as the hub shows it"
    assert caught.value.faults == (
        Fault(path="project", fault="'../..' is malformed", remedy=remedy),
        Fault(path="piece", fault="'/etc/passwd' is malformed", remedy=remedy),
    )
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_piece_is_not_handed_out(tmp_path: Path):
    store, data = PieceFiles(tmp_path), b"piece"
    store.put(TRAFFIC, sha256(data), data)
    (tmp_path / TRAFFIC / sha256(data)[:2] / sha256(data)).write_bytes(b"pie")
    with pytest.raises(Broken, match="damaged"):
        store.get(TRAFFIC, sha256(data))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="cannot store a piece"):
        PieceFiles(tmp_path / "file").put(TRAFFIC, sha256(b"x"), b"x")


def test_all_or_nothing(store: SqlStore):
    with abandoned(store) as tx:
        tx.people.add(user())
        put(tx, job(1))
    with store.read() as tx:
        assert (tx.people.all(), tx.jobs.get([ONE])) == ([], {})


def test_a_reading_transaction_cannot_write(store: SqlStore):
    with pytest.raises(Broken, match=r"read-?only"), store.read() as tx:
        tx.people.add(user())
    with store.begin() as tx:
        tx.people.add(user())


def test_a_reading_transaction_sees_one_unmoving_view(shared: SqlStore):
    with shared.read() as tx:
        before = tx.people.all()
        with shared.begin() as other:
            other.people.add(user())
        assert (before, tx.people.all()) == ([], [])
    with shared.read() as tx:
        assert tx.people.all() == [user()]


def test_a_url_of_another_database_is_refused():
    for url in ("mysql://x/y", "nonsense", "", "sqlite"):
        with pytest.raises(BadInput) as caught:
            open_store(url)
        assert [fault.path for fault in caught.value.faults] == ["database"]


def test_a_database_that_is_not_there():
    with pytest.raises(Unreachable), open_store("postgresql://foedus@127.0.0.1:1/none").begin():
        pass
    with pytest.raises(Unreachable), open_store("sqlite:////nowhere/at/all.db").begin():
        pass


def test_waiting_for_the_right_to_write_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("foedus.store.dialects.sqlite.WAIT_SECONDS", 0.05)
    store = open_store("sqlite://")
    with store.begin(), pytest.raises(Busy) as caught, store.begin():
        pass
    assert caught.value.retryable
    store.close()
