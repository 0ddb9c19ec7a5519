"""A linear layer above features that were pooled over time: the least that a classifier can be.

Above a frozen stage it measures what the stage's features say by themselves; above one that is trained, and above
state spaces, it is the classifier that Mehari and Strodthoff 2022 put there.
"""

import torch
from torch import Tensor, nn


class PooledHead(nn.Module):
    """(window, feature, position) → (window, output): mean and maximum over positions, each scaled, one linear layer.

    The scaling (batch norm without weights of its own) makes one learning rate fit features of any size.
    """

    def __init__(self, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(2 * n_features, affine=False)
        self.linear = nn.Linear(2 * n_features, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position), or what `pool_positions` has made of it."""
        return self.linear(self.scale(pool_positions(x) if x.ndim == 3 else x))


def pool_positions(x: Tensor) -> Tensor:
    """(window, feature, position) → (window, 2 · feature): each feature's mean and its maximum over positions."""
    return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
