"""Contrastive predictive coding: a strided convolutional encoder, a context that sees the past, and predictors.

After van den Oord, Li and Vinyals 2018, for ECGs after Mehari and Strodthoff 2022; with state spaces as the context
after Mehari and Strodthoff 2023. Nothing in the encoder looks at a whole window (its norms work at each position
alone), and the context runs forwards only, so that what is ahead has to be predicted and cannot be read.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import CONTEXTS
from ecg12.ecg.models.config.stage import count_positions
from ecg12.ecg.models.networks.half_precision_stage import HalfStage, in_half
from ecg12.ecg.models.networks.recurrent_nets import recurrent_net
from ecg12.ecg.models.networks.s4d import ChannelNorm, S4dBlock

CONTEXT_LAYERS = {"lstm": 2, "s4d": 4}
"""Layers of a context where none are asked for: about four million parameters with the default sizes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CpcSize:
    """What encoder and context are built from; a position of theirs is the product of `strides` in samples."""

    n_leads: int
    dim_encoder: int
    strides: tuple[int, ...]
    context: str
    dim_context: int
    n_layers: int
    n_state: int
    dropout: float

    @property
    def samples_per_position(self) -> int:
        return math.prod(self.strides)


class ConvEncoder(nn.Sequential):
    """(window, lead, sample) → (window, feature, position): convolutions twice as wide as their strides, and one more.

    Each is followed by a norm at each position and GELU.
    """

    def __init__(self, n_leads: int, n_features: int, strides: tuple[int, ...]) -> None:
        channels = [n_leads, *[n_features] * len(strides)]
        layers: list[nn.Module] = []
        for n_in, stride in zip(channels, strides, strict=False):
            layers += [nn.Conv1d(n_in, n_features, 2 * stride + 1, stride, stride), ChannelNorm(n_features), nn.GELU()]
        super().__init__(*layers)


class LstmContext(nn.Module):
    """(window, feature in, position) → (window, feature, position), from the past alone."""

    def __init__(self, n_in: int, size: CpcSize) -> None:
        super().__init__()
        self.rnn = recurrent_net("lstm", n_in, size.dim_context, size.n_layers, size.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature in, position)."""
        return self.rnn(x.transpose(1, 2))[0].transpose(1, 2)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up: one, for a recurrent net's layers are one module."""
        return [self.rnn]


class S4dContext(nn.Module):
    """(window, feature in, position) → (window, feature, position), from the past alone."""

    def __init__(self, n_in: int, size: CpcSize) -> None:
        super().__init__()
        self.widen = nn.Conv1d(n_in, size.dim_context, 1)
        self.layers = nn.ModuleList(
            S4dBlock(size.dim_context, size.n_state, dropout=size.dropout, bidirectional=False, initialisation="lin")
            for _ in range(size.n_layers)
        )
        self.norm = ChannelNorm(size.dim_context)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature in, position)."""
        x = self.widen(x)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up; the norm belongs to the last."""
        return [self.widen, *self.layers[:-1], nn.ModuleList([self.layers[-1], self.norm])]


class CpcEncoder(nn.Module):
    """What pretraining learns and a classifier keeps: encoder and context."""

    def __init__(self, size: CpcSize) -> None:
        super().__init__()
        if size.context not in CONTEXTS:
            raise ConfigError(f"context is {size.context!r}; expected {' or '.join(CONTEXTS)}")
        self.size, self.n_features = size, size.dim_context
        self.encoder = ConvEncoder(size.n_leads, size.dim_encoder, size.strides)
        self.context = (LstmContext if size.context == "lstm" else S4dContext)(size.dim_encoder, size)

    def features(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → the context, (window, feature, position)."""
        return self.context(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, feature of encoder, position).

        Raises
        ------
        ConfigError
            If the window is no whole number of positions.
        """
        count_positions(x.shape[2], self.size.strides)
        return self.encoder(x)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up."""
        return [self.encoder, *self.context.blocks()]


class CpcStage(HalfStage, CpcEncoder):
    """(window, lead, sample) → (window, output, sample): each position becomes its samples again.

    Without `n_outputs` there is no last layer, and it gives its `features`.
    """

    def __init__(self, size: CpcSize, n_outputs: int | None) -> None:
        super().__init__(size)
        self.n_outputs = n_outputs
        if n_outputs is not None:
            self.decoder = nn.Linear(size.dim_context, n_outputs * size.samples_per_position)

    @in_half
    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        found = self.features(x)
        if self.n_outputs is None:
            return found
        decoded = self.decoder(found.transpose(1, 2))  # (window, position, sample in position and output)
        return decoded.reshape(x.shape[0], x.shape[2], self.n_outputs).transpose(1, 2)


class CpcNet(CpcEncoder):
    """The net that pretraining trains: encoder, context, and a linear predictor for each number of steps ahead."""

    def __init__(self, size: CpcSize, n_steps: int) -> None:
        super().__init__(size)
        self.n_steps = n_steps
        self.predictor = nn.Linear(size.dim_context, n_steps * size.dim_encoder, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Parameters
        ----------
        x : (window, lead, sample)

        Returns
        -------
        latent : (window, position, feature), what is to be predicted
        predicted : (window, step, position, feature): from each position, the latent 1, 2, … positions ahead
        """
        latent = self.encode(x)
        predicted = self.predictor(self.context(latent).transpose(1, 2))
        return latent.transpose(1, 2), predicted.unflatten(2, (self.n_steps, -1)).transpose(1, 2)


def sample_negatives(n_windows: int, n_positions: int, n_negatives: int, generator: torch.Generator) -> Tensor:
    """Positions of the same window to compare with, int64 (window, negative), on the generator's device."""
    device = generator.device
    return torch.randint(n_positions, (n_windows, n_negatives), generator=generator, device=device)
