"""Names of output layers: read, written back, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.decisions.output_parts import KINDS, LayerPart, format_layer, parse_layer
from ecg12.ecg.errors import ConfigError

PARTS = st.lists(st.builds(LayerPart, st.sampled_from(KINDS), st.integers(1, 30)), min_size=1, max_size=5)


@given(PARTS)
def test_names_round_trip(parts):
    parts = tuple(parts)
    assert parse_layer(format_layer(parts), sum(part.n_outputs for part in parts)) == parts


def test_a_concatenation_lists_its_parts():
    found = parse_layer("concat:softmax:2-softmax:2-cvx_softmax_5:5-sigmoid:4", 13)
    assert [(part.kind, part.n_outputs) for part in found] == [
        ("softmax", 2),
        ("softmax", 2),
        ("cvx_softmax", 5),
        ("sigmoid", 4),
    ]


@pytest.mark.parametrize(
    ("text", "n_outputs", "message"),
    [
        ("tanh", 3, "output layer 'tanh' not known; expected sigmoid, softmax, standard_softmax, cvx_softmax_N or"),
        ("cvx_softmax", 3, "output layer 'cvx_softmax' not known"),
        ("cvx_softmax_4", 3, "output layer 'cvx_softmax_4' over 3 outputs; expected cvx_softmax_3"),
        (
            "cvx_softmax_10001",
            10001,
            "10001 probabilities of at least 0.0001 sum to more than 1; expected at most 10000",
        ),
        ("sigmoid", 0, "output layer 'sigmoid' over 0 outputs; expected at least 1"),
        ("concat:sigmoid", 3, "'sigmoid' not understood; expected name:length between dashes"),
        ("concat:sigmoid:x", 3, "'sigmoid:x' not understood"),
        ("concat:sigmoid:2-", 3, "'' not understood"),
        ("concat:sigmoid:2-tanh:1", 3, "output layer 'tanh' not known"),
        ("concat:sigmoid:2-softmax:2", 3, "has 4 outputs; expected 3, as the targets have"),
    ],
)
def test_other_names_are_refused(text, n_outputs, message):
    with pytest.raises(ConfigError, match=message):
        parse_layer(text, n_outputs)
