"""What the figures come to, in sentences for people who do not schedule."""

from collections.abc import Sequence

from foedus.sim import words
from foedus.sim.cases import Result
from foedus.sim.figures import TOGETHER
from foedus.sim.rows import Summary, summaries


def verdict(results: Sequence[Result]) -> list[str]:
    """Say what sharing under the guarantee gives; nothing if it was not looked at."""
    found = [one for one in summaries(results) if one.schedule == TOGETHER]
    return [*_of_first(found[0]), *_of_all(found)] if found else []


def _of_first(one: Summary) -> list[str]:
    gain = f", {words.share(one.gain[0])} of what one pooled machine would save" if one.gain else ""
    moves = "falls" if one.wait_s < one.alone_s else "goes"
    return [
        f"Together the mean wait {moves} from {words.span(one.alone_s)} to {words.span(one.wait_s)}{gain}.",
        f"{_later(one)}; recalls cost {one.waste:.2%} of the work.",
    ]


def _later(one: Summary) -> str:
    if not one.later:
        return "No job ends later than alone"
    return f"{one.later:,} jobs end later than alone, by {words.span(one.worst_s)} at most"


def _of_all(found: Sequence[Summary]) -> list[str]:
    if len(found) == 1:
        return []
    worse = [f"{', '.join(one.worse)} in {one.variant}" for one in found if one.worse]
    waits = [one.wait_s for one in found]
    return [
        f"In all {len(found)} variants it lies between {words.span(min(waits))} and {words.span(max(waits))}.",
        f"Worse off than alone: {'; '.join(worse)}."
        if worse
        else "In none of them is any partner worse off than alone.",
    ]
