"""The reference system's pretraining step, written as one would first write it: what `bench pretrain` compares with.

Torch's own encoder layers with tokens first, attention masks drawn with numpy on the CPU and moved, relative positions
by the shifted matrix, sums of squares over everything. The sizes are those of the net it is compared with.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.models.config.option_names import RECURRENT_KINDS
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks.transformer import compute_positions

Step = Callable[[Tensor], None]

MASKED, SHARE = 8, 0.15
DROPOUT_ATTENTION = 0.2


def make_baseline_step(config: StageConfig, n_leads: int, window_length: int) -> Step | None:
    """A step of training on float32 (window, lead, sample); None for nets that the reference system has not."""
    if config.pretrain_model in RECURRENT_KINDS:
        return _train(_Recurrent(config, n_leads))
    if config.pretrain_model == "transformerxl":
        return _train(_RelativeTransformer(config, n_leads))
    if config.pretrain_model == "transformer":
        return _train(_Transformer(config, n_leads, window_length))
    return None


def _train(net: nn.Module) -> Step:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        loss = net(x)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return step


class _Recurrent(nn.Module):
    def __init__(self, config: StageConfig, n_leads: int) -> None:
        super().__init__()
        self.steps = config.k_steps_ahead
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[config.pretrain_model]
        self.rnn = kind(n_leads, config.hidden_size_rnn, config.num_layers, batch_first=True)
        self.linear = nn.Linear(config.hidden_size_rnn, n_leads * len(self.steps))

    def forward(self, x: Tensor) -> Tensor:
        """The loss."""
        n = x.shape[2] - max(self.steps)
        found = self.linear(self.rnn(x[:, :, :n].transpose(1, 2))[0]).transpose(1, 2)
        wanted = torch.cat([x[:, :, step : step + n] for step in self.steps], dim=1)
        return functional.mse_loss(found, wanted, reduction="sum")


def _draw_mask(n_queries: int, n_keys: int) -> Tensor:
    """0 or -inf (query, key): blocks of keys that each query must not see."""
    n = int(SHARE * n_keys // MASKED)
    first = MASKED * np.random.choice(n_keys // MASKED, (n_queries, n))
    hidden = torch.from_numpy(np.concatenate([first + place for place in range(MASKED)], axis=1))
    return torch.zeros(n_queries, n_keys).scatter_(1, hidden, -math.inf)


class _Transformer(nn.Module):
    def __init__(self, config: StageConfig, n_leads: int, window_length: int) -> None:
        super().__init__()
        self.concat, self.dropout = config.steps_concat, nn.Dropout(config.dropout)
        n_tokens = window_length // config.steps_concat
        self.encoder = nn.Linear(n_leads * config.steps_concat, config.dim_model)
        self.register_buffer("places", compute_positions(n_tokens, config.dim_model)[:, None])
        layer = nn.TransformerEncoderLayer(config.dim_model, config.num_heads, config.dim_inner, config.dropout)
        self.layers = nn.TransformerEncoder(layer, config.num_trans_layers, enable_nested_tensor=False)
        self.flips = config.trans_train_type == "flipping"
        self.decoder = nn.Linear(config.dim_model, n_leads if self.flips else n_leads * config.steps_concat)
        self.classes = nn.Linear(n_tokens, 4) if self.flips else None

    def forward(self, x: Tensor) -> Tensor:
        """The loss."""
        wanted = x
        if self.classes is not None:
            x, wanted = _flip(x)
        tokens = x.transpose(2, 1).reshape(len(x), -1, x.shape[1] * self.concat).transpose(0, 1)
        tokens = self.dropout(self.encoder(tokens) * math.sqrt(x.shape[1]) + self.places)
        mask = None if self.classes is not None else _draw_mask(len(tokens), len(tokens)).to(x.device)
        found = self.decoder(self.layers(tokens, mask))
        if self.classes is not None:
            return functional.cross_entropy(self.classes(found.permute(1, 2, 0)).flatten(0, 1), wanted.flatten())
        found = found.transpose(0, 1).reshape(len(x), -1, x.shape[1]).transpose(1, 2)
        return functional.mse_loss(found, wanted, reduction="sum")


def _flip(x: Tensor) -> tuple[Tensor, Tensor]:
    """A copy with leads flipped one by one, and how: (window, lead)."""
    x = x.clone()
    choice = torch.from_numpy(np.random.choice(4, x.shape[:2]))
    for window, lead in np.ndindex(*x.shape[:2]):
        if choice[window, lead] % 2:
            x[window, lead] = -x[window, lead]
        if choice[window, lead] >= 2:
            x[window, lead] = x[window, lead].flip(0)
    return x, choice.to(x.device)


class _RelativeLayer(nn.Module):
    def __init__(self, config: StageConfig) -> None:
        super().__init__()
        size, self.heads = config.dim_model, config.num_heads
        self.qkv, self.r = nn.Linear(size, 3 * size, bias=False), nn.Linear(size, size, bias=False)
        self.out, self.drop = nn.Linear(size, size, bias=False), nn.Dropout(config.dropout)
        self.drop_attention = nn.Dropout(DROPOUT_ATTENTION)
        self.norm_attention, self.norm_inner = nn.LayerNorm(size), nn.LayerNorm(size)
        self.inner = nn.Sequential(
            nn.Linear(size, config.dim_inner),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.dim_inner, size),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor, memory: Tensor, places: Tensor, u: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """x: (token, window, feature); memory in front of it; places: (key, 1, feature)."""
        seen = torch.cat([memory, x])
        query, key, value = (part.unflatten(2, (self.heads, -1)) for part in self.qkv(seen).chunk(3, dim=2))
        query, relative = query[len(memory) :], self.r(places)[:, 0].unflatten(1, (self.heads, -1))
        content = torch.einsum("ibnd,jbnd->ijbn", query + u, key)
        place = torch.einsum("ibnd,jnd->ijbn", query + v, relative)
        padded = torch.cat([place.new_zeros(len(place), 1, *place.shape[2:]), place], dim=1)
        place = padded.view(place.shape[1] + 1, len(place), *place.shape[2:])[1:].view_as(place)
        scores = (content + place) / math.sqrt(query.shape[3]) + mask[:, :, None, None]
        found = torch.einsum("ijbn,jbnd->ibnd", self.drop_attention(scores.softmax(dim=1)), value)
        x = self.norm_attention(x + self.drop(self.out(found.flatten(2))))
        return self.norm_inner(x + self.inner(x))


class _RelativeTransformer(nn.Module):
    def __init__(self, config: StageConfig, n_leads: int) -> None:
        super().__init__()
        self.concat, self.dropout, self.mem_len = config.steps_concat, nn.Dropout(config.dropout), config.mem_len
        self.encoder = nn.Linear(n_leads * config.steps_concat, config.dim_model)
        self.layers = nn.ModuleList(_RelativeLayer(config) for _ in range(config.num_trans_layers))
        self.decoder = nn.Linear(config.dim_model, n_leads * config.steps_concat)
        dim_head = config.dim_model // config.num_heads
        self.u, self.v = (nn.Parameter(torch.zeros(config.num_heads, dim_head)) for _ in range(2))
        self.memory: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The loss; what it remembers is of the batch before, whatever that was."""
        tokens = x.transpose(2, 1).reshape(len(x), -1, x.shape[1] * self.concat).transpose(0, 1)
        hidden = self.dropout(self.encoder(tokens))
        if self.memory is None:
            self.memory = [hidden.new_zeros(self.mem_len, *hidden.shape[1:])] * len(self.layers)
        n_keys = self.mem_len + len(hidden)
        places = compute_positions(n_keys, hidden.shape[2], x.device).flip(0)[:, None]
        mask, after = _draw_mask(len(hidden), n_keys).to(x.device), []
        for layer, memory in zip(self.layers, self.memory, strict=True):
            after.append(torch.cat([memory, hidden])[len(hidden) :].detach())
            hidden = layer(hidden, memory, self.dropout(places), self.u, self.v, mask)
        self.memory = after
        found = self.decoder(hidden).transpose(0, 1).reshape(len(x), -1, x.shape[1]).transpose(1, 2)
        return functional.mse_loss(found, x, reduction="sum")
