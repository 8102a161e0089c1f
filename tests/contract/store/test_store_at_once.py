"""Several threads on one database at the same time: what must hold whoever comes first."""

import threading
from collections.abc import Callable

from store_samples import (
    ALICE,
    JERUSALEM,
    NOW,
    SIGNATURE,
    TRAFFIC,
    attempt,
    bound,
    digest,
    job,
    project,
    put,
    together,
    user,
)

from foedus.core.base.errors import Conflict
from foedus.core.base.ids import JobId
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.state import Move, Outcome
from foedus.core.ledger.chain import follows
from foedus.core.ledger.entry import Kind
from foedus.flow.ports import JobChange
from foedus.store.unit import SqlStore
from waiting import PATIENCE_S

BODY = {"alliance": "caspian-levant", "project": "traffic", "gpu_seconds": 1}


def test_of_many_claims_of_one_key_one_does_the_work(shared: SqlStore):
    done: list[int] = []

    def submit(index: int) -> bytes:
        with shared.begin() as tx:
            answered = tx.requests.claim(ALICE, "key", digest(1), NOW)
            if answered:
                return answered.answer
            done.append(index)
            number = tx.jobs.numbers(1)
            put(tx, job(number))
            tx.requests.answer(ALICE, "key", 201, str(number).encode())
            return str(number).encode()

    answers = together(8, submit)
    with shared.read() as tx:
        pending = [one.id for one in tx.jobs.pending(10)]
    assert (len(done), len(set(answers)), pending) == (1, 1, [answers[0].decode()])


def test_whoever_waits_for_a_claim_that_fails_takes_it(shared: SqlStore):
    claimed = threading.Event()

    def first() -> None:
        with shared.begin() as tx:
            tx.requests.claim(ALICE, "key", digest(1), NOW)
            claimed.set()
            raise ZeroDivisionError

    def second() -> bool:
        claimed.wait(timeout=PATIENCE_S)
        with shared.begin() as tx:
            return tx.requests.claim(ALICE, "key", digest(2), NOW) is None

    def run(index: int) -> bool:
        try:
            return second() if index else first() is None
        except ZeroDivisionError:
            return False

    assert together(2, run) == [False, True]


def test_eight_writers_keep_one_chain(shared: SqlStore):
    def append(index: int) -> None:
        for turn in range(10):
            with shared.begin() as tx:
                used = (JobId(f"{index + 1}"), turn + 1)
                tx.ledger.append(Kind.USAGE, BODY, [SIGNATURE], NOW, attempt=used)

    together(8, append)
    with shared.read() as tx:
        entries = list(tx.ledger.stream())
        head = tx.ledger.head()
        asked = [(JobId(f"{index}"), turn) for index in range(1, 9) for turn in range(1, 11)]
        booked = set(tx.ledger.usage_entries(asked).values())
    assert head is not None
    assert ([entry.seq for entry in entries], follows(None, entries, head)) == (list(range(1, 81)), ())
    assert booked == set(range(1, 81))


def test_of_many_usage_records_of_one_attempt_one_is_booked(shared: SqlStore):
    def book(_: int) -> bool:
        try:
            with shared.begin() as tx:
                tx.ledger.append(Kind.USAGE, BODY, [SIGNATURE], NOW, attempt=(JobId("1"), 1))
        except Conflict:
            return False
        return True

    assert sorted(together(8, book)) == [False] * 7 + [True]
    with shared.read() as tx:
        assert len(tx.ledger.entries(1, 10)) == 1


def test_a_budget_is_never_committed_twice(shared: SqlStore):
    with shared.begin() as tx:
        tx.people.add(user())
        tx.projects.add(project(granted=100))

    def reserve(_: int) -> int:
        taken = 0
        for _turn in range(5):
            with shared.begin() as tx:
                taken += tx.projects.reserve(TRAFFIC, GpuSeconds(7))
        return taken

    assert sum(together(8, reserve)) == 100 // 7
    with shared.read() as tx:
        assert tx.projects.get(TRAFFIC) == project(granted=100, reserved=GpuSeconds(98))


def test_numbers_are_unique_and_consecutive(shared: SqlStore):
    def take(index: int) -> list[int]:
        taken: list[int] = []
        for turn in range(20):
            count = 1 + (index * 20 + turn) % 7
            with shared.begin() as tx:
                first = tx.jobs.numbers(count)
            taken += range(first, first + count)
        return taken

    numbers = [number for taken in together(8, take) for number in taken]
    assert len(numbers) == len(set(numbers)) == sum(1 + turn % 7 for turn in range(160))


def test_of_two_moves_exactly_one_wins(shared: SqlStore):
    with shared.begin() as tx:
        put(tx, *(bound(number) for number in range(1, 31)))
        tx.attempts.add([attempt(number) for number in range(1, 31)])
    moves = (Move.RETURN, Move.END)

    def race(index: int) -> list[bool]:
        outcome = Outcome.COMPLETED if moves[index] is Move.END else None
        won: list[bool] = []
        for number in range(1, 31):
            change = JobChange(
                job=JobId(str(number)), move=moves[index], at=NOW, reason="race", outcome=outcome, fence=1
            )
            with shared.begin() as tx:
                won.append(tx.jobs.change(change))
        return won

    returned, ended = together(2, race)
    assert [sum(pair) for pair in zip(returned, ended, strict=True)] == [1] * 30


def test_an_offer_and_a_withdrawal_never_both_succeed(shared: SqlStore):
    with shared.begin() as tx:
        put(tx, *(bound(number) for number in range(1, 31)))
        tx.attempts.add([attempt(number) for number in range(1, 31)])

    def offer(number: int) -> bool:
        with shared.begin() as tx:
            return bool(tx.attempts.offer([(JobId(str(number)), 1)], NOW))

    def withdraw(number: int) -> bool:
        with shared.begin() as tx:
            return tx.attempts.withdraw(JobId(str(number)), 1, "nobody came")

    sides: list[Callable[[int], bool]] = [offer, withdraw]
    offered, withdrawn = together(2, lambda side: [sides[side](number) for number in range(1, 31)])
    assert [sum(pair) for pair in zip(offered, withdrawn, strict=True)] == [1] * 30


def test_an_epoch_is_given_once_and_a_sequence_is_taken_once(shared: SqlStore):
    def speak(index: int) -> tuple[int, list[bool]]:
        with shared.begin() as tx:
            epoch = tx.sites.next_epoch(JERUSALEM)
        taken: list[bool] = []
        for number in range(1, 11):
            with shared.begin() as tx:
                taken.append(tx.sites.accept(JERUSALEM, f"report-{number}", 1))
        return epoch, taken

    answers = together(6, speak)
    assert sorted(epoch for epoch, _ in answers) == [1, 2, 3, 4, 5, 6]
    assert [sum(column) for column in zip(*(taken for _, taken in answers), strict=True)] == [1] * 10
