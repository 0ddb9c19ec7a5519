"""out_layer.txt: read, written back, refused; and every rule between labels, targets, outputs and classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.decisions.output_mapping import OutputMapping, Pair, Target, format_mapping, parse_mapping
from ecg12.ecg.errors import ConfigError

SMALL = """concat:softmax:2-sigmoid:1-standard_softmax:3
0->2/0->1/None->2
10,0,1
11,0,2
20,1,1
30,2,0
31,2,1
32,2,2
40,0,1
40,1,1
50,0,0
50,1,0
"""
"""Outputs: target 0's values 1 and 2, target 1's value 1, target 2's values 0, 1, 2."""

MAPPING = parse_mapping(SMALL)


@st.composite
def mappings(draw):
    targets = []
    for _ in range(draw(st.integers(1, 4))):
        maximum = draw(st.integers(1, 4))
        targets.append(Target(draw(st.none() | st.integers(0, maximum)), maximum))
    pairs = []
    for code in draw(st.lists(st.integers(1, 10**14).map(str), min_size=1, max_size=6)):
        target = draw(st.integers(0, len(targets) - 1))
        pairs.append(Pair(code, target, draw(st.integers(0, targets[target].maximum))))
    layer = draw(st.sampled_from(["sigmoid", "softmax", "standard_softmax"]))
    return OutputMapping(layer=layer, targets=tuple(targets), pairs=tuple(pairs))


@given(mappings())
def test_text_round_trips(mapping):
    assert parse_mapping(format_mapping(mapping)) == mapping


def test_the_form_is_the_references():
    assert format_mapping(MAPPING) == SMALL


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_comments_blank_lines_and_blanks_do_not_matter(newline):
    text = newline.join(
        ["sigmoid ", "# two targets", "", " 0->1 / 0->1 ", "10, 0, 1  # first", "", "#", "20,1,1", "", ""]
    )
    found = parse_mapping(text)
    assert found.layer == "sigmoid"
    assert found.targets == (Target(0, 1), Target(0, 1))
    assert found.pairs == (Pair("10", 0, 1), Pair("20", 1, 1))


def test_a_missing_last_newline_does_not_matter():
    assert parse_mapping(SMALL.rstrip("\n")) == MAPPING


def test_outputs_are_the_values_that_are_not_null():
    assert MAPPING.n_outputs == 6
    assert MAPPING.codes == ("10", "11", "20", "30", "31", "32", "40", "50")
    assert Target(1, 3).values == (0, 2, 3)
    assert Target(None, 2).values == (0, 1, 2)


@pytest.mark.parametrize(
    ("dx_codes", "expected"),
    [
        ((), [0, 0, 0]),
        (("99",), [0, 0, 0]),
        (("10", "20"), [1, 1, 0]),
        (("10", "11"), [2, 0, 0]),
        (("11", "10"), [1, 0, 0]),
        (("40",), [1, 1, 0]),
        (("40", "50"), [0, 0, 0]),
        (("50", "40"), [1, 1, 0]),
        (("32", "31"), [0, 0, 1]),
    ],
)
def test_targets_of_labels(dx_codes, expected):
    """The last label in the header wins; without a label a target is 0."""
    assert MAPPING.targets_of(dx_codes).tolist() == expected


def test_outputs_are_one_at_their_targets_value():
    values = np.array([[0, 0, 0], [2, 1, 1]])
    assert MAPPING.to_outputs(values).tolist() == [[0, 0, 0, 1, 0, 0], [0, 1, 1, 0, 1, 0]]
    odd_null = parse_mapping("softmax\n1->2\n7,0,0\n8,0,2\n")
    assert odd_null.to_outputs(np.array([[0], [1], [2]])).tolist() == [[1, 0], [0, 0], [0, 1]]


def test_scores_are_products_and_a_null_is_what_is_left():
    outputs = np.array([[0.2, 0.5, 0.4, 0.7, 0.2, 0.1], [2.0, 3.0, 5.0, 0.0, 0.0, 0.0]])
    expected = [
        [0.2, 0.5, 0.4, 0.7, 0.2, 0.1, 0.2 * 0.4, (1 - 0.2 - 0.5) * (1 - 0.4)],
        [2.0, 3.0, 5.0, 0.0, 0.0, 0.0, 10.0, (1 - 5.0) * (1 - 5.0)],
    ]
    np.testing.assert_allclose(MAPPING.scores_of(outputs), expected)


