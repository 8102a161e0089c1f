"""Changes that queue up share a transaction: each whole or not at all, and none told before all are durable."""

import threading
from contextlib import contextmanager

import pytest
from store_samples import TRAFFIC, project, together, user

from foedus.core.base.errors import Conflict, Unreachable
from foedus.core.base.units import GpuSeconds
from foedus.store.migrate import migrate
from foedus.store.together import Together
from foedus.store.unit import open_store
from waiting import wait_for


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate(url)
    store = open_store(url)
    with store.begin() as tx:
        tx.people.add(user())
        tx.projects.add(project(granted=100))
    yield store
    store.close()


def behind(store, count, act):
    """Let changes queue up behind a transaction that goes on until all of them are there."""
    first = threading.Event()

    def change(index):
        if index == 0:
            with store.begin():
                first.set()
                wait_for(lambda: len(store._together._waiting) == count - 1)
            return None
        first.wait()
        try:
            return store.do(lambda tx: act(tx, index))
        except Conflict as error:
            return error.message

    return together(count + 1, change)[1:]


def test_what_queues_up_is_done_in_one_transaction(store):
    transactions = behind(store, 8, lambda tx, index: (tx.projects.reserve(TRAFFIC, GpuSeconds(index)), tx)[1])
    assert len({id(tx) for tx in transactions}) <= 2
    with store.read() as tx:
        assert tx.projects.get(TRAFFIC).reserved == sum(range(1, 9))


def test_one_that_fails_changes_nothing_and_rings_nobody(store):
    rung = []
    unlisten = store.listen(rung.append)

    def act(tx, index):
        tx.projects.reserve(TRAFFIC, GpuSeconds(1))
        tx.ring(f"topic {index}")
        if index % 2:
            raise Conflict(f"not {index}")
        return index

    assert behind(store, 4, act) == ["not 1", 2, "not 3", 4]
    wait_for(lambda: len(rung) == 2)
    unlisten()
    assert sorted(rung) == ["topic 2", "topic 4"]
    with store.read() as tx:
        assert tx.projects.get(TRAFFIC).reserved == 2


class Pretended:
    """A transaction whose database may end it by itself, and whose commit may fail."""

    def __init__(self):
        self.open = True
        self.kept = []

    @contextmanager
    def apart(self):
        yield


class Wait:
    """A first change during which others queue up."""

    def __init__(self, together, count):
        self.begun = threading.Event()
        self.together, self.count = together, count

    def __call__(self, tx):
        self.begun.set()
        wait_for(lambda: len(self.together._waiting) == self.count)


def queued(changes, begin):
    """Have changes done that have queued up behind another; return what each ended with."""
    shared = Together(begin)
    first = Wait(shared, len(changes))

    def change(index):
        if index == 0:
            return shared.do(first)
        first.begun.wait()
        try:
            return shared.do(changes[index - 1])
        except Unreachable as error:
            return error.message

    return together(len(changes) + 1, change)[1:]


def test_nothing_is_done_if_the_common_end_fails():
    transactions = []

    @contextmanager
    def begin():
        transactions.append(Pretended())
        yield transactions[-1]
        if len(transactions) > 1:
            raise Unreachable("the disk is full")

    assert queued([lambda tx: 1, lambda tx: 2, lambda tx: 3], begin) == ["the disk is full"] * 3
    assert len(transactions) == 2


def test_no_further_change_is_begun_in_a_transaction_that_the_database_has_ended():
    begun = []

    @contextmanager
    def begin():
        yield Pretended()

    def change(tx):
        begun.append(tx)
        tx.open = False
        raise Unreachable("the disk is full")

    assert queued([change, change], begin) == ["the disk is full"] * 2
    assert len({id(tx) for tx in begun}) == 2
