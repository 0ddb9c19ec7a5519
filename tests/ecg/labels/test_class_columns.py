"""Columns and classes: equivalents are one, as the official evaluator has it, and nothing else is."""

import numpy as np

from ecg12.ecg.labels.class_columns import merge_labels, merge_scores, merged_classes, prediction_columns
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_metric import merge_equivalents


def test_the_scored_codes_stand_for_the_scored_classes():
    assert merged_classes(SCORED_CODES) == SCORED_CLASSES
    assert merged_classes(("OWN", "59118001", "713427006", "OWN")) == ("713427006", "OWN")


def test_for_the_scored_classes_it_is_the_official_rule():
    rng = np.random.default_rng(1)
    codes = rng.permutation(SCORED_CODES)[:20].tolist()
    binary, scores = (rng.random((30, 20)) < 0.3).astype(np.uint8), rng.random((30, 20))
    expected_binary, expected_scores = merge_equivalents(codes, binary, scores)
    np.testing.assert_array_equal(merge_labels(codes, binary, SCORED_CLASSES), expected_binary)
    np.testing.assert_allclose(merge_scores(codes, scores, SCORED_CLASSES), expected_scores, rtol=1e-15)


def test_columns_of_predictions():
    assert prediction_columns("scored", ("OWN", "164889003")) == SCORED_CODES
    assert prediction_columns("dset", ("OWN", "164889003")) == (*SCORED_CODES, "OWN")
