"""ResNet1d: the reference system's residual network over a window of twelve leads.

A one-dimensional ResNet after Ribeiro et al., Nature Communications 11 (2020) 1760, with the reference
system's arrangement: batch norm but no ReLU after the stem, and a second path y that carries the sum from
before each block's batch norm. Parameter names are those of its checkpoints.
"""

import warnings
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ecg.errors import ConfigError


class ResidualBlock(nn.Module):
    """(x, y) → (x, y), both (window, filters_out, length / stride)."""

    def __init__(self, filters_in: int, filters_out: int, stride: int, kernel_size: int, dropout_rate: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(filters_in, filters_out, kernel_size, padding=_padding(kernel_size, 1), bias=False)
        self.bn1 = nn.BatchNorm1d(filters_out)
        self.conv2 = nn.Conv1d(
            filters_out, filters_out, kernel_size, stride=stride, padding=_padding(kernel_size, stride), bias=False
        )
        self.bn2 = nn.BatchNorm1d(filters_out)
        self.dropout = nn.Dropout(dropout_rate)
        skip: list[nn.Module] = [nn.MaxPool1d(stride)] if stride > 1 else []
        if filters_in != filters_out:
            skip.append(nn.Conv1d(filters_in, filters_out, 1, bias=False))
        self.skip_connection = nn.Sequential(*skip)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x and y: (window, filters_in, length); the returned y is the sum before batch norm."""
        x = self.dropout(torch.relu(self.bn1(self.conv1(x))))
        y = self.conv2(x) + self.skip_connection(y)
        return self.dropout(torch.relu(self.bn2(y))), y


class ResNet1d(nn.Module):
    """Windows (window, lead, sample) → features (window, filters, positions).

    Parameters
    ----------
    n_leads : channels of the input
    window_length : samples of the input
    net_filter_size : filters of each block
    net_seq_length : positions after each block; each must be a whole fraction of the one before. Blocks
        longer than the window are dropped with a warning.
    kernel_size : odd
    dropout_rate : 0 to 1
    """

    def __init__(
        self,
        *,
        n_leads: int,
        window_length: int,
        net_filter_size: Sequence[int],
        net_seq_length: Sequence[int],
        kernel_size: int,
        dropout_rate: float,
    ) -> None:
        super().__init__()
        kept = [
            (filters, length)
            for filters, length in zip(net_filter_size, net_seq_length, strict=True)
            if length <= window_length
        ]
        n_dropped = len(net_seq_length) - len(kept)
        if n_dropped:
            warnings.warn(
                f"{n_dropped} block(s) of {net_seq_length[0]} positions or fewer are longer than the window of "
                f"{window_length} samples and are left out",
                stacklevel=2,
            )
        if not kept:
            raise ConfigError(
                f"net_seq_length {tuple(net_seq_length)}: every block is longer than the window of {window_length} "
                "samples; expected at least one that is not"
            )
        lengths = [window_length, *(length for _, length in kept)]
        for before, after in pairwise(lengths):
            if before % after:
                raise ConfigError(f"net_seq_length: {after} does not divide {before}; expected a whole fraction")
        first_filters, first_length = kept[0]
        stride = window_length // first_length
        self.conv1 = nn.Conv1d(
            n_leads, first_filters, kernel_size, stride=stride, padding=_padding(kernel_size, stride), bias=False
        )
        self.bn1 = nn.BatchNorm1d(first_filters)
        self.n_blocks = len(kept)
        filters_in, length_in = first_filters, first_length
        for number, (filters, length) in enumerate(kept):
            block = ResidualBlock(filters_in, filters, length_in // length, kernel_size, dropout_rate)
            self.add_module(f"resblock1d_{number}", block)
            filters_in, length_in = filters, length
        self.n_filters, self.n_positions = filters_in, length_in

    def forward(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, n_filters, n_positions)."""
        x = y = self.bn1(self.conv1(x))
        for number in range(self.n_blocks):
            x, y = getattr(self, f"resblock1d_{number}")(x, y)
        return x


def _padding(kernel_size: int, stride: int) -> int:
    """Zeros at either end, so that a length that the stride divides comes out divided by it."""
    return max(0, (kernel_size - stride + 1) // 2)
