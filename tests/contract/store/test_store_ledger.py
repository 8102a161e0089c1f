import pytest
from sqlalchemy import update
from store_samples import BAKU, JERUSALEM, NOW, SIGNATURE, abandoned

from foedus.core.base.dsse import Signature
from foedus.core.base.errors import Broken, Conflict
from foedus.core.base.ids import AllianceId, JobId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.ledger.chain import Head, append, follows, head_of
from foedus.core.ledger.entry import Kind
from foedus.flow.ports import Booking, SealRecord
from foedus.store.tables import ledger
from foedus.store.unit import SqlStore

ALLIANCE = AllianceId("caspian-levant")
USAGE = (JobId("5_1"), 2)


def body(number: int) -> dict[str, object]:
    return {"alliance": ALLIANCE, "gpu_seconds": number, "project": "traffic", "reason": "שלום"}


def fill(store: SqlStore, count: int) -> None:
    with store.begin() as tx:
        for number in range(count):
            tx.ledger.append(Kind.ALLOCATION, body(number), [SIGNATURE], Instant(NOW + number))


def test_an_empty_ledger(store: SqlStore):
    with store.read() as tx:
        assert (tx.ledger.head(), tx.ledger.entries(1, 10), list(tx.ledger.stream()), tx.ledger.seals()) == (
            None, [], [], [],
        )  # fmt: skip


def test_entries_chain_and_come_back_whole(store: SqlStore):
    first = append(None, kind=Kind.PROJECT, body=body(1), signatures=(SIGNATURE,), at=NOW)
    second = append(head_of(ALLIANCE, first), kind=Kind.ALLOCATION, body=body(2), signatures=(), at=Instant(NOW + 1))
    with store.begin() as tx:
        added = [tx.ledger.append(Kind.PROJECT, body(1), [SIGNATURE], NOW)]
    with store.begin() as tx:
        added.append(tx.ledger.append(Kind.ALLOCATION, body(2), [], Instant(NOW + 1)))
    with store.read() as tx:
        assert added == tx.ledger.entries(1, 10) == [first, second]
        assert tx.ledger.head() == head_of(ALLIANCE, second)
        assert tx.ledger.entries(2, 10) == tx.ledger.entries(2, 1) == [second]


def test_what_is_rolled_back_leaves_the_head_as_it_was(store: SqlStore):
    fill(store, 2)
    with abandoned(store) as tx:
        tx.ledger.append(Kind.ALLOCATION, body(9), [], NOW)
    with store.read() as tx:
        head = tx.ledger.head()
        assert head is not None
        assert head.seq == 2
        assert follows(None, tx.ledger.stream(), head) == ()


