"""The weighted loss, against sums written out by hand."""

import numpy as np
import pytest
import torch

from ecg12.ecg.labels.snomed import NORMAL_CODE, SCORED_CLASSES, WEIGHTS
from ecg12.ecg.models.loss import WeightedSigmoid, metric_weights
from ecg12.ecg.models.output_layers import SigmoidLayer
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task

CHALLENGE = named_task(CHALLENGE_2020)


def test_without_weights_or_smoothing_it_is_the_sigmoids() -> None:
    logits, labels = torch.randn(5, 3), (torch.rand(5, 3) < 0.4).float()
    expected = SigmoidLayer().compute_loss(logits, labels)
    torch.testing.assert_close(WeightedSigmoid(None, 0.0).compute_loss(logits, labels), expected)


def test_weights_and_smoothing_by_hand() -> None:
    logits, labels = torch.tensor([[0.3, -1.2]]), torch.tensor([[1.0, 0.0]])
    p = 1 / (1 + np.exp(-logits.double().numpy()[0]))
    soft = np.array([0.95, 0.05])
    losses = -(soft * np.log(p) + (1 - soft) * np.log(1 - p))
    found = WeightedSigmoid(np.array([0.5, 1.5]), 0.1).compute_loss(logits, labels)
    assert float(found) == pytest.approx((0.5 * losses[0] + 1.5 * losses[1]) / 2, rel=1e-6)


def test_scores_are_the_sigmoids() -> None:
    logits = torch.randn(4, 2)
    layer = WeightedSigmoid(np.ones(2), 0.2)
    assert layer.name == "sigmoid"
    torch.testing.assert_close(layer.compute_scores(logits), torch.sigmoid(logits))


def test_what_a_miss_costs() -> None:
    weights = metric_weights(SCORED_CLASSES, CHALLENGE)
    assert weights.shape == (24,)
    assert weights.mean() == pytest.approx(1)
    normal = SCORED_CLASSES.index(NORMAL_CODE)
    af, sinus_arrhythmia = SCORED_CLASSES.index("164889003"), SCORED_CLASSES.index("427393009")
    lost = 1 - WEIGHTS[:, normal]
    assert weights[af] / weights[sinus_arrhythmia] == pytest.approx(lost[af] / lost[sinus_arrhythmia])
    assert weights[af] > weights[sinus_arrhythmia]
    others = np.delete(weights, normal)
    assert weights[normal] == pytest.approx(others.mean())


def test_equivalent_and_unscored_codes() -> None:
    rbbb, same, unscored, none = metric_weights(["713427006", "59118001", "55930002", None], CHALLENGE)
    assert rbbb == same
    assert unscored == none
