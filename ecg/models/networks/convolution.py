"""The layers of a one-dimensional convolutional network, which run on features in either of two forms.

"plain" is torch's own: (window, channel, sample), with the samples of a channel side by side in memory. "flat" is an
image of height one, (window, channel, 1, sample), with the channels of a sample side by side. Weights and their names
are the same, and so is the outcome but for the last digits. On a CPU torch's kernels for the flat form are the quicker
ones, and on a GPU they are those that half precision has units for.

In bfloat16 on a CPU most of a flat convolution's time would go to the gradient of its weights, which the library
does at a third of the speed of the rest. `FoldedConvolution` does it as one large matrix product instead.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

FORMS = ("plain", "flat")


def to_form(x: Tensor, form: str) -> Tensor:
    """Features (window, channel, sample) in one of `FORMS`."""
    return x[:, :, None].contiguous(memory_format=torch.channels_last) if form == "flat" else x


def from_form(x: Tensor) -> Tensor:
    """Features of either form as (window, channel, sample)."""
    return x[:, :, 0] if x.dim() == 4 else x


class Convolution(nn.Conv1d):
    """A convolution over samples, without bias, of features in either form."""

    folds: bool = True
    """Whether the weights' gradient may be the folded one; it is taken where it pays."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, filters_in, sample) or (window, filters_in, 1, sample); the result has its form."""
        if x.dim() == 3:
            return super().forward(x)
        stride, padding = int(self.stride[0]), int(self.padding[0])
        # by way of a flat view, so that the gradient comes back in the weights' own layout
        kernel = self.weight.flatten().view(self.weight.shape)[:, :, None]
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, kernel = x.to(dtype), kernel.to(dtype)
        n_folded = self._n_folded(x, stride)
        if n_folded:
            return FoldedConvolution.apply(x, kernel, stride, padding, n_folded)
        return functional.conv2d(x, kernel, None, (1, stride), (0, padding))

    def _n_folded(self, x: Tensor, stride: int) -> int:
        """How many outputs to fold into a row; 0 leaves the gradient to torch."""
        folds = self.folds and torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == torch.bfloat16
        if not folds or self.kernel_size[0] == 1:
            return 0
        return count_folded(self.in_channels, self.out_channels, stride, x.shape[3] // stride)


def count_folded(n_in: int, n_out: int, stride: int, n_positions: int) -> int:
    """Outputs in a row of the folded product, a divisor of `n_positions`; 0 where folding does not pay.

    From timings of every convolution of the full and the halved network (`docs/benchmarks.md`). More outputs in a
    row make a squarer product, and more of it superfluous; the more channels there are, the squarer it is without.
    """
    channels = n_in * n_out
    if n_in < 16 or channels > 128 * 196:
        wanted = 1 if stride > 1 and n_positions <= 64 else 0
    elif stride > 1:
        wanted = 2 if channels <= 64 * 64 else 1 if n_positions <= 64 else 0
    else:
        wanted = 8 if channels <= 64 * 64 and n_positions >= 2048 and n_in == n_out else 4
    return wanted if wanted and n_positions % wanted == 0 and n_positions >= 16 * wanted else 0


class FoldedConvolution(torch.autograd.Function):
    """A flat convolution whose weights' gradient is one matrix product.

    With T outputs folded into a row, the rows (T outputs × filters) are multiplied with the stretches of input that
    they come from ((T - 1) · stride + kernel samples × channels). Of the product, what belongs to the same place
    of the kernel stands on diagonals, which are added up. A share of about T / (T + kernel) of it is superfluous;
    that a matrix product runs at full speed more than makes up for it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int, n_folded: int) -> Tensor:  # noqa: ANN401
        """x: (window, channel, 1, sample); kernel: (filter, channel, 1, place)."""
        ctx.save_for_backward(x, kernel)
        ctx.options = stride, padding, n_folded
        return functional.conv2d(x, kernel, None, (1, stride), (0, padding))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """gradient: (window, filter, 1, position)."""
        x, kernel = ctx.saved_tensors
        stride, padding, n_folded = ctx.options
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient, x, kernel, None, [1, stride], [0, padding], [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        of_kernel = None  # who asks for the input's gradient alone does not pay for the weights'
        if ctx.needs_input_grad[1]:
            of_kernel = folded_gradient(x, gradient, kernel.shape[3], stride, padding, n_folded)
        return of_x, of_kernel, None, None, None


def folded_gradient(x: Tensor, gradient: Tensor, kernel_size: int, stride: int, padding: int, n_folded: int) -> Tensor:
    """The gradient of a convolution's kernel, (filter, channel, 1, place), from its input and its output's gradient.

    Parameters
    ----------
    x : (window, channel, 1, sample), channels side by side in memory
    gradient : (window, filter, 1, position), likewise
    n_folded : positions folded into a row; divides their number
    """
    n_windows, n_channels, _, n_samples = x.shape
    n_filters, n_positions = gradient.shape[1], gradient.shape[3]
    n_rows, width = n_positions // n_folded, (n_folded - 1) * stride + kernel_size
    # over_time: (window, padded sample, channel), as long as the last row reaches
    over_time = x.new_zeros(n_windows, (n_positions - n_folded) * stride + width, n_channels)
    reached = min(n_samples, over_time.shape[1] - padding)
    over_time[:, padding : padding + reached] = x[:, :, 0, :reached].transpose(1, 2)
    steps = (over_time.stride(0), n_folded * stride * n_channels, 1)
    # stretches: (window · row, sample · channel), overlapping pieces of the input
    stretches = over_time.as_strided((n_windows, n_rows, width * n_channels), steps).flatten(0, 1)
    rows = gradient[:, :, 0].transpose(1, 2).reshape(n_windows * n_rows, n_folded * n_filters)
    # product: (sample, channel, output, filter)
    product = (stretches.t() @ rows).view(width, n_channels, n_folded, n_filters)
    of_sample, of_channel, of_output, of_filter = product.stride()
    # diagonals: (output, place, channel, filter): the sample under place j of output t is t · stride + j
    diagonals = product.as_strided(
        (n_folded, kernel_size, n_channels, n_filters),
        (stride * of_sample + of_output, of_sample, of_channel, of_filter),
    )
    return diagonals.sum(0).permute(2, 1, 0)[:, :, None]


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of each channel, of features in either form."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Both forms will do."""


class MaxPool(nn.Module):
    """The largest of so many neighbouring samples, of features in either form."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, channel, sample) or (window, channel, 1, sample)."""
        return functional.max_pool1d(x, self.size) if x.dim() == 3 else functional.max_pool2d(x, (1, self.size))
