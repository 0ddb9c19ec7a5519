"""S4D: diagonal state-space layers, and a classifier of them.

After Gu, Gupta, Goel and Ré 2022, "On the parameterization and initialization of diagonal state space models". Each
feature has a linear system of its own, x' = A x + B u, y = Re(C x) + D u, with a diagonal complex A; held constant
between samples it is a convolution with a kernel as long as the window, which a Fourier transform does in one go.
"""

import math

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.model import S4dConfig
from ecg12.ecg.models.config.option_names import INITIALISATIONS
from ecg12.ecg.models.networks.half_precision_stage import HasPrecision

DT_MIN, DT_MAX = 1e-3, 1e-1
"""Range of the step sizes that a layer starts with, on a scale of logarithms."""


def initial_frequencies(kind: str, n_state: int) -> Tensor:
    """Imaginary parts of A to start with, float32 (n_state / 2,): S4D-Lin's π n or S4D-Inv's (N/π)(N/(2n+1) - 1).

    Raises
    ------
    ConfigError
        If there is no such kind.

    Source: Gu et al. 2022, equations 8 and 9.
    """
    if kind not in INITIALISATIONS:
        raise ConfigError(f"state-space initialisation {kind!r}; expected {' or '.join(INITIALISATIONS)}")
    n = torch.arange(n_state // 2, dtype=torch.float32)
    return math.pi * n if kind == "lin" else n_state / math.pi * (n_state / (2 * n + 1) - 1)


class DiagonalStateSpace(nn.Module):
    """(window, feature, position) → the same shape: every feature through its own linear system.

    Parameters
    ----------
    n_features : systems
    n_state : size of each one's state; half of it is stored, the rest is its complex conjugate
    bidirectional : a second kernel runs backwards; else a position sees itself and what is before it
    initialisation : "lin" or "inv"
    """

    def __init__(
        self, n_features: int, n_state: int, *, bidirectional: bool = False, initialisation: str = "lin"
    ) -> None:
        super().__init__()
        if n_state < 2 or n_state % 2:
            raise ConfigError(f"n_state is {n_state}; expected an even number of at least 2")
        n_directions = 2 if bidirectional else 1
        shape = (n_directions, n_features, n_state // 2)
        steps = torch.rand(n_directions, n_features) * math.log(DT_MAX / DT_MIN) + math.log(DT_MIN)
        self.log_dt = nn.Parameter(steps)
        self.log_a_real = nn.Parameter(torch.full(shape, math.log(0.5)))
        self.a_imag = nn.Parameter(initial_frequencies(initialisation, n_state).expand(shape).clone())
        self.c = nn.Parameter(torch.randn(*shape, 2) * 0.5**0.5)  # real and imaginary part
        self.d = nn.Parameter(torch.randn(n_features))

    def undecayed(self) -> list[nn.Parameter]:
        """Rates and steps of the systems, which weight decay would pull to no sensible place."""
        return [self.log_dt, self.log_a_real, self.a_imag]

    def discretise(self) -> tuple[Tensor, Tensor]:
        """Logarithm of the state's factor from a position to the next, and what the output takes of the state.

        Both complex (direction, feature, state / 2).
        y_l = 2 Re Σ c' x_l with x_l = a' x_{l-1} + u_l: the input's factor of the zero-order hold is part of c'.
        """
        a = torch.complex(-self.log_a_real.exp(), self.a_imag)
        step = a * self.log_dt.exp()[..., None]
        return step, torch.view_as_complex(self.c) * (step.exp() - 1) / a

    def kernel(self, n_positions: int) -> Tensor:
        """Impulse responses, float32 (direction, feature, n_positions).

        exp(a l) = exp(a B l₁) exp(a l₀) with l = B l₁ + l₀, so that a product of two small matrices for each feature
        gives the sum over states, and the large table of all powers is never made.
        """
        step, taken = self.discretise()
        block = max(1, math.isqrt(n_positions))
        n_blocks = -(-n_positions // block)
        device = step.device
        within = torch.exp(step[..., None] * torch.arange(block, device=device)) * taken[..., None]
        across = torch.exp(step[..., None, :] * (block * torch.arange(n_blocks, device=device))[:, None])
        # (…, block, 2 state) @ (…, 2 state, position in block): the real part of a complex product
        product = torch.cat([across.real, -across.imag], dim=-1) @ torch.cat([within.real, within.imag], dim=-2)
        return 2 * product.flatten(-2)[..., :n_positions]

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position)."""
        n = x.shape[2]
        with torch.autocast(x.device.type, enabled=False):  # no Fourier transform in half precision
            signal = x.float()
            kernel = self.kernel(n)
            # what runs backwards wraps round to the end, and leaves the position itself to the first kernel
            both = kernel[0] if len(kernel) == 1 else torch.cat([kernel[0], kernel[1].flip(1)], dim=1)
            response = torch.fft.rfft(both, 2 * n)
            y = torch.fft.irfft(torch.fft.rfft(signal, 2 * n) * response, 2 * n)[..., :n]
            return (y + signal * self.d[:, None]).to(x.dtype)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the features of each position alone, so that nothing passes between positions."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class S4dBlock(nn.Module):
    """Norm, state space, GELU, a gated linear layer at each position; plus what went in."""

    def __init__(
        self, n_features: int, n_state: int, *, dropout: float, bidirectional: bool, initialisation: str
    ) -> None:
        super().__init__()
        self.norm = ChannelNorm(n_features)
        self.space = DiagonalStateSpace(n_features, n_state, bidirectional=bidirectional, initialisation=initialisation)
        self.mix = nn.Conv1d(n_features, 2 * n_features, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, feature, position)."""
        y = self.dropout(nn.functional.gelu(self.space(self.norm(x))))
        return x + self.dropout(nn.functional.glu(self.mix(y), dim=1))


class S4dNet(HasPrecision, nn.Module):
    """(window, lead, sample) → (window, feature, position): a strided convolution, then state spaces both ways.

    Attributes
    ----------
    dtype : bfloat16 or float16 to run all but the state spaces themselves in that; None for float32
    n_patient : channels below the leads that tell of the patient
    """

    def __init__(self, config: S4dConfig, n_leads: int, n_patient: int = 0) -> None:
        super().__init__()
        self.n_features, self.n_patient = config.n_features, n_patient
        self.stem = nn.Conv1d(
            n_leads + n_patient, config.n_features, 2 * config.stride + 1, config.stride, config.stride
        )
        self.layers = nn.ModuleList(
            S4dBlock(
                config.n_features,
                config.n_state,
                dropout=config.dropout,
                bidirectional=True,
                initialisation=config.initialisation,
            )
            for _ in range(config.n_layers)
        )
        self.norm = ChannelNorm(config.n_features)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        with torch.autocast(x.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            x = self.stem(x)
            for layer in self.layers:
                x = layer(x)
            return self.norm(x).float()

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up; the norm belongs to the last."""
        return [self.stem, *self.layers[:-1], nn.ModuleList([self.layers[-1], self.norm])]
