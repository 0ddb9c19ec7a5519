"""The transformer stage: an encoder over tokens of a few samples of all leads, and what pretrains it.

Post-norm encoder layers with ReLU and sinusoidal positions, after Vaswani et al. 2017. Parameter names are
those of the reference system's checkpoints. Attention is PyTorch's `scaled_dot_product_attention` at all times: the
shortcut that `nn.TransformerEncoder` takes in inference holds the whole matrix of every head, and took twice the
time and memory on a CPU (64 windows of 1,024 tokens: 8.8 s and 1.4 GB against 4.6 s and 0.6 GB). Dropout of the
attention matrix is an option of its own and off by default, for it needs that matrix too: forward and backward take
3.3 times as long with it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.stage import MAX_TOKENS, count_tokens
from ecg12.ecg.models.networks.half_precision_stage import HalfStage, in_half


class PositionalEncoding(nn.Module):
    """Adds sine and cosine of the position to tokens (window, token, feature)."""

    pe: Tensor

    def __init__(self, dim_model: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", compute_positions(MAX_TOKENS, dim_model)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, token, feature)."""
        # pe: (token, 1, feature)
        return self.dropout(x + self.pe[: x.shape[1], 0])


def compute_positions(n_tokens: int, dim_model: int, device: torch.device | None = None) -> Tensor:
    """Sinusoidal positions, float32 (n_tokens, dim_model): even features sine, odd ones cosine.

    Source: Vaswani et al. 2017, section 3.5.
    """
    position = torch.arange(n_tokens, dtype=torch.float32, device=device)[:, None]
    rate = torch.arange(0, dim_model, 2, dtype=torch.float32, device=device)
    rate = torch.exp(rate * (-math.log(10_000.0) / dim_model))
    positions = torch.zeros(n_tokens, dim_model, device=device)
    positions[:, 0::2] = torch.sin(position * rate)
    positions[:, 1::2] = torch.cos(position * rate)[:, : dim_model // 2]
    return positions


class EncoderLayer(nn.TransformerEncoderLayer):
    """Self-attention, then two linear layers with ReLU; after each the sum with what went in, and its norm."""

    def forward(  # type: ignore[override]
        self, x: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """(window, token, feature), and a mask as `TokenEncoder.encode` takes it."""
        x = self.norm1(x + self.dropout1(self._attend(x, mask)))
        inner = self.dropout(torch.relu(self.linear1(x)))
        return self.norm2(x + self.dropout2(self.linear2(inner)))

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        attention = self.self_attn
        projected = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        # projected: (window, token, 3 · feature) → query, key and value, each (window, head, token, feature of head)
        query, key, value = projected.unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if mask is not None and mask.dtype == torch.bool:
            mask = ~mask
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=attention.dropout if self.training else 0.0
        )
        return attention.out_proj(attended.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """Encoder layers one after another."""

    def __init__(self, size: "EncoderSize") -> None:
        super().__init__()
        layers = [
            EncoderLayer(size.dim_model, size.num_heads, size.dim_inner, size.dropout, batch_first=True)
            for _ in range(size.n_layers)
        ]
        for layer in layers:
            layer.self_attn.dropout = size.dropout_attn
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(window, token, feature), and a mask as `TokenEncoder.encode` takes it."""
        for layer in self.layers:
            x = layer(x, mask)
        return x


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderSize:
    """What an encoder is built from; `steps_concat` samples of all leads make a token.

    `dropout_attn` is of the attention matrix, `dropout` of everything else.
    """

    n_leads: int
    dim_model: int
    dim_inner: int
    num_heads: int
    n_layers: int
    steps_concat: int
    dropout: float
    dropout_attn: float = 0.0

    def __post_init__(self) -> None:
        if self.dim_model % self.num_heads:
            raise ConfigError(f"dim_model {self.dim_model} is no multiple of num_heads {self.num_heads}; expected one")


class TokenEncoder(nn.Module):
    """Windows (window, lead, sample) → tokens (window, token, dim_model).

    A token holds `steps_concat` consecutive samples of all leads, sample by sample.
    """

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        self.size, self.n_features = size, size.dim_model
        self.encoder = nn.Linear(size.n_leads * size.steps_concat, size.dim_model)
        self.pos_encoder = PositionalEncoding(size.dim_model, size.dropout)
        self.transformer_encoder = Encoder(size)

    def encode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens after the encoder.

        Parameters
        ----------
        x : (window, lead, sample)
        mask : (token, token), true (or -inf) where a query (row) must not see a key (column)

        Returns
        -------
        (window, token, dim_model)

        Raises
        ------
        ConfigError
            If the window is no whole number of tokens, or too many.
        """
        n_windows, n_leads, n_samples = x.shape
        tokens = x.transpose(1, 2).reshape(n_windows, count_tokens(n_samples, self.size.steps_concat), -1)
        # tokens: (window, token, sample in token and lead); the factor is the reference system's
        return self.transformer_encoder(self.pos_encoder(self.encoder(tokens) * math.sqrt(n_leads)), mask)

    def features(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, feature, token)."""
        return self.encode(x).transpose(1, 2)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up."""
        return [self.encoder, *self.transformer_encoder.layers]


class TransformerStage(HalfStage, TokenEncoder):
    """(window, lead, sample) → (window, output, sample): each token becomes `steps_concat` samples again.

    With as many outputs as leads it is the net that the masking objective trains to give its input back; with
    the ResNet's number of inputs it is the stage of a classifier. Without any there is no last layer, and it gives its
    `features`.
    """

    def __init__(self, size: EncoderSize, n_outputs: int | None) -> None:
        super().__init__(size)
        self.n_outputs = n_outputs
        if n_outputs is not None:
            self.decoder = nn.Linear(size.dim_model, n_outputs * size.steps_concat)

    @in_half
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (window, lead, sample)."""
        if self.n_outputs is None:
            return self.features(x)
        decoded = self.decoder(self.encode(x, mask))
        # decoded: (window, token, sample in token and output)
        return decoded.reshape(x.shape[0], x.shape[2], self.n_outputs).transpose(1, 2)


class FlippingNet(TokenEncoder):
    """(window, lead, sample) → (window, lead, 4): logits of what was done to each lead.

    Nothing, sign, time, or both; after one linear layer at each token and one over all tokens.
    """

    def __init__(self, size: EncoderSize, window_length: int) -> None:
        super().__init__(size)
        self.decoder = nn.Linear(size.dim_model, size.n_leads)
        self.decoder_class = nn.Linear(count_tokens(window_length, size.steps_concat), 4)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        # (window, token, lead) → (window, lead, token) → (window, lead, class)
        return self.decoder_class(self.decoder(self.encode(x)).transpose(1, 2))
