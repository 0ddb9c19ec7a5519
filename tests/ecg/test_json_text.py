"""JSON from anywhere: what is no value here is one ValueError, whatever Python's own reader would make of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.json_text import MOST_NESTED, parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_python_writes_is_read_back(values):
    assert parse_json(json.dumps(values)) == values
    assert parse_json(json.dumps(values, ensure_ascii=False).encode()) == values


def test_a_byte_order_mark_is_passed_over():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == parse_json('\ufeff{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9" * 10_000, "an integer of 10000 digits; expected one of at most 64 bits"),
        (str(2**64), "an integer of 20 digits"),
        (str(-(2**63) - 1), "an integer of 20 digits"),
        ("[NaN]", "NaN is no number in JSON"),
        ('{"a": -Infinity}', "-Infinity is no number in JSON"),
        ("1e999", "a number beyond what float64 holds"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep; expected at most 64 levels"),
        ('{"a":' * 300 + "1" + "}" * 300, "nested too deep"),
        ("[" * (MOST_NESTED + 2) + "]" * (MOST_NESTED + 2), "nested too deep"),
        (r'"\ud800"', r"'\\ud800' is not Unicode: half of a surrogate pair"),
        (r'{"\udfff": 1}', "not Unicode"),
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        (b"\xff", "codec can't decode"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_value_here_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_as_deep_as_it_may_be():
    assert parse_json("[" * MOST_NESTED + "]" * MOST_NESTED)
