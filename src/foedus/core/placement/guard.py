"""What a site may lend to guests whom it cannot recall: the mean guarantee.

A partner's *balance* is how much earlier its jobs run than alone, in job-seconds: at the end it is exactly the number
of its jobs times the mean wait that it has saved. A site lends no more than that (and a seed): the *price* of a guest
is the delay of owners that is to be expected while it runs.
"""

from foedus.core.placement.kernels import NEVER, kernel, small
from foedus.core.placement.reality import Reality

DAY_S = 86_400


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
    while width <= place.units:
        state.widths[place.counts + width] += 1
        width += width & -width


@kernel
def wider(state: Reality, site: int, width: int) -> int:
    """Return how many owners have come that were wider."""
    place = state.places[site]
    found = place.seen
    while width > 0:
        found -= state.widths[place.counts + width]
        width -= width & -width
    return found


@kernel
def delay_rate(state: Reality, site: int, left: int, now: int) -> float:
    """Return the cautious number of owners in a second who find less than they need, where `left` stays free.

    Needing means here more than half of `left`, since they share it. One more is reckoned with than has come, and a day
    more, so that a site that does not know its owners yet lends little. Whoever is delayed delays all who queue behind
    it, so that each counts as many times as jobs wait there alone.
    """
    place = state.places[site]
    home = state.alone.homes[site]
    behind = 1 + home.arrived - home.started
    return behind * state.rules[0].caution * (wider(state, site, left // 2) + 1) / (now - place.opened + DAY_S)


@kernel
def price(rate: float, limit: int) -> int:
    """Return the job-seconds of delay to be expected from a guest: owners come all the while, and wait half of it."""
    return int(min(rate * limit * limit / 2, float(NEVER)))
