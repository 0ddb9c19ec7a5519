"""Output layers that choose: numbers worked out by hand, and the convex softmax against a search for its constant."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.decisions.output_parts import LayerPart, parse_layer
from ecg12.ecg.models.output_layers import (
    ConcatLayer,
    ConvexSoftmaxLayer,
    SigmoidLayer,
    SoftmaxLayer,
    StandardSoftmaxLayer,
    build_output_layer,
    floored_softmax,
)

LOGITS = torch.tensor([[math.log(2.0), math.log(3.0)], [0.0, math.log(6.0)]])


def layer(text, n_outputs):
    return build_output_layer(parse_layer(text, n_outputs))


def test_softmax_has_a_null_class_with_logit_zero():
    expected = torch.tensor([[2 / 6, 3 / 6], [1 / 8, 6 / 8]])
    torch.testing.assert_close(SoftmaxLayer().compute_scores(LOGITS), expected)


def test_softmax_loss_counts_the_null_class():
    labels = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    expected = -(math.log(1 / 6) + math.log(6 / 8)) / 2
    assert SoftmaxLayer().compute_loss(LOGITS, labels).item() == pytest.approx(expected, rel=1e-6)


def test_standard_softmax_shares_everything():
    expected = torch.tensor([[2 / 5, 3 / 5], [1 / 7, 6 / 7]])
    torch.testing.assert_close(StandardSoftmaxLayer().compute_scores(LOGITS), expected)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expected_loss = -(math.log(2 / 5) + math.log(6 / 7)) / 2
    assert StandardSoftmaxLayer().compute_loss(LOGITS, labels).item() == pytest.approx(expected_loss, rel=1e-6)


def test_convex_softmax_by_hand():
    """Far apart: the small ones are held at 1e-4 and the others share the rest as a softmax does."""
    logits = torch.tensor([[math.log(3.0), -50.0, 0.0, -60.0]])
    rest = 1 - 2e-4
    expected = torch.tensor([[rest * 3 / 4, 1e-4, rest / 4, 1e-4]])
    torch.testing.assert_close(ConvexSoftmaxLayer(4).compute_scores(logits), expected)
    loss = ConvexSoftmaxLayer(4).compute_loss(logits, torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    assert loss.item() == pytest.approx(-math.log(1e-4), rel=1e-6)


def test_convex_softmax_is_a_softmax_where_nothing_is_small():
    logits = torch.tensor([[0.0, 1.0, -2.0], [5.0, 4.0, 3.0]])
    torch.testing.assert_close(ConvexSoftmaxLayer(3).compute_scores(logits), torch.softmax(logits, dim=1))


def search_for_probabilities(logits, smallest=1e-4):
    """The constant c found by halving an interval of log c two hundred times."""
    low, high = -max(logits) - 40.0, -min(logits) + 1.0
    for _ in range(200):
        middle = (low + high) / 2
        total = sum(max(smallest, math.exp(min(middle + x, 50.0))) for x in logits)
        low, high = (middle, high) if total < 1 else (low, middle)
    return [max(smallest, math.exp(low + x)) for x in logits]


@settings(deadline=None)
@given(st.lists(st.floats(-300, 300), min_size=1, max_size=40))
def test_convex_softmax_is_the_solution(logits):
    found = floored_softmax(torch.tensor([logits], dtype=torch.float64))[0]
    assert found.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert (found >= 1e-4).all()
    assert found.tolist() == pytest.approx(search_for_probabilities(logits), abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 9))
def test_convex_softmax_gradient_is_the_slope(seed, n_outputs):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, n_outputs, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(floored_softmax, (logits,))


def test_convex_softmax_survives_extremes_and_ties():
    assert floored_softmax(torch.tensor([[1e4, -1e4, 0.0]]))[0].tolist() == pytest.approx([1 - 2e-4, 1e-4, 1e-4])
    assert floored_softmax(torch.zeros(1, 4))[0].tolist() == [0.25] * 4
    assert floored_softmax(torch.zeros(1, 10_000)).sum().item() == pytest.approx(1.0)
    assert floored_softmax(torch.tensor([[3.0]])).tolist() == [[1.0]]


def test_a_concatenation_scores_each_part_by_its_own_rule():
    concat = layer("concat:softmax:2-sigmoid:1-standard_softmax:2", 5)
    assert isinstance(concat, ConcatLayer)
    logits = torch.cat([LOGITS, LOGITS[:, :1], LOGITS], dim=1)
    expected = [
        SoftmaxLayer().compute_scores(LOGITS),
        SigmoidLayer().compute_scores(LOGITS[:, :1]),
        StandardSoftmaxLayer().compute_scores(LOGITS),
    ]
    torch.testing.assert_close(concat.compute_scores(logits), torch.cat(expected, dim=1))


def test_a_concatenations_loss_is_the_mean_over_decisions():
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    logits = torch.cat([LOGITS, LOGITS], dim=1)
    two = SigmoidLayer().compute_loss(logits[:, 2:], labels[:, 2:]).item()
    one = SoftmaxLayer().compute_loss(logits[:, :2], labels[:, :2]).item()
    found = layer("concat:softmax:2-sigmoid:2", 4).compute_loss(logits, labels).item()
    assert found == pytest.approx((one + 2 * two) / 3, rel=1e-6)


def test_sigmoids_side_by_side_are_one_sigmoid():
    logits = torch.cat([LOGITS, -LOGITS], dim=1)
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    split = layer("concat:sigmoid:3-sigmoid:1", 4)
    torch.testing.assert_close(split.compute_loss(logits, labels), SigmoidLayer().compute_loss(logits, labels))
    torch.testing.assert_close(split.compute_scores(logits), SigmoidLayer().compute_scores(logits))


@pytest.mark.parametrize(
    ("text", "n_outputs"),
    [
        ("sigmoid", 3),
        ("softmax", 3),
        ("standard_softmax", 3),
        ("cvx_softmax_3", 3),
        ("concat:softmax:2-cvx_softmax_3:3-sigmoid:1", 6),
    ],
)
def test_every_layer_keeps_its_name_and_scores_in_float32(text, n_outputs):
    built = layer(text, n_outputs)
    assert built.name == text
    logits = torch.linspace(-3, 3, 2 * n_outputs, dtype=torch.bfloat16).reshape(2, n_outputs)
    scores = built.compute_scores(logits)
    assert scores.dtype == torch.float32
    assert scores.shape == (2, n_outputs)
    assert ((scores >= 0) & (scores <= 1)).all()
    labels = torch.zeros(2, n_outputs)
    labels[:, 0] = 1
    learned = logits.float().requires_grad_()
    built.compute_loss(learned, labels).backward()
    assert torch.isfinite(learned.grad).all()


def test_one_part_is_no_concatenation():
    assert isinstance(build_output_layer((LayerPart("sigmoid", 2),)), SigmoidLayer)
