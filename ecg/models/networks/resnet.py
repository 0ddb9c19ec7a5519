"""ResNet1d: the reference system's residual network over a window of twelve leads.

A one-dimensional ResNet after Ribeiro et al., Nature Communications 11 (2020) 1760, with the reference
system's arrangement: batch norm but no ReLU after the stem, and a second path y that carries the sum from
before each block's batch norm. Parameter names are those of its checkpoints. Squeeze-and-excitation in the blocks
is an option that it lacks.

In which form and precision the arithmetic runs is no part of the model: both are set on a network that is there,
the same weights fit, and only the last digits of the outcome differ.
"""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.networks.convolution import BatchNorm, Convolution, MaxPool, from_form, to_form
from ecg12.ecg.models.networks.dropout import Dropout

SQUEEZE = 8
"""Filters that one hidden unit of squeeze-and-excitation stands for."""


class SqueezeExcitation(nn.Module):
    """Each filter times a factor between 0 and 1 that follows from the means of all filters over the window.

    Source: Hu, Shen and Sun, "Squeeze-and-excitation networks", 2018.
    """

    def __init__(self, n_filters: int) -> None:
        super().__init__()
        hidden = max(n_filters // SQUEEZE, 4)
        self.fc1 = nn.Linear(n_filters, hidden)
        self.fc2 = nn.Linear(hidden, n_filters)

    def forward(self, x: Tensor) -> Tensor:
        """x: features in either form."""
        means = x.flatten(2).mean(dim=2)
        factors = torch.sigmoid(self.fc2(torch.relu(self.fc1(means))))
        return x * factors.to(x.dtype).view(*factors.shape, *(1,) * (x.dim() - 2))


class ResidualBlock(nn.Module):
    """(x, y) → (x, y), both (window, filters_out, length / stride)."""

    def __init__(
        self,
        filters_in: int,
        filters_out: int,
        stride: int,
        kernel_size: int,
        dropout_rate: float,
        *,
        squeeze_excitation: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = Convolution(filters_in, filters_out, kernel_size, padding=_padding(kernel_size, 1), bias=False)
        self.bn1 = BatchNorm(filters_out)
        self.conv2 = Convolution(
            filters_out, filters_out, kernel_size, stride=stride, padding=_padding(kernel_size, stride), bias=False
        )
        self.bn2 = BatchNorm(filters_out)
        self.dropout = Dropout(dropout_rate)
        skip: list[nn.Module] = [MaxPool(stride)] if stride > 1 else []
        if filters_in != filters_out:
            skip.append(Convolution(filters_in, filters_out, 1, bias=False))
        self.skip_connection = nn.Sequential(*skip)
        self.squeeze_excitation = SqueezeExcitation(filters_out) if squeeze_excitation else nn.Identity()

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x and y: (window, filters_in, length) in either form; the returned y is the sum before batch norm."""
        # what a batch norm gives is its own, so ReLU may change it in place
        x = self.dropout(torch.relu_(self.bn1(self.conv1(x))))
        y = self.squeeze_excitation(self.conv2(x)) + self.skip_connection(y)
        return self.dropout(torch.relu_(self.bn2(y))), y


class ResNet1d(nn.Module):
    """Windows (window, lead, sample) → features (window, filters, positions).

    What is known of the patient comes as further channels below the leads, each the same number at every sample.

    Parameters
    ----------
    n_leads : channels of the input that are leads
    n_patient : channels of the input that are not
    window_length : samples of the input
    net_filter_size : filters of each block
    net_seq_length : positions after each block; each must be a whole fraction of the one before. Blocks
        longer than the window are dropped with a warning.
    kernel_size : odd
    dropout_rate : 0 to 1
    squeeze_excitation : in every block, on what is added to its second path

    Attributes
    ----------
    form : of the features within, see `ecg.models.networks.convolution`
    dtype : bfloat16 or float16 to run convolutions in that; None for float32
    """

    form: str = "plain"
    dtype: torch.dtype | None = None

    def __init__(
        self,
        *,
        n_leads: int,
        n_patient: int = 0,
        window_length: int,
        net_filter_size: Sequence[int],
        net_seq_length: Sequence[int],
        kernel_size: int,
        dropout_rate: float,
        squeeze_excitation: bool = False,
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
        self.n_patient = n_patient
        self.conv1 = Convolution(
            n_leads + n_patient,
            first_filters,
            kernel_size,
            stride=stride,
            padding=_padding(kernel_size, stride),
            bias=False,
        )
        self.bn1 = BatchNorm(first_filters)
        self.n_blocks = len(kept)
        filters_in, length_in = first_filters, first_length
        for number, (filters, length) in enumerate(kept):
            block = ResidualBlock(
                filters_in,
                filters,
                length_in // length,
                kernel_size,
                dropout_rate,
                squeeze_excitation=squeeze_excitation,
            )
            self.add_module(f"resblock1d_{number}", block)
            filters_in, length_in = filters, length
        self.n_filters, self.n_positions = filters_in, length_in
        self.lengths = tuple(length for _, length in kept)

    @property
    def n_products(self) -> int:
        """Multiplications for a window in its convolutions, those of the skip connections left out."""
        count = self.conv1.weight.numel() * self.lengths[0]
        for number, (before, after) in enumerate(pairwise((self.lengths[0], *self.lengths))):
            block = getattr(self, f"resblock1d_{number}")
            count += block.conv1.weight.numel() * before + block.conv2.weight.numel() * after
        return count

    def forward(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → float32 (window, n_filters, n_positions)."""
        with self._precision(x.device.type):
            x = y = self.bn1(self.conv1(to_form(x, self.form)))
            for number in range(self.n_blocks):
                x, y = getattr(self, f"resblock1d_{number}")(x, y)
        return from_form(x).float()

    def _precision(self, device_type: str) -> AbstractContextManager[object]:
        return nullcontext() if self.dtype is None else torch.autocast(device_type, self.dtype)


def _padding(kernel_size: int, stride: int) -> int:
    """Zeros at either end, so that a length that the stride divides comes out divided by it."""
    return max(0, (kernel_size - stride + 1) // 2)
