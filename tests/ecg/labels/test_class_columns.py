"""Columns and classes: equivalents are one, as the official evaluator has it, and nothing else is."""

import numpy as np

from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_metric import merge_equivalents


def test_the_scored_codes_stand_for_the_scored_classes():
    assert CHALLENGE_COLUMNS.merged(SCORED_CODES) == SCORED_CLASSES
    assert CHALLENGE_COLUMNS.merged(("OWN", "59118001", "713427006", "OWN")) == ("713427006", "OWN")


def test_for_the_scored_classes_it_is_the_official_rule():
    rng = np.random.default_rng(1)
    codes = rng.permutation(SCORED_CODES)[:20].tolist()
    binary, scores = (rng.random((30, 20)) < 0.3).astype(np.uint8), rng.random((30, 20))
    expected_binary, expected_scores = merge_equivalents(codes, binary, scores)
    np.testing.assert_array_equal(CHALLENGE_COLUMNS.merge_labels(codes, binary, SCORED_CLASSES), expected_binary)
    np.testing.assert_allclose(
        CHALLENGE_COLUMNS.merge_scores(codes, scores, SCORED_CLASSES), expected_scores, rtol=1e-15
    )


def test_any_classes_have_codes_that_stand_for_them():
    two = ClassColumns(("B", "A"), {"b": "B", "bb": "B"})
    assert two.merged(("x", "bb", "A", "b")) == ("B", "A", "x")
    assert two.columns_of("B", ("x", "bb", "A", "b")) == ("bb", "b")
    labels = np.array([[0, 1, 0, 0], [1, 0, 0, 0]], np.uint8)
    np.testing.assert_array_equal(two.merge_labels(("x", "bb", "A", "b"), labels, ("B", "C")), [[1, 0], [0, 0]])
    assert two == ClassColumns(("B", "A"), {"bb": "B", "b": "B"})
    assert two != ClassColumns(("A", "B"), {"bb": "B", "b": "B"})
