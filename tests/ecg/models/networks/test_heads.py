"""Heads: from a window's features to its logits."""

import pytest
import torch
from torch import nn

from ecg12.ecg.models.networks.heads import LinearHead


def test_linear_head_gives_one_logit_per_output():
    assert LinearHead(n_filters=6, n_positions=4, n_outputs=3)(torch.zeros(5, 6, 4)).shape == (5, 3)


def test_linear_head_flattens_filter_by_filter():
    """Weights that pick one feature find it at filter · n_positions + position."""
    head = LinearHead(n_filters=3, n_positions=4, n_outputs=12)
    nn.init.eye_(head.lin.weight)
    nn.init.zeros_(head.lin.bias)
    features = torch.arange(24.0).reshape(2, 3, 4)
    expected = [
        [features[window, filters, position] for filters in range(3) for position in range(4)] for window in (0, 1)
    ]
    assert head(features).tolist() == expected


def test_linear_head_has_the_references_parameter_names():
    shapes = {name: tuple(values.shape) for name, values in LinearHead(3, 4, 5).state_dict().items()}
    assert shapes == {"lin.weight": (5, 12), "lin.bias": (5,)}


def test_linear_head_refuses_features_of_another_size():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        LinearHead(3, 4, 5)(torch.zeros(2, 3, 5))


def test_linear_head_may_take_the_mean_over_positions():
    head = LinearHead(3, 4, 5, pooling="average")
    features = torch.randn(2, 3, 4)
    expected = features.mean(dim=2) @ head.lin.weight.T + head.lin.bias
    torch.testing.assert_close(head(features), expected)
    torch.testing.assert_close(head(features.roll(1, dims=2)), expected)  # it does not matter where
