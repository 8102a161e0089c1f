"""Every reader on inputs that were good once: cut, doubled, mixed, with words of the language strewn in.

`make fuzz` damages many more, and lets what the code does with them say what to try next (`guided.py`).
"""

import os

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from targets import Target, targets

INPUTS = 20 * int(os.environ.get("FOEDUS_FUZZ_N", "10"))
"""For each reader."""
SEED = int(os.environ.get("FOEDUS_FUZZ_SEED", "1"))


@st.composite
def damaged(draw, target: Target) -> bytes:
    """Take a good input and cut, double, replace and insert stretches of it, a few times."""
    found = draw(st.sampled_from(target.seeds))
    words = st.sampled_from([word.encode() for word in target.words]) | st.binary(max_size=4)
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(found)))
        end = start + draw(st.sampled_from([0, 0, 1, 1, 2, 8, 60, 400]))
        stretch = found[start:end]
        put = draw(words | st.sampled_from([b"", stretch * 2, stretch[::-1]]))
        found = found[:start] + put + found[end:]
    return found


@pytest.mark.parametrize("name", targets())
def test_what_was_good_and_is_damaged_is_read_or_refused(name: str):
    target = targets()[name]
    for good in target.seeds:
        target.holds(good)

    @seed(SEED)
    @settings(max_examples=INPUTS, database=None, suppress_health_check=list(HealthCheck))
    @given(damaged(target))
    def holds(data: bytes) -> None:
        target.holds(data)

    holds()
