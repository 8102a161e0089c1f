import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.canon import canonical, sha256, written

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(KEYS, inside, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_bytes_are_those_of_another_implementation(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_reading_back_gives_the_value_and_writing_again_the_bytes(value):
    data = canonical(value)
    assert json.loads(data) == value
    assert canonical(json.loads(data)) == written(json.loads(data)) == data


@given(st.dictionaries(KEYS, st.integers(0, 9), min_size=2))
def test_the_order_of_members_does_not_matter(value):
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_the_canonical_bytes_and_their_digest():
    assert canonical({"b": [1, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,null]}'.encode()
    assert sha256(b'{"a":2,"b":1}') == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, 2**53]}, "$.a[1]: 9007199254740992 does not fit in 53 bits"),
        (-(2**53), "$: -9007199254740992 does not fit in 53 bits"),
        ({"a": {"b": 1.0}}, "$.a.b: float has no canonical form"),
        (float("nan"), "$: float has no canonical form"),
        ({"é": 1}, "$: key 'é' is not ASCII text"),
        ({1: 1}, "$: key 1 is not ASCII text"),
        (["\ud800"], "$[0]: text holds a lone surrogate at 0"),
        ({"a": b""}, "$.a: bytes has no canonical form"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_path(value, message):
    with pytest.raises(ValueError) as refusal:
        canonical(value)
    assert str(refusal.value) == message
