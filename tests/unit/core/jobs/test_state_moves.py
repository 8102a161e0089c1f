import pytest

from foedus.core.jobs.state import (
    AT_SITE,
    ENDED,
    FINAL,
    LIVE_ATTEMPT,
    MOVES,
    AttemptState,
    JobState,
    Move,
    Outcome,
    target,
)

P, B, S, R = JobState.PENDING, JobState.BOUND, JobState.STARTING, JobState.RUNNING


@pytest.mark.parametrize(
    ("move", "starts", "leads"),
    [
        (Move.BIND, {P}, B),
        (Move.HAND_OVER, {B}, S),
        (Move.RUN, {B, S}, R),
        (Move.RETURN, {B, S, R}, P),
        (Move.REQUEUE, {B, S, R}, S),
        (Move.CANCEL, {P}, JobState.CANCELLED),
        (Move.REFUSE, {P}, JobState.REFUSED),
        (Move.REVIVE, ENDED - {JobState.REFUSED}, S),
    ],
)
def test_where_each_move_starts_and_leads(move, starts, leads):
    assert (MOVES[move], target(move)) == (starts, leads)


@pytest.mark.parametrize("outcome", Outcome)
def test_an_end_leads_to_the_state_of_its_outcome(outcome):
    assert (MOVES[Move.END], target(Move.END, outcome)) == ({B, S, R}, FINAL[outcome])


def test_an_end_without_outcome_is_a_fault():
    with pytest.raises(ValueError, match="outcome"):
        target(Move.END)


def test_the_sets_cover_all_states():
    assert {P} | AT_SITE | ENDED == set(JobState)
    assert set(AttemptState) - {AttemptState.ENDED, AttemptState.RETURNED} == LIVE_ATTEMPT
    assert set(MOVES) == set(Move)
    assert set(FINAL.values()) <= ENDED
