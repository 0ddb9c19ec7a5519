"""Mappings with a name: which classes they decide on, and the normal rhythm of CPSC."""

import numpy as np
import pytest

from ecg12.ecg.decisions.named_mappings import CPSC_GROUPS, NAMED, named_mapping
from ecg12.ecg.decisions.output_mapping import format_mapping, parse_mapping
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import EQUIVALENTS, SCORED_CLASSES, SCORED_CODES, TEXT_LABELS


@pytest.mark.parametrize("name", NAMED)
def test_they_can_be_written_and_read(name):
    mapping = named_mapping(name)
    assert parse_mapping(format_mapping(mapping)) == mapping


@pytest.mark.parametrize("name", ["sigmoid", "challenge_sigmoid", "softmax"])
def test_scored_classes_have_an_output_each_and_equivalents_share_it(name):
    mapping = named_mapping(name)
    assert mapping.codes == SCORED_CODES
    assert mapping.n_outputs == len(SCORED_CLASSES)
    outputs = np.eye(mapping.n_outputs)
    scores = mapping.scores_of(outputs)
    for code, kept in EQUIVALENTS.items():
        np.testing.assert_array_equal(scores[:, SCORED_CODES.index(code)], scores[:, SCORED_CODES.index(kept)])
    for output, code in enumerate(SCORED_CLASSES):
        assert scores[output, SCORED_CODES.index(code)] == 1


def test_softmax_and_sigmoid_take_other_classes():
    assert named_mapping("sigmoid", ("1", "2", "59118001", "713427006")).n_outputs == 3
    assert named_mapping("softmax", ("1", "2")).targets_of(("2",)).tolist() == [2]
    assert named_mapping("challenge_sigmoid", ("1",)).codes == SCORED_CODES


def test_cpsc_is_normal_where_nothing_else_is():
    mapping = named_mapping("cpsc")
    assert mapping.layer == "concat:softmax:2-softmax:2-sigmoid:4"
    outputs = np.array([[0.1, 0.2, 0.3, 0.1, 0.5, 0.2, 0.4, 0.1]])
    score = mapping.scores_of(outputs)[0, mapping.codes.index(TEXT_LABELS["Normal"])]
    assert score == pytest.approx(0.7 * 0.6 * 0.5 * 0.8 * 0.6 * 0.9)
    for group in CPSC_GROUPS:
        for label in group:
            decided = mapping.to_outputs(mapping.targets_of((TEXT_LABELS[label],))[None])
            present = {code for code, there in zip(mapping.codes, mapping.labels_of(decided)[0], strict=True) if there}
            assert TEXT_LABELS[label] in present
            assert TEXT_LABELS["Normal"] not in present
    normal = mapping.to_outputs(mapping.targets_of((TEXT_LABELS["Normal"],))[None])
    assert not normal.any()
    assert mapping.labels_of(normal).sum() == 1


def test_other_names_are_refused():
    with pytest.raises(ConfigError, match=r"output mapping 'tanh' not known; expected softmax, sigmoid, .*, or a file"):
        named_mapping("tanh")
