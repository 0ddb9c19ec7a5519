"""Output layers: losses and scores, against numbers worked out by hand."""

import math

import pytest
import torch

from ecg12.ecg.models.output_layers import SigmoidLayer

LAYER = SigmoidLayer()


def test_scores_are_sigmoids():
    logits = torch.tensor([[0.0, math.log(3.0)], [-math.log(3.0), 200.0]])
    torch.testing.assert_close(LAYER.compute_scores(logits), torch.tensor([[0.5, 0.75], [0.25, 1.0]]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_scores_are_float32_whatever_the_logits_are(dtype):
    scores = LAYER.compute_scores(torch.tensor([[-1000.0, 0.0, 1000.0]], dtype=dtype))
    assert scores.dtype == torch.float32
    assert scores.tolist() == [[0.0, 0.5, 1.0]]


def test_loss_is_the_mean_cross_entropy_over_windows_and_classes():
    logits = torch.tensor([[0.0, math.log(3.0)], [-math.log(3.0), 0.0]])
    labels = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    expected = -(math.log(0.5) + math.log(0.75) + math.log(0.25) + math.log(0.5)) / 4
    assert LAYER.compute_loss(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_loss_stays_finite_for_confident_mistakes():
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    loss = LAYER.compute_loss(logits, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert loss.item() == 1000.0
    assert logits.grad.tolist() == [[0.5, -0.5]]


def test_it_has_the_references_name():
    assert LAYER.name == "sigmoid"
