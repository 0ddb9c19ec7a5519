"""Trained networks in the form that predicts fastest on a CPU: the same function but for the last digits.

Batch norm goes into the weights of the convolution before it, and long convolutions of stride one are done with 10
instead of 17 multiplications a sample, by a short-length filter algorithm: every second output of a convolution is
h0 · (x0 - x1) + (h0 + h1) · x1, and each of the others (h0 + h1) · x1 + h1 · (x0' - x1), where x0 and x1 are every
second sample, x0' is x0 one step on, and h0 and h1 are every second place of the kernel. So three convolutions of half
the length at half the rate take the place of four, and each of them is split once more. Differences are those of
neighbouring samples, which are small, so that bfloat16 loses little.

Source: Mou and Duhamel, "Short-length FIR filters and their use in fast nonrecursive filtering", 1991; Winograd,
"Arithmetic complexity of computations", 1980, for the bilinear form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ecg12.ecg.models.networks.convolution import BatchNorm, Convolution
from ecg12.ecg.models.networks.resnet import ResidualBlock, ResNet1d

N_SPLITS = 2
"""How often a convolution is split in two; a third time gains next to nothing (`docs/benchmarks.md`)."""

SMALLEST_KERNEL, SMALLEST_LENGTH, SMALLEST_CHANNELS = 9, 256, 16
"""Below these the additions cost more than the multiplications that they save. The number of windows is none of them:
what is said of a record must not depend on what is predicted with it."""


def fuse_for_inference(network: nn.Module) -> None:
    """Bring all ResNets of a network into their fastest form, in place; from then on they can only predict.

    Weights are those of this moment. To do it again changes nothing.
    """
    for module in network.modules():
        if isinstance(module, ResNet1d | ResidualBlock) and isinstance(module.bn1, BatchNorm):
            module.conv1 = FusedConvolution(module.conv1, module.bn1)
            module.add_module("bn1", nn.Identity())


class FusedConvolution(Convolution):
    """A convolution with the batch norm after it in its weights; takes and gives features in either form."""

    def __init__(self, convolution: Convolution, norm: BatchNorm) -> None:
        n_out, n_in, size = convolution.weight.shape
        stride, padding = int(convolution.stride[0]), int(convolution.padding[0])
        # without memory, for its first weights would be drawn in vain
        super().__init__(n_in, n_out, size, stride=stride, padding=padding, device="meta")
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        self.weight, self.bias = weight.requires_grad_(False), bias.requires_grad_(False)
        large = n_in >= SMALLEST_CHANNELS and size >= SMALLEST_KERNEL
        keeps_length = stride == 1 and size == 2 * padding + 1
        self._splits = large and keeps_length and 2 * padding % 2**N_SPLITS == 0
        self._filters: dict[torch.dtype, Filter] = {}

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, filters_in, sample) or (window, filters_in, 1, sample); the result has its form."""
        if x.dim() == 3:
            return nn.Conv1d.forward(self, x)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        assert self.bias is not None
        stride, padding, length = int(self.stride[0]), int(self.padding[0]), x.shape[3]
        if not self._splits or length < SMALLEST_LENGTH or length % 2**N_SPLITS:
            kernel = self.weight[:, :, None].to(x.dtype)
            return functional.conv2d(x, kernel, self.bias.to(x.dtype), (1, stride), (0, padding))
        if x.dtype not in self._filters:
            with torch.inference_mode(False):  # they outlive it, and an explanation goes back through them
                self._filters[x.dtype] = split_filter(self.weight, self.bias, N_SPLITS, x.dtype)
        phases = to_phases(x[:, :, 0].transpose(1, 2), 2**N_SPLITS, padding)
        return from_phases(self._filters[x.dtype].run(phases)).transpose(1, 2)[:, :, None]


@dataclass(frozen=True, slots=True, eq=False)
class WholeFilter:
    """A convolution as the library does it.

    Attributes
    ----------
    kernel : (filter, channel, 1, place)
    bias : (filter,)
    """

    kernel: Tensor
    bias: Tensor | None

    def run(self, phases: Sequence[Tensor]) -> list[Tensor]:
        """One phase, (window, sample, channel), to one, shorter by the kernel less one."""
        (x,) = phases
        found = functional.conv2d(x.transpose(1, 2)[:, :, None], self.kernel, self.bias)
        return [found[:, :, 0].transpose(1, 2)]


@dataclass(frozen=True, slots=True, eq=False)
class SplitFilter:
    """A convolution as three of half its length; the first and the last have its bias."""

    first: "Filter"
    both: "Filter"
    second: "Filter"

    def run(self, phases: Sequence[Tensor]) -> list[Tensor]:
        """Phases (window, sample, channel), an even number of them, to as many."""
        x0, x1 = phases[0::2], phases[1::2]
        next_x0 = [*x0[1:], x0[0][:, 1:]]
        first = self.first.run([_difference(*pair) for pair in zip(x0, x1, strict=True)])
        both = self.both.run(x1)
        second = self.second.run([_difference(*pair) for pair in zip(next_x0, x1, strict=True)])
        # what a convolution gives is its own, so sums may be written there
        sums = ((a.add_(b), c.add_(b)) for a, b, c in zip(first, both, second, strict=True))
        return list(chain.from_iterable(sums))


Filter = WholeFilter | SplitFilter


def split_filter(weight: Tensor, bias: Tensor | None, n_splits: int, dtype: torch.dtype) -> Filter:
    """A convolution over 2 ** `n_splits` phases.

    Parameters
    ----------
    weight : (filter, channel, place), at least 2 ** `n_splits` places
    bias : (filter,)
    dtype : to calculate in; sums of weights are taken before they are rounded to it
    """
    if n_splits == 0:
        kernel = weight[:, :, None].to(dtype).contiguous(memory_format=torch.channels_last)
        return WholeFilter(kernel, None if bias is None else bias.to(dtype))
    first, second = weight[:, :, 0::2], weight[:, :, 1::2]
    both = first + functional.pad(second, (0, first.shape[2] - second.shape[2]))
    parts = ((first, bias), (both, None), (second, bias))
    return SplitFilter(*(split_filter(*part, n_splits - 1, dtype) for part in parts))


def to_phases(x: Tensor, n_phases: int, padding: int) -> list[Tensor]:
    """(window, sample, channel) with zeros at either end, as `n_phases` of every n-th sample.

    Both the length and the number of all zeros are multiples of their number.
    """
    n_windows, length, n_channels = x.shape
    n_each = (length + 2 * padding) // n_phases
    phases = []
    for number in range(n_phases):
        n_zeros = -((number - padding) // n_phases)  # before the first sample of this phase
        samples = x[:, number - padding + n_phases * n_zeros :: n_phases]
        phase = x.new_empty(n_windows, n_each, n_channels)
        phase[:, :n_zeros] = 0
        phase[:, n_zeros : n_zeros + samples.shape[1]] = samples
        phase[:, n_zeros + samples.shape[1] :] = 0
        phases.append(phase)
    return phases


def from_phases(phases: Sequence[Tensor]) -> Tensor:
    """The samples (window, sample, channel) of phases of one length."""
    return torch.stack(list(phases), dim=2).flatten(1, 2)


def _difference(a: Tensor, b: Tensor) -> Tensor:
    """Of as many samples as both have."""
    n_samples = min(a.shape[1], b.shape[1])
    return a[:, :n_samples] - b[:, :n_samples]
