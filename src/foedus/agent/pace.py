"""How often the cluster is asked: soon while things move, and never so often that the asking itself is a load."""

_SHARE = 20
"""A question is followed by a rest of so many times its own length: asking takes at most a twentieth of the time."""
_LEAST_S = 0.1
_PART = 0.1
"""How late an end may be noticed, as a part of what the attempt has lived."""


def rest(took: float, most: float) -> float:
    """Return the least seconds to leave the cluster alone after a question that took so long."""
    return min(most, max(_LEAST_S, _SHARE * took))


def pause(took: float, youngest: float, most: float) -> float:
    """Return the seconds to the next look, if the youngest living attempt has lived so long.

    A job of five seconds is looked at twice a second, one of an hour every `most` seconds.
    """
    return min(most, max(rest(took, most), _PART * youngest))
