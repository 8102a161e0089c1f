"""What a site may lend to guests whom it cannot recall: the mean guarantee.

A partner's *balance* is how much earlier its jobs run than alone, in job-seconds: at the end it is exactly the number
of its jobs times the mean wait that it has saved. A site lends no more than that (and a seed): the *price* of a guest
is the delay of owners that is to be expected while it runs.
"""

from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.reality import SIZES, Reality


@small
def balance(state: Reality, site: int, now: int) -> int:
    """Return by how many job-seconds the jobs of a site are earlier than alone."""
    place = state.places[site]
    return (place.own - place.marks) * now - place.own_since + place.due_since + place.banked


@small
def credit(state: Reality, site: int, now: int) -> int:
    """Return how many job-seconds of delay a site can still lend."""
    return balance(state, site, now) + state.rules[0].seed - state.places[site].lent


@kernel
def see(state: Reality, site: int, width: int, now: int) -> None:
    """Learn from an owner's job that comes."""
    place = state.places[site]
    if not place.seen:
        place.opened = now
    place.seen += 1
    state.sizes[site * SIZES + digits(width)] += 1


@kernel
def digits(width: int) -> int:
    """Return how many binary digits a whole number has."""
    count = 0
    while width:
        width >>= 1
        count += 1
    return count


@kernel
def delay_rate(state: Reality, site: int, left: int, now: int) -> float:
    """Return the cautious number of owners in a second who find less than they need, where `left` stays free.

    Needing means here more than half of `left`, since they share it.
    """
    place = state.places[site]
    wider = 0
    for size in range(digits(left // 2 + 1), SIZES):
        wider += state.sizes[site * SIZES + size]
    return state.rules[0].caution * wider / max(1, now - place.opened)


@kernel
def price(rate: float, limit: int) -> int:
    """Return the job-seconds of delay to be expected from a guest: owners come all the while, and wait half of it."""
    return int(min(rate * limit * limit / 2, float(NEVER)))