def test_labels_are_all_of_their_pairs():
    decided = np.array([[0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0]])
    expected = [
        [0, 0, 0, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, 1, 0, 0, 0],
        [1, 0, 1, 0, 0, 1, 1, 0],
        [1, 1, 1, 0, 0, 0, 1, 0],  # two values of one target, as the maximum over windows may have: no null there
    ]
    assert MAPPING.labels_of(decided).tolist() == expected


@given(mappings(), st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_labels_of_targets_are_the_codes_whose_pairs_agree(mapping, numbers):
    values = np.array([[min(number, target.maximum) for number, target in zip(numbers, mapping.targets, strict=False)]])
    labels = mapping.labels_of(mapping.to_outputs(values))[0]
    for code, label in zip(mapping.codes, labels, strict=True):
        assert label == all(values[0, pair.target] == pair.value for pair in mapping.pairs if pair.code == code)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^f: 0 line\(s\); expected the layer's name and its targets$"),
        ("sigmoid\n\n# nothing\n", r"^f: 3 line\(s\); expected the layer's name and its targets$"),
        ("sigmoid\n0-1\n1,0,1", "^f line 2: '0-1'; expected null->maximum for each target, as in 0->1/None->3$"),
        ("sigmoid\n#\n0->1/\n1,0,1", "^f line 3: ''; expected null->maximum"),
        ("sigmoid\n0->1\n1,0\n", "^f line 3: '1,0'; expected code,target,value$"),
        ("sigmoid\n0->1\n1,0,1.0\n", "^f line 3: '1,0,1.0'; expected code,target,value$"),
        ("sigmoid\n0->1\n,0,1\n", "^f line 3: ',0,1'; expected code,target,value$"),
        ("sigmoid\n0->1\n1,0,-1\n", "^f line 3: '1,0,-1'; expected code,target,value$"),
        ("sigmoid\n0->1\n1,1,1\n", "^f: code 1: target 1; expected 0 to 0, as in the second line$"),
        ("sigmoid\n0->1\n1,0,2\n", "^f: code 1: value 2 of target 0; expected 0 to 1, as in the second line$"),
        ("sigmoid\n2->1\n1,0,1\n", "^f: target 0 is 2->1; expected null->maximum with 0 <= null <= maximum$"),
        ("sigmoid\n0->1/0->0\n1,0,1\n", "^f: target 1 is 0->0, which decides nothing; expected 0->1$"),
        ("sigmoid\n0->1\n", "^f: no classes; expected a line code,target,value for each$"),
        ("tanh\n0->1\n1,0,1\n", "^f: output layer 'tanh' not known"),
        ("cvx_softmax_2\n0->1\n1,0,1\n", "^f: output layer 'cvx_softmax_2' over 1 outputs; expected cvx_softmax_1$"),
    ],
)
def test_other_texts_are_refused_by_line(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_mapping(text, where="f")


def test_a_mapping_needs_targets():
    with pytest.raises(ConfigError, match="no targets; expected null->maximum of each"):
        OutputMapping(layer="sigmoid", targets=(), pairs=(Pair("1", 0, 1),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"softmax\n0->{'9' * 5000}\n1,0,1\n", "line 2: .*; expected null->maximum for each target"),
        (f"softmax\n{'9' * 5000}->1\n1,0,1\n", "line 2: .*; expected null->maximum"),
        (f"softmax\n0->1\n1,{'9' * 5000},1\n", "line 3: .*; expected code,target,value"),
        (f"softmax\n0->1\n1,0,{'9' * 5000}\n", "line 3: .*; expected code,target,value"),
        (f"concat:softmax:{'9' * 5000}\n0->1\n1,0,1\n", "output layer .* not understood"),
        ("softmax\n0->999999999\n1,0,1\n", "more than 10,000 values in all targets"),
        ("sigmoid\n" + "0->9999/" * 1000 + "0->1\n1,0,1\n", "more than 10,000 values in all targets"),
    ],
    ids=lambda text: text[:20],
)
def test_sizes_that_no_mapping_has_are_refused_before_anything_is_made_of_them(text, reason):
    with pytest.raises(ConfigError, match=reason):
        parse_mapping(text)


def test_many_lines_are_grouped_in_one_pass():
    lines = "".join(f"{code},0,{code % 5000}\n" for code in range(20_000))
    mapping = parse_mapping(f"softmax\n0->5000\n{lines}")
    assert len(mapping.codes) == len(mapping._pairs_of) == 20_000
