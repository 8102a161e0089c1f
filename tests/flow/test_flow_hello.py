"""The board that an agent gets when it starts: what a lost or old journal is mended from."""

from alliance import RULES, Alliance

from foedus.core.jobs.state import AttemptState, Outcome
from foedus.flow.orders import hello
from foedus.flow.place import withdraw


def board(alliance: Alliance, site: str):
    reply = alliance.do(lambda tx: hello(tx, site, alliance.now))
    return [(one.job, one.attempt, one.order.attempt, one.state, one.native_id) for one in reply.board]


def begun(alliance: Alliance) -> None:
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()


def test_each_hello_begins_an_epoch(alliance: Alliance):
    epochs = [alliance.do(lambda tx: hello(tx, "baku", alliance.now)).epoch for _ in range(3)]

    assert epochs == [1, 2, 3]


def test_the_board_has_what_the_site_was_given(alliance: Alliance):
    begun(alliance)
    alliance.fetch("jerusalem")
    assert board(alliance, "jerusalem") == [("1", 1, 1, AttemptState.BOUND, "")]
    assert board(alliance, "baku") == []


def test_what_no_agent_was_ever_given_is_not_on_the_board(alliance: Alliance):
    begun(alliance)

    assert board(alliance, "jerusalem") == []
    alliance.later(61)
    assert alliance.do(lambda tx: withdraw(tx, RULES, alliance.now)) == 1


def test_what_the_cluster_queued_again_is_known_there_by_its_first_attempt(alliance: Alliance):
    begun(alliance)
    for attempt in (1, 2):
        alliance.running("jerusalem", "1", attempt)
        alliance.ended("jerusalem", "1", attempt, outcome=Outcome.PREEMPTED, native_id="n1", requeued_as=attempt + 1)

    assert board(alliance, "jerusalem") == [("1", 3, 1, AttemptState.STARTING, "n1")]


def test_what_came_back_and_was_given_again_is_known_by_its_new_attempt(alliance: Alliance):
    begun(alliance)
    alliance.returned("jerusalem", "1", reason="drained")
    alliance.later(60)
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.running("jerusalem", "1", 2)

    assert board(alliance, "jerusalem") == [("1", 2, 2, AttemptState.RUNNING, "n1")]