def test_stream_is_the_whole_chain(store: SqlStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("foedus.store.ledger._PAGE", 10)
    fill(store, 23)
    with store.read() as tx:
        head = tx.ledger.head()
        entries = list(tx.ledger.stream())
        assert head is not None
        assert (len(entries), follows(None, entries, head)) == (23, ())
        assert [entry.seq for entry in tx.ledger.stream(20)] == [20, 21, 22, 23]


def test_an_attempt_is_booked_once_and_corrections_are_free(store: SqlStore):
    with store.begin() as tx:
        entry = tx.ledger.append(Kind.USAGE, body(1), [SIGNATURE], NOW, attempt=USAGE)
        tx.ledger.append(Kind.CORRECTION, body(2), [SIGNATURE], NOW, attempt=USAGE)
    with store.begin() as tx:
        with pytest.raises(Conflict, match="attempt 2 of job 5_1 is booked already"):
            tx.ledger.append(Kind.USAGE, body(3), [SIGNATURE], NOW, attempt=USAGE)
        tx.ledger.append(Kind.CORRECTION, body(4), [SIGNATURE], NOW, attempt=USAGE)
        tx.ledger.append(Kind.USAGE, body(5), [SIGNATURE], NOW, attempt=(JobId("5_1"), 3))
    with store.read() as tx:
        asked = [(JobId("5_1"), number) for number in (1, 2, 3)]
        assert tx.ledger.usage_entries(asked) == {asked[1]: entry.seq, asked[2]: 4}
        assert [one.body for one in tx.ledger.stream()] == [body(1), body(2), body(4), body(5)]


def test_several_are_booked_in_one_go_or_none_is(store: SqlStore):
    def usages(*numbers: int) -> list[Booking]:
        return [
            Booking(kind=Kind.USAGE, body=body(number), signatures=[SIGNATURE], attempt=(JobId("5"), number))
            for number in numbers
        ]

    with store.begin() as tx:
        assert [entry.seq for entry in tx.ledger.append_all(usages(1, 2), NOW)] == [1, 2]
        for again in (usages(3, 2), usages(3, 3)):
            with pytest.raises(Conflict, match="is booked already"):
                tx.ledger.append_all(again, NOW)
        assert tx.ledger.append_all([], NOW) == ()
        assert [entry.seq for entry in tx.ledger.append_all(usages(3), NOW)] == [3]
    with store.read() as tx:
        head = tx.ledger.head()
        assert head is not None
        assert follows(None, tx.ledger.stream(), head) == ()
        assert [one.body for one in tx.ledger.stream()] == [body(1), body(2), body(3)]


def test_the_database_itself_refuses_a_second_usage_record(store: SqlStore):
    with store.begin() as tx:
        tx.ledger.append(Kind.USAGE, body(1), [], NOW, attempt=USAGE)
    row = {"seq": 2, "kind": "usage", "job": USAGE[0], "attempt": USAGE[1], "hash": "0" * 64, "line": b"{}"}
    with pytest.raises(Conflict, match="exists already"), store.change() as session:
        session.add(ledger, [row])


def test_an_entry_of_another_alliance_is_refused(store: SqlStore):
    fill(store, 1)
    with pytest.raises(Conflict, match="of alliance caspian-levant, not of atlantis"), store.begin() as tx:
        tx.ledger.append(Kind.ALLOCATION, {**body(1), "alliance": "atlantis"}, [], NOW)


def test_a_damaged_entry_is_named(store: SqlStore):
    fill(store, 3)
    with store.begin() as tx:
        line = tx.ledger.entries(2, 1)[0].line()
    with store.change() as session:
        session.changes(update(ledger).where(ledger.c.seq == 2).values(line=line.replace(b"traffic", b"trafic?")))
    with store.read() as tx, pytest.raises(Broken, match="entry 2 of the ledger is damaged"):
        list(tx.ledger.stream())


def test_seals_are_kept_once_and_the_newest_is_shown(store: SqlStore):
    def record(site: SiteId, seq: int, sig: str) -> SealRecord:
        head = Head(alliance=ALLIANCE, seq=seq, hash=body_hash(seq), at=Instant(NOW + seq))
        return SealRecord(site=site, head=head, signature=Signature(keyid=f"ed25519:{site}", sig=sig))

    def body_hash(seq: int):
        return append(None, kind=Kind.PROJECT, body=body(seq), signatures=(), at=NOW).hash

    with store.begin() as tx:
        for site in (JERUSALEM, BAKU):
            tx.sites.enrol(site, f"ed25519:{site}")
        for one in (record(JERUSALEM, 1, "a"), record(JERUSALEM, 2, "b"), record(BAKU, 1, "c"), record(BAKU, 1, "d")):
            tx.ledger.seal(one)
    with store.read() as tx:
        assert tx.ledger.seals() == [record(BAKU, 1, "c"), record(JERUSALEM, 2, "b")]


def test_entries_about_keys_are_found_among_the_others(store: SqlStore):
    fill(store, 2)
    about = {"alliance": ALLIANCE, "key": "ed25519:aa", "site": JERUSALEM}
    with store.begin() as tx:
        given = tx.ledger.append(Kind.SITE_KEY, about | {"not_before": "2026-11-23T08:00:00Z"}, [SIGNATURE], NOW)
        tx.ledger.append(Kind.ALLOCATION, body(3), [], NOW)
        revoked = tx.ledger.append(Kind.SITE_KEY_REVOKED, about | {"reason": "lost"}, [SIGNATURE], NOW)
        assert tx.ledger.about_keys() == [given, revoked]
