import contextlib
import os
from types import SimpleNamespace

from agent_rows import make_order

from foedus.agent.tails import CHUNK, Stretch, Tailer, Turn, _read, whose_turn
from foedus.core.base.instant import Instant
from foedus.store.journal import Journal
from foedus.store.journal_rows import Row, Run, Step, Tail
from foedus.wire.agents import StatusItem


def tail(path, **more):
    return Tail(job="7", attempt=1, stream="stdout", path=str(path), **more)


def row(step, **more):
    return Row(**{"order": make_order(), "step": step, "since": Instant(1000), **more})


def run_of(started=Instant(5000)):  # noqa: B008 - a number
    return Run(outcome="completed", exit_code=0, signal=0, started=started, ended=Instant(6000), elapsed=1)


def read(one, room=10_000_000):
    return _read(one, contextlib.nullcontext, room)


def test_what_is_new_is_read_in_chunks(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"x" * (CHUNK + 5))
    one = tail(file)

    first = read(one)
    assert (len(first.data), first.last) == (CHUNK, False)
    second = read(first.acknowledged(CHUNK))
    assert (second.data, second.piece().offset) == (b"xxxxx", CHUNK)
    assert read(second.acknowledged(CHUNK + 5)) is None


def test_the_hub_says_where_to_go_on(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"0123456789")
    sent = Stretch(tail=tail(file, position=2, offset=2), data=b"2345", last=False)

    assert (sent.acknowledged(6).position, sent.acknowledged(6).offset) == (6, 6)
    assert (sent.acknowledged(9).position, sent.acknowledged(9).offset) == (9, 9)
    assert (sent.acknowledged(0).position, sent.acknowledged(0).offset) == (0, 0)


def test_a_file_that_began_anew_is_read_from_its_beginning(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"new")
    one = read(tail(file, position=100, offset=100))

    assert (one.data, one.piece().offset, one.acknowledged(103).position) == (b"new", 100, 3)


def test_the_cap_cuts_and_says_so_only_if_something_is_left_out(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"0123456789")

    assert (read(tail(file), 4).data, read(tail(file), 4).last) == (b"0123", True)
    assert (read(tail(file), 10).data, read(tail(file), 10).last) == (b"0123456789", False)
    assert (read(tail(file), 0).data, read(tail(file), 0).last) == (b"", True)
    assert read(tail(file, position=10, offset=10), 0) is None


def test_links_and_devices_are_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "fifo")

    assert read(tail(tmp_path / "link")) is None
    assert read(tail(tmp_path / "fifo")) is None
    assert read(tail("/dev/zero")) is None
    assert read(tail(tmp_path)) is None
    assert read(tail(tmp_path / "absent")) is None


def test_what_was_written_before_the_run_is_not_its_output(tmp_path):
    file = tmp_path / "out"
    file.write_bytes(b"of an earlier run")
    written = file.stat().st_mtime_ns // 1_000_000

    assert _read(tail(file), contextlib.nullcontext, 100, Instant(written + 1)) is None
    assert _read(tail(file), contextlib.nullcontext, 100, Instant(written)).data == b"of an earlier run"


def test_whose_output_a_file_holds():
    began = Instant(5000)
    ran, never = run_of(), run_of(started=None)
    cases = {
        "waits": row(Step.HANDED),
        "waits again": row(Step.HANDED, restarts=2),
        "runs": row(Step.RUNNING, since=Instant(4000), started=began),
        "runs since the agent has been back": row(Step.RUNNING, since=Instant(9000), started=began, adopted=True),
        "handed over after the second in which it began": row(Step.RUNNING, since=Instant(5400), started=began),
        "over": row(Step.ENDED, runs={0: ran}),
        "over, and its record is owed": row(Step.ENDED),
        "over again": row(Step.ENDED, restarts=1, runs={0: ran, 1: ran}),
        "ended while it waited to run again": row(Step.ENDED, restarts=1, runs={0: ran, 1: never}),
    }
    assert {name: whose_turn(one) for name, one in cases.items()} == {
        "waits": None,
        "waits again": Turn(attempt=2, since=None),
        "runs": Turn(attempt=1, since=began),
        "runs since the agent has been back": Turn(attempt=1, since=began),
        "handed over after the second in which it began": Turn(attempt=1, since=Instant(5400)),
        "over": Turn(attempt=1, since=None),
        "over, and its record is owed": Turn(attempt=1, since=None),
        "over again": Turn(attempt=2, since=None),
        "ended while it waited to run again": None,
    }


def test_output_of_a_restart_waits_until_the_hub_knows_of_it(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    tailer = Tailer(context=SimpleNamespace(journal=journal))
    again = row(Step.RUNNING, restarts=1)

    def known():
        return [tailer._is_announced(again, attempt) for attempt in (1, 2)]

    def tell(state, **more):
        journal.post(StatusItem(job="7", attempt=1, state=state, native_id="n1", **more))

    def hear():
        journal.heard([((due.item.job, due.item.attempt), due.version) for due in journal.due(9, 9).statuses], [])

    found = [known()]
    for step in (lambda: tell("running"), hear, lambda: tell("ended", outcome="requeued", requeued_as=2), hear):
        step()
        found.append(known())
    journal.close()
    assert found == [[True, False]] * 4 + [[True, True]]
