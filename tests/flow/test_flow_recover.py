"""A restored hub learns back from a site what it lost: here everything of one job and its entry of the ledger."""

from collections.abc import Iterator

import pytest
from alliance import GRANTED, HOUR, START, Alliance, Signed, script

from foedus.core.base.instant import Instant
from foedus.core.jobs.state import JobState
from foedus.core.ledger.entry import Kind
from foedus.flow.books import head
from foedus.flow.projects import grant, open_project
from foedus.flow.recover import begin_recovery, finish, has_told, recover, standing
from foedus.keys import ed25519
from foedus.wire.agents import HeldAttempt, RecoveryReply, RecoveryRequest, ReportItem, StartOrder
from foedus.wire.alliance import AllocationRequest, ProjectRequest

YES = ReportItem(job="1", attempt=1, accepted=True)


@pytest.fixture
def restored(alliance: Alliance, agreed: Signed) -> Iterator[Alliance]:
    """The same hub as a backup from before the job has it, two hours later."""
    made = Alliance(agreed, site_keys=alliance.site_keys)
    made.later(2 * HOUR)
    made.do(lambda tx: begin_recovery(tx, START, "restored", made.now))
    yield made
    made.store.close()


@pytest.fixture
def order(alliance: Alliance) -> StartOrder:
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    (order,) = alliance.fetch("jerusalem")
    alliance.later(120)
    alliance.run("jerusalem", "1")
    return order


def tell(alliance: Alliance, site: str, **said) -> RecoveryReply:
    request, hub_keys = RecoveryRequest(**said), {alliance.signed.keys["hub"].key}
    return alliance.do(
        lambda tx: recover(tx, site, request, hub_keys=hub_keys, verify=ed25519.verify, now=alliance.now)
    )


def whole(alliance: Alliance, **said) -> None:
    assert tell(alliance, "jerusalem", **said, last=True).faults == []
    assert tell(alliance, "baku", last=True).faults == []
    assert alliance.do(lambda tx: finish(tx, (), alliance.now)) == 0


def held(order: StartOrder) -> HeldAttempt:
    return HeldAttempt(order=order, newest=1, native_id="n1", since=Instant(START + 1000))


def test_what_ran_before_the_hub_was_restored_is_booked_and_not_disputed(
    alliance: Alliance, restored: Alliance, order: StartOrder
):
    record = alliance.record(alliance.usage("1"))
    whole(restored, attempts=[held(order)])
    restored.run("jerusalem", "1")

    assert restored.book(record) == YES
    assert restored.states("1") == [JobState.COMPLETED]
    (attempt,) = restored.attempts("1")
    assert (attempt.entry, attempt.reason, attempt.bound, attempt.offered) == (2, "", START + 1000, START + 1000)
    assert restored.budget() == (GRANTED, 120, 0)


def test_an_entry_that_a_site_brought_back_is_not_booked_again(
    alliance: Alliance, restored: Alliance, order: StartOrder
):
    record = alliance.record(alliance.usage("1"))
    assert alliance.book(record) == YES
    with alliance.store.read() as tx:
        entries = [entry.json() for entry in tx.ledger.entries(2, 10)]
        shown = head(tx, alliance.signed.keys["hub"])
    whole(restored, sealed=shown, head=shown, entries=entries, attempts=[held(order)])
    restored.run("jerusalem", "1")

    assert [restored.book(record) for _ in range(2)] == [YES, YES]
    with restored.store.read() as tx:
        assert [entry.kind for entry in tx.ledger.entries(1, 10)] == [Kind.AGREEMENT, Kind.USAGE]
        assert head(tx, alliance.signed.keys["hub"]) == shown
    (attempt,) = restored.attempts("1")
    assert (attempt.entry, attempt.reason) == (2, "")
    assert restored.budget() == (GRANTED, 120, 0)


def test_a_site_is_asked_anew_once_another_has_brought_what_its_jobs_stand_on(alliance: Alliance, restored: Alliance):
    office, hub = alliance.caller("olga"), alliance.signed.keys["hub"]
    project = ProjectRequest(id="lights", title="Lights", sector="cybersecurity", lead="dan")
    alliance.do(lambda tx: open_project(tx, office, project, alliance.agreement, signer=hub, now=alliance.now))
    some = AllocationRequest(gpu_hours=10)
    alliance.do(lambda tx: grant(tx, office, "lights", some, alliance.agreement, signer=hub, now=alliance.now))
    alliance.submit("dan", script(project="lights"))
    alliance.says("jerusalem", 8)
    alliance.place()
    (order,) = alliance.fetch("jerusalem")
    with alliance.store.read() as tx:
        entries, shown = [entry.json() for entry in tx.ledger.entries(2, 10)], head(tx, hub)

    early = tell(restored, "jerusalem", attempts=[held(order)], last=True).faults
    brought = tell(restored, "baku", sealed=shown, head=shown, entries=entries, last=True)
    anew = restored.do(lambda tx: (has_told(tx, "jerusalem"), has_told(tx, "baku"), standing(tx).missing))
    told = tell(restored, "jerusalem", attempts=[held(order)], last=True)

    assert early == ["job 1 is of project lights, which is not known here"]
    assert (brought, told) == (RecoveryReply(head=3, faults=[]), RecoveryReply(head=3, faults=[]))
    assert anew == (False, True, ("jerusalem",))
    assert restored.do(lambda tx: (standing(tx).faults, finish(tx, (), restored.now))) == ((), 0)
    assert restored.states("1") == [JobState.BOUND]
