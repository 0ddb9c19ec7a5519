"""From features of a window to one logit per output."""

from torch import Tensor, nn


class LinearHead(nn.Module):
    """(window, filters, positions) → (window, outputs): flatten, filter by filter, then one linear layer."""

    def __init__(self, n_filters: int, n_positions: int, n_outputs: int) -> None:
        super().__init__()
        self.lin = nn.Linear(n_filters * n_positions, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, filters, positions)."""
        return self.lin(x.flatten(1))
