"""Every rule as operations of torch, against the rule itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.reference_rules import STRATEGIES, AprilRule, AugustRule, Rule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES
from ecg12.ecg.models.portable.decision_layer import build_decision, scale_by_rank
from tests.pipeline.reference_folders import LAYERS_OF_CHOICE, SIGMOID

SEVERAL = (
    "concat:softmax:2-sigmoid:2\n0->2/0->1/0->1\n"
    "713427006,0,1\n713427006,1,1\n59118001,0,2\n426783006,0,0\n164889003,2,1\n"
)
"""A class of two targets, a null value as a class, and two codes that count as one."""

LAYERS = {"sigmoid": SIGMOID, "several": SEVERAL, **LAYERS_OF_CHOICE}


def windows_of(n_outputs: int, counts: tuple[int, ...], seed: int = 0):
    """Scores of records with so many windows: flat with their records, and padded with what is there."""
    rng = np.random.default_rng(seed)
    flat = rng.random((sum(counts), n_outputs))
    record = np.repeat(np.arange(len(counts)), counts)
    padded = torch.full((len(counts), max(counts), n_outputs), 99.0, dtype=torch.float64)
    present = torch.zeros(len(counts), max(counts), dtype=torch.bool)
    for row, n in enumerate(counts):
        padded[row, :n] = torch.from_numpy(flat[record == row])
        present[row, :n] = True
    return flat, record, padded, present


def compare(rule: Rule, n_outputs: int, counts: tuple[int, ...]) -> None:
    for seed in range(20):
        flat, record, padded, present = windows_of(n_outputs, counts, seed)
        expected = rule.decide(flat, record)
        scores, labels = build_decision(rule)(padded, present)
        np.testing.assert_allclose(scores, expected.scores, atol=1e-12)
        np.testing.assert_array_equal(labels, expected.labels)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("layer", LAYERS)
def test_thresholds_decide_alike(layer: str, strategy: str) -> None:
    mapping = parse_mapping(LAYERS[layer])
    rule = ThresholdRule(
        mapping=mapping,
        correction=np.linspace(0.5, 2, mapping.n_outputs),
        thresholds=np.linspace(0.1, 0.9, 24),
        classes=SCORED_CODES,
        by_class=CHALLENGE_COLUMNS,
        combination_strategy=strategy,
    )
    compare(rule, mapping.n_outputs, (1, 3, 2))


@pytest.mark.parametrize("before_collapse", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("layer", LAYERS)
def test_ranks_decide_alike(layer: str, strategy: str, before_collapse: bool) -> None:
    mapping = parse_mapping(LAYERS[layer])
    rule = AugustRule(
        mapping=mapping,
        correction=np.linspace(0.5, 3, mapping.n_outputs),
        combination_strategy=strategy,
        predict_before_collapse=before_collapse,
        classes=(*SCORED_CODES, "not a code of the model"),
    )
    compare(rule, mapping.n_outputs, (1, 3, 2))


def test_aprils_thresholds_decide_alike() -> None:
    compare(AprilRule(thresholds=np.linspace(0.2, 0.9, 8)), 8, (2, 1))


def test_equal_scores_are_scaled_together() -> None:
    scores = torch.tensor([[0.5, 0.5, 0.2]], dtype=torch.float64)
    assert scale_by_rank(scores, (30.0, 2.0, 0.0)).tolist() == [[15.0, 15.0, 0.0]]


def test_a_class_that_the_model_lacks_has_no_label() -> None:
    mapping = parse_mapping(SIGMOID)
    rule = ThresholdRule(
        mapping=mapping,
        correction=np.ones(3),
        thresholds=np.full(24, -1.0),
        classes=SCORED_CODES,
        by_class=CHALLENGE_COLUMNS,
    )
    _, labels = build_decision(rule)(torch.zeros(1, 1, 3, dtype=torch.float64), torch.ones(1, 1, dtype=torch.bool))
    assert int(labels.sum()) == 3
    compare(replace(rule, correction=np.zeros(3)), 3, (1,))


def test_a_rule_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="a rule of kind str; expected one of a run folder"):
        build_decision("majority")  # type: ignore[arg-type]
