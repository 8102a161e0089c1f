"""What several hub processes on one database need: the bell, the lead, and a life after the database's restart."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from store_samples import ALICE, NOW, abandoned, digest, user

import postgres
from foedus.core.base.errors import Broken, Busy, Conflict, Unreachable
from foedus.core.base.ids import ProjectId, UserId
from foedus.store.bell import EVERYTHING
from foedus.store.unit import SqlStore
from foedus.wire.alliance import ProjectRole
from waiting import PATIENCE_S, wait_for

Open = Callable[[str], SqlStore]


def heard(topics: "queue.Queue[str]", count: int) -> list[str]:
    return [topics.get(timeout=PATIENCE_S) for _ in range(count)]


def ring(store: SqlStore, *topics: str) -> None:
    with store.begin() as tx:
        for topic in topics:
            tx.ring(topic)


def test_the_bell_rings_once_a_topic_after_the_commit(store: SqlStore):
    topics: list[str] = []
    stop = store.listen(topics.append)
    with store.begin() as tx:
        for topic in ("broker", "orders:baku", "broker"):
            tx.ring(topic)
        before = list(topics)
    after = list(topics)
    stop()
    ring(store, "broker")
    assert (before, after, topics) == ([], ["broker", "orders:baku"], ["broker", "orders:baku"])


def test_what_is_rolled_back_rings_nothing(store: SqlStore):
    topics: list[str] = []
    store.listen(topics.append)
    with abandoned(store) as tx:
        tx.ring("broker")
    ring(store, "orders:baku")
    assert topics == ["orders:baku"]


def test_a_listener_that_fails_does_not_silence_the_others(store: SqlStore, caplog: pytest.LogCaptureFixture):
    topics: list[str] = []
    store.listen(lambda _: 1 // 0)
    store.listen(topics.append)
    ring(store, "broker")
    assert (topics, "a listener failed on topic 'broker'" in caplog.text) == (["broker"], True)


def test_the_bell_rings_in_other_processes(postgres_url: str, opened: Open):
    here, there = opened(postgres_url), opened(postgres_url)
    topics: queue.Queue[str] = queue.Queue()
    there.listen(topics.put)
    with abandoned(here) as tx:
        tx.ring("lost")
    many = [f"job:{number}" for number in range(2000)]
    ring(here, "broker")
    ring(here, *many)
    assert heard(topics, 2001) == ["broker", *many]


def test_after_a_lost_connection_everything_is_rung(postgres_url: str, opened: Open):
    here, there = opened(postgres_url), opened(postgres_url)
    topics: queue.Queue[str] = queue.Queue()
    there.listen(topics.put)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    assert heard(topics, 1) == [EVERYTHING]
    ring(here, "broker")
    assert heard(topics, 1) == ["broker"]


def test_one_leads(postgres_url: str, opened: Open):
    first, second = opened(postgres_url).leader(), opened(postgres_url).leader()
    assert [first.hold(), second.hold(), first.hold(), second.hold()] == [True, False, True, False]
    first.release()
    assert [second.hold(), first.hold()] == [True, False]
    second.release()
    first.release()


def test_a_lost_connection_is_a_lost_lead(postgres_url: str, opened: Open):
    first, second = opened(postgres_url).leader(), opened(postgres_url).leader()
    assert first.hold()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    deadline = time.monotonic() + PATIENCE_S
    while not second.hold() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [second.hold(), first.hold(), first.hold()] == [True, False, False]
    second.release()
    first.release()


def test_a_leader_that_is_not_heard_of_any_more_loses_the_lead_to_who_asks(postgres_url: str, opened: Open):
    frozen, other = opened(postgres_url).leader(), opened(postgres_url).leader()
    assert [frozen.hold(), other.hold()] == [True, False]

    wait_for(other.hold, "the lead passes on although the connection that had it was never closed")

    assert [frozen.hold(), frozen.hold(), other.hold()] == [False, False, True]
    other.release()
    frozen.release()


def test_a_transaction_that_stands_still_is_undone_and_holds_up_nobody(postgres_url: str, opened: Open):
    frozen, other = opened(postgres_url), opened(postgres_url)

    def stand_still() -> None:
        with frozen.begin() as tx:
            tx.people.add(replace(user(), name="Written by the frozen one"))
            with other.begin() as theirs:
                theirs.people.add(user())  # waits for whoever has written it
            tx.people.all()

    with pytest.raises(Busy, match="stood still"):
        stand_still()
    with frozen.read() as tx:
        assert tx.people.all() == [user()]


def test_one_leads_on_a_file(file_url: str, opened: Open, tmp_path: Path):
    store = opened(file_url)
    first, second = store.leader(), store.leader()
    assert [first.hold(), second.hold(), first.hold()] == [True, False, True]
    first.release()
    assert [second.hold(), first.hold()] == [True, False]
    (tmp_path / "foedus.db.leader").unlink()
    assert first.hold()
    assert not second.hold()
    first.release()


def test_in_memory_there_is_nobody_else(opened: Open):
    leader = opened("sqlite://").leader()
    leader.release()
    assert leader.hold()


def test_a_restart_of_the_database_is_survived(postgres_server: postgres.Server, postgres_url: str, opened: Open):
    store = opened(postgres_url)
    topics: queue.Queue[str] = queue.Queue()
    store.listen(topics.put)
    leader = store.leader()
    assert leader.hold()
    with store.begin() as tx:
        tx.people.add(user())
    with pytest.raises(Unreachable) as caught, store.begin() as tx:  # noqa: PT012 - the loss is in between
        tx.people.add(user(UserId("lost")))
        postgres_server.restart()
        tx.people.all()
    lead = [leader.hold(), leader.hold()]
    with store.read() as tx:
        known = tx.people.all()
    with store.begin() as tx:
        tx.people.touch("none", NOW)
    leader.release()
    assert (caught.value.retryable, lead, known) == (True, [False, True], [user()])
    assert heard(topics, 1) == [EVERYTHING]


def test_an_error_that_is_swallowed_does_not_pass_for_a_commit(postgres_url: str, opened: Open):
    store = opened(postgres_url)

    def swallow() -> None:
        with store.begin() as tx:
            tx.people.add(user())
            with pytest.raises(Conflict):
                tx.projects.set_member(ProjectId("nothing"), ALICE, ProjectRole.LEAD)

    with pytest.raises(Broken, match="went on after an error"):
        swallow()
    with store.read() as tx:
        assert tx.people.all() == []


def test_who_loses_a_deadlock_may_try_again(postgres_url: str, opened: Open):
    store = opened(postgres_url)
    with store.begin() as tx:
        for name in ("a", "b"):
            tx.requests.claim(UserId(name), "k", digest(1), NOW)
    both = threading.Barrier(2)

    def lock(first: str, second: str) -> bool:
        try:
            with store.begin() as tx:
                tx.requests.answer(UserId(first), "k", 200, b"")
                both.wait(timeout=PATIENCE_S)
                tx.requests.answer(UserId(second), "k", 200, b"")
        except Busy as busy:
            return busy.retryable
        return False

    results: list[bool] = []
    threads = [threading.Thread(target=lambda a=a, b=b: results.append(lock(a, b))) for a, b in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
    assert sorted(results) == [False, True]
