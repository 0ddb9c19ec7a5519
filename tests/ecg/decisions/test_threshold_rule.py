"""The own models' rule: pooled scores against thresholds, equivalents alike, classes it lacks at 0."""

import numpy as np
import pytest

from ecg12.ecg.decisions.named_mappings import named_mapping
from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, EQUIVALENTS, SCORED_CLASSES, SCORED_CODES

COLUMNS = {"classes": SCORED_CODES, "by_class": CHALLENGE_COLUMNS}

SIGMOID = named_mapping("sigmoid")
RECORD = np.array([3, 3, 5])


def rule(mapping=SIGMOID, **options):
    values = {"correction": np.ones(mapping.n_outputs), "thresholds": np.full(24, 0.5)} | options
    return ThresholdRule(mapping=mapping, **COLUMNS, **values)


def window_scores(seed=1, n_outputs=24):
    return np.random.default_rng(seed).random((3, n_outputs))


@pytest.mark.parametrize(("strategy", "pool"), [("mean", np.mean), ("max", np.max), ("last", lambda x, axis: x[-1])])
def test_windows_are_pooled_and_compared(strategy, pool):
    scores, thresholds = window_scores(), np.linspace(0.2, 0.8, 24)
    decided = rule(combination_strategy=strategy, thresholds=thresholds).decide(scores, RECORD)
    assert decided.record.tolist() == [3, 5]
    expected = np.stack([pool(scores[:2], axis=0), scores[2]])
    for place, code in enumerate(SCORED_CODES):
        own = SCORED_CLASSES.index(EQUIVALENTS.get(code, code))
        np.testing.assert_allclose(decided.scores[:, place], expected[:, own])
        np.testing.assert_array_equal(decided.labels[:, place], expected[:, own] > thresholds[own])


def test_scores_are_corrected():
    factors = np.linspace(0, 3, 24)
    decided = rule(correction=factors).decide(window_scores(), RECORD)
    assert (decided.scores[:, 0] == 0).all()
    np.testing.assert_allclose(decided.scores[1, 1], window_scores()[2, 1] * factors[1])


def test_a_class_that_the_mapping_lacks_is_never_there():
    mapping = parse_mapping("sigmoid\n0->1\n59118001,0,1\n")
    decided = rule(mapping, thresholds=np.full(24, -1.0)).decide(window_scores(n_outputs=1), RECORD)
    assert {code for code, there in zip(SCORED_CODES, decided.labels[0], strict=True) if there} == {
        "59118001",
        "713427006",  # the same class by another code
    }
    assert decided.scores[:, SCORED_CODES.index("164889003")].tolist() == [0, 0]


def test_what_does_not_fit_is_named():
    with pytest.raises(ConfigError, match="3 correction factors; expected 24, one for each output"):
        rule(correction=np.ones(3))
    with pytest.raises(ConfigError, match="27 thresholds; expected 24, one for each class"):
        rule(thresholds=np.ones(27))
    with pytest.raises(ConfigError, match="combination_strategy is 'sum'; expected mean, max, last"):
        rule(combination_strategy="sum")
