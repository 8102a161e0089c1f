import pytest

from foedus.agent.reconcile import handing, returned
from foedus.agent.statuses import statuses
from foedus.core.base.errors import Broken
from foedus.core.base.ids import JobId
from foedus.store.journal import Change, Journal
from foedus.store.journal_rows import Flags, Step, Tail
from foedus.wire.agents import UsageItem


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def nothing(_):
    return ()


def usage(job="7", attempt=1):
    return UsageItem(body={"job": job, "attempt": attempt, "n": 1}, keyid="k", sig="s")


def test_what_was_written_is_there_after_a_crash(journal, row, at, tmp_path):
    journal.add([row()], at(0))
    journal.change(("7", 1), at(1), lambda one: handing(one, "dana", "/f", at(1)), nothing)
    journal.write_note("epoch", "4")

    again = Journal(tmp_path / "journal.sqlite")

    assert again.open_rows() == [handing(row(), "dana", "/f", at(1))]
    assert again.note("epoch") == "4"
    again.close()


def test_an_order_is_written_once(journal, row, at):
    assert journal.add([row()], at(0)) == [row()]
    assert journal.add([row(), row("8")], at(1)) == [row("8")]


def test_a_status_is_due_until_that_very_version_was_heard(journal, row, at):
    journal.add([row()], at(0))
    journal.change(("7", 1), at(1), lambda one: returned(one, "first"), statuses)
    (first,) = journal.due(9, 9).statuses
    journal.change(("7", 1), at(2), lambda one: returned(one, "second"), statuses)
    journal.heard([(("7", 1), first.version)], [])

    (second,) = journal.due(9, 9).statuses
    assert (second.item.reason, second.version) == ("second", 2)
    journal.heard([(("7", 1), second.version)], [])
    assert journal.due(9, 9).statuses == []
    journal.change(("7", 1), at(3), lambda one: returned(one, "second"), statuses)
    assert journal.due(9, 9).statuses == []
    journal.say_again(JobId("7"))
    assert [due.item.reason for due in journal.due(9, 9).statuses] == ["second"]


def test_a_usage_record_never_changes(journal, row, at):
    journal.add([row()], at(0))
    other = UsageItem(body={"job": "7", "attempt": 1, "n": 2}, keyid="k", sig="other")
    journal.change(("7", 1), at(1), lambda one: one, nothing, [usage()])
    journal.change(("7", 1), at(2), lambda one: one, nothing, [other])

    assert journal.due(9, 9).usages == [usage()]
    journal.heard([], [("7", 1)])
    assert journal.due(9, 9).usages == []


def test_a_change_that_fails_leaves_everything_as_it_was(journal, row, at):
    journal.add([row()], at(0))

    def fail(_):
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        journal.change(("7", 1), at(1), lambda one: returned(one, "x"), fail, [usage()])

    assert journal.open_rows() == [row()]
    assert journal.row("7", 1) == row()
    assert journal.due(9, 9).usages == []


def test_an_attempt_is_found_by_the_number_that_the_cluster_made_of_it(journal, row, at):
    journal.add([row(attempt=2), row(attempt=5), row("8")], at(0))

    assert journal.binding("7", 1) is None
    assert journal.binding("7", 4).order.attempt == 2
    assert journal.binding("7", 9).order.attempt == 5


def test_what_the_hub_need_not_send_again(journal, row, at):
    journal.add([row("7"), row("8"), row("9")], at(0))
    journal.change(("8", 1), at(1), lambda one: one.model_copy(update={"step": Step.HANDED}), statuses)
    journal.change(("9", 1), at(1), lambda one: returned(one, "no"), statuses)
    assert journal.unheard() == [("7", 1), ("8", 1), ("9", 1)]

    journal.heard([(("8", 1), 1), (("9", 1), 1)], [])

    assert journal.unheard() == [("7", 1)]


def test_old_attempts_are_forgotten_once_they_are_reported(journal, row, at):
    journal.add([row("7"), row("8"), row("9")], at(0))
    journal.change(("7", 1), at(1), lambda one: returned(one, "no"), statuses)
    journal.change(("8", 1), at(1), lambda one: returned(one, "no"), statuses)
    journal.heard([(("7", 1), 1)], [])

    assert journal.prune(at(1)) == 0
    assert journal.prune(at(2)) == 1
    assert journal.row("7", 1) is None
    assert journal.row("8", 1) is not None
    assert journal.open_rows() == [row("9")]


def test_streams_are_remembered(journal):
    out = Tail(job="7", attempt=1, stream="stdout", path="/o")
    journal.write_tails([out, Tail(job="7", attempt=1, stream="stderr", path="/e")])
    further = out.model_copy(update={"position": 9, "offset": 9})
    journal.write_tails([further])

    assert journal.tails(("7", 1)) == (further, Tail(job="7", attempt=1, stream="stderr", path="/e"))


def test_another_process_sets_the_flags(journal, tmp_path):
    other = Journal(tmp_path / "journal.sqlite")
    other.write_note("draining", "yes")
    other.close()

    assert journal.flags() == Flags(draining=True, severed=False)


def test_a_damaged_journal_is_ours_to_tell(tmp_path):
    file = tmp_path / "journal.sqlite"
    file.write_bytes(b"this is no database" * 100)

    with pytest.raises(Broken, match="the journal"):
        Journal(file)


def test_it_survives_power_loss(journal):
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_changes_are_one_or_none(journal, row, at):
    journal.add([row("7"), row("8")], at(0))
    tail = Tail(job="7", attempt=1, stream="stdout", path="/o")
    good = Change(key=("7", 1), decide=lambda one: handing(one, "dana", "/f", at(1)), usages=[usage()], tails=[tail])
    absent = Change(key=("9", 1), decide=lambda one: one)

    def fail(_):
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        journal.change_all([good, Change(key=("8", 1), decide=fail)], at(1), nothing)
    assert (journal.open_rows(), journal.due(9, 9).usages, journal.tails(("7", 1))) == ([row("7"), row("8")], [], ())

    changed = handing(row("7"), "dana", "/f", at(1))
    assert journal.change_all([good, absent], at(1), nothing) == [changed, None]
    assert (journal.open_rows(), journal.due(9, 9).usages) == ([changed, row("8")], [usage()])
    assert journal.tails(("7", 1)) == (tail,)


def test_a_record_that_was_refused_is_kept_and_offered_again(journal, row, at):
    journal.add([row()], at(0))
    journal.change(("7", 1), at(1), lambda one: returned(one, "gone"), nothing, [usage()])
    journal.heard([], [], [("7", 1)])
    assert journal.due(9, 9).usages == []
    assert journal.prune(at(1000)) == 0

    journal.offer_refused()
    assert journal.due(9, 9).usages == [usage()]

    journal.heard([], [("7", 1)])
    journal.offer_refused()
    assert journal.due(9, 9).usages == []
    assert journal.prune(at(1000)) == 1
