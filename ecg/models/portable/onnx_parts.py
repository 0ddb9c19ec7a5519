"""Parts of a network in a form that ONNX has operators for; the weights are the same, and so is the outcome.

- A recurrent net is one operator of ONNX. Torch's exporter would follow it sample by sample to get there, which takes
  minutes for a window, or write it out, an operator for every sample.
- A state space is calculated from complex numbers and applied by a Fourier transform. Once it is trained its kernel is
  a constant, and a convolution with that is what is left. Seen as an image of height one it runs on the quick kernels:
  a seventh of the time of the one-dimensional form, half that of ONNX's own Fourier transform.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.models.networks.s4d import DiagonalStateSpace

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where ONNX's gates stand among torch's: input, output, forget, cell; update, reset, hidden."""


class KernelSpace(nn.Module):
    """A `DiagonalStateSpace` for windows of one length: each feature's convolution with its constant kernel."""

    kernel: Tensor

    def __init__(self, space: DiagonalStateSpace, n_positions: int) -> None:
        super().__init__()
        with torch.no_grad():
            kernels = space.kernel(n_positions)  # (direction, feature, position)
            forwards = kernels[0].clone()
            forwards[:, 0] += space.d
            # what runs backwards leaves the position itself to the first kernel
            parts = [forwards.flip(1), *(backwards[:, : n_positions - 1] for backwards in kernels[1:])]
        self.register_buffer("kernel", torch.cat(parts, dim=1)[:, None, None])
        self.padding = (n_positions - 1, n_positions - 1 if len(kernels) > 1 else 0)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position)."""
        padded = functional.pad(x, self.padding)[:, :, None]
        return functional.conv2d(padded, self.kernel, groups=len(self.kernel))[:, :, 0]


class RecurrentOperator(nn.Module):
    """A recurrent net of torch, batch first and in one direction, as ONNX's operator: to be exported, not to be run."""

    def __init__(self, net: nn.RNNBase) -> None:
        super().__init__()
        self.kind = net.mode.removesuffix("_TANH")
        self.hidden_size, self.n_layers = net.hidden_size, net.num_layers
        for layer in range(net.num_layers):
            of_input, of_hidden = (self._gates(getattr(net, f"weight_{name}_l{layer}")) for name in ("ih", "hh"))
            biases = [self._gates(getattr(net, f"bias_{name}_l{layer}")) for name in ("ih", "hh")]
            self.register_buffer(f"w{layer}", of_input[None])
            self.register_buffer(f"r{layer}", of_hidden[None])
            self.register_buffer(f"b{layer}", torch.cat(biases)[None])

    def _gates(self, weight: nn.Parameter) -> Tensor:
        """The rows of all gates in ONNX's order."""
        parts = weight.detach().split(self.hidden_size)
        return torch.cat([parts[place] for place in GATES[self.kind]])

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(row, time, input) → (row, time, hidden), from a zero state, and no state after it."""
        over_time = x.transpose(0, 1)  # (time, row, input)
        attributes: dict[str, Any] = {"hidden_size": self.hidden_size}
        if self.kind == "GRU":
            attributes["linear_before_reset"] = 1  # as torch has it
        for layer in range(self.n_layers):
            steps = torch.onnx.ops.symbolic(
                self.kind,
                [over_time, *(getattr(self, f"{name}{layer}") for name in ("w", "r", "b"))],
                attributes,
                dtype=x.dtype,
                shape=(over_time.shape[0], 1, over_time.shape[1], self.hidden_size),
            )
            over_time = steps[:, 0]  # (time, direction, row, hidden) → (time, row, hidden)
        return over_time.transpose(0, 1), ()


def to_onnx_parts(network: nn.Module, n_channels: int, window_length: int) -> nn.Module:
    """A copy of a network in eval mode with the parts replaced that ONNX wants otherwise.

    Parameters
    ----------
    network : (window, channel, sample) → logits
    n_channels, window_length : of its input
    """
    network = copy.deepcopy(network).eval()
    lengths = _lengths_of_spaces(network, n_channels, window_length)
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, DiagonalStateSpace):
                setattr(module, name, KernelSpace(part, lengths[part]))
            elif isinstance(part, nn.RNNBase):
                setattr(module, name, RecurrentOperator(part))
    return network


def _lengths_of_spaces(network: nn.Module, n_channels: int, window_length: int) -> dict[nn.Module, int]:
    """How many positions each state space of a network sees in a window."""
    lengths: dict[nn.Module, int] = {}

    def note(space: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> None:
        lengths[space] = given[0].shape[2]

    hooks = [part.register_forward_hook(note) for part in network.modules() if isinstance(part, DiagonalStateSpace)]
    if hooks:
        with torch.inference_mode():
            network(torch.zeros(1, n_channels, window_length))
    for hook in hooks:
        hook.remove()
    return lengths
