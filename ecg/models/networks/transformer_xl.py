"""Transformer-XL: attention by distance instead of position, and a memory of the window before.

After Dai et al. 2019. The score of a query for a key that lies `d` tokens before it is

    (q + u) · k  +  (q + v) · W r(d)

where r(d) holds sines and cosines of d times some rates. The usual way computes the second term for every distance and
shifts the matrix into place, which takes the whole matrix of every head, several times over. But the sine of a
difference of two places is a sum of products of their sines and cosines, so the second term is itself an inner
product: of a query turned by its place with the sines and cosines of the key's place. Queries and keys grow by these
features, and `scaled_dot_product_attention` does the rest without ever holding a matrix.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.models.config.stage import count_tokens
from ecg12.ecg.models.networks.half_precision_stage import HalfStage, in_half
from ecg12.ecg.models.networks.transformer import EncoderSize

Memory = tuple[Tensor, Tensor]
"""What is carried from a window to the next: hidden states (layer, row, token, feature), detached, and how many of a
row's tokens, the last ones, are of its own record, int64 (row,)."""


def compute_rates(n: int) -> Tensor:
    """Rates of the sinusoids, radians a token, float32 (n,): a geometric series from 1 down to about 1/10,000."""
    return torch.exp(torch.arange(n, dtype=torch.float32) * (-math.log(10_000.0) / n))


class RelativeAttention(nn.Module):
    """Self-attention of a window's tokens to themselves and to a memory before them, by distance.

    Parameters
    ----------
    dim_model, num_heads : features of a token, and heads that share them
    dropout_attn : of the attention matrix; above 0 the matrix is held in memory
    """

    rates: Tensor

    def __init__(self, dim_model: int, num_heads: int, dropout_attn: float) -> None:
        super().__init__()
        self.num_heads, self.dim_head = num_heads, dim_model // num_heads
        self.dropout_attn = dropout_attn
        self.n_rates = max(self.dim_head // 2, 1)
        self.qkv_net = nn.Linear(dim_model, 3 * dim_model, bias=False)
        self.r_net = nn.Linear(2 * self.n_rates, dim_model, bias=False)
        self.o_net = nn.Linear(dim_model, dim_model, bias=False)
        self.register_buffer("rates", compute_rates(self.n_rates), persistent=False)

    def forward(
        self, x: Tensor, memory: Tensor | None, content_bias: Tensor, place_bias: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attend.

        Parameters
        ----------
        x : (window, token, feature)
        memory : (window, token before, feature), or None
        content_bias, place_bias : u and v of the module's text, (head, feature of head)
        mask : bool, broadcastable to (window, head, token, key), true where a query may see a key; keys are
            the memory's tokens, then the window's

        Returns
        -------
        (window, token, feature)
        """
        n_before = 0 if memory is None else memory.shape[1]
        seen = x if memory is None else torch.cat([memory, x], dim=1)
        query, key, value = self._heads(self.qkv_net(seen))
        query = query[:, :, n_before:]
        places = torch.arange(seen.shape[1], device=x.device)[:, None] * self.rates
        sines, cosines = places.sin().to(x.dtype), places.cos().to(x.dtype)  # (key, rate)
        turned = self._turn(query + place_bias[:, None], sines[n_before:], cosines[n_before:])
        query = torch.cat([query + content_bias[:, None], turned], dim=3)
        of_place = torch.cat([sines, cosines], dim=1).expand(*key.shape[:2], -1, -1)
        attended = functional.scaled_dot_product_attention(
            query,
            torch.cat([key, of_place], dim=3),
            functional.pad(value, (0, 2 * self.n_rates)),  # the fused kernel wants equal sizes
            attn_mask=mask,
            dropout_p=self.dropout_attn if self.training else 0.0,
            scale=self.dim_head**-0.5,
        )
        return self.o_net(attended[..., : self.dim_head].transpose(1, 2).flatten(2))

    def _heads(self, projected: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value, each (window, head, token, feature of head)."""
        return tuple(projected.unflatten(2, (3, self.num_heads, self.dim_head)).permute(2, 0, 3, 1, 4))

    def _turn(self, query: Tensor, sines: Tensor, cosines: Tensor) -> Tensor:
        """Queries whose product with a key's [sines, cosines] is query · W r(distance).

        sin(i - j) = sin i cos j - cos i sin j and cos(i - j) = cos i cos j + sin i sin j, for each rate.
        """
        weight = self.r_net.weight.view(self.num_heads, self.dim_head, 2 * self.n_rates)
        # of_sine, of_cosine: (window, head, token, rate), what each sinusoid of the distance is worth to the query
        of_sine, of_cosine = (query @ weight).chunk(2, dim=3)
        return torch.cat(
            [of_cosine * sines - of_sine * cosines, of_sine * sines + of_cosine * cosines],
            dim=3,
        )


class RelativeLayer(nn.Module):
    """Attention by distance, then two linear layers with ReLU; after each the sum with what went in, and its norm."""

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        self.attention = RelativeAttention(size.dim_model, size.num_heads, size.dropout_attn)
        self.norm_attention = nn.LayerNorm(size.dim_model)
        self.inner = nn.Sequential(
            nn.Linear(size.dim_model, size.dim_inner),
            nn.ReLU(),
            nn.Dropout(size.dropout),
            nn.Linear(size.dim_inner, size.dim_model),
        )
        self.norm_inner = nn.LayerNorm(size.dim_model)
        self.dropout = nn.Dropout(size.dropout)

    def forward(
        self, x: Tensor, memory: Tensor | None, content_bias: Tensor, place_bias: Tensor, mask: Tensor | None
    ) -> Tensor:
        """As `RelativeAttention.forward`."""
        x = self.norm_attention(x + self.dropout(self.attention(x, memory, content_bias, place_bias, mask)))
        return self.norm_inner(x + self.dropout(self.inner(x)))


class TransformerXlStage(HalfStage, nn.Module):
    """(window, lead, sample) → (window, output, sample), each token becoming `steps_concat` samples again.

    Called as a whole it takes every window for one without a past; `step` goes through records window by window.

    Parameters
    ----------
    n_outputs : channels of the output; None leaves the last layer out: see `features`
    mem_len : tokens of the windows before that are remembered
    """

    def __init__(self, size: EncoderSize, n_outputs: int | None, *, mem_len: int) -> None:
        super().__init__()
        self.size, self.n_outputs, self.mem_len = size, n_outputs, mem_len
        self.n_features = size.dim_model
        self.encoder = nn.Linear(size.n_leads * size.steps_concat, size.dim_model)
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList(RelativeLayer(size) for _ in range(size.n_layers))
        dim_head = size.dim_model // size.num_heads
        self.content_bias = nn.Parameter(torch.zeros(size.num_heads, dim_head))
        self.place_bias = nn.Parameter(torch.zeros(size.num_heads, dim_head))
        if n_outputs is not None:
            self.decoder = nn.Linear(size.dim_model, n_outputs * size.steps_concat)

    @in_half
    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample); `features` where there is no last layer."""
        return self.features(x) if self.n_outputs is None else self.step(x, None)[0]

    def features(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, feature, token)."""
        return self._encode(x, None, None, None)[0].transpose(1, 2)

    @in_half
    def step(
        self, x: Tensor, memory: Memory | None, reset: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """One window of each of several records side by side.

        Parameters
        ----------
        x : (row, lead, sample)
        memory : what `step` gave for the windows before; None if every row begins a record. Rows that `x` has no
            longer are left out
        reset : bool (row,), true where the row begins a record, so that nothing of the one before reaches it
        mask : bool, true where a query must not see a key: (token, token), or with columns for the memory in front

        Returns
        -------
        (row, output, sample), or what `features` gives where there is no last layer; and the memory after the window,
        detached
        """
        hidden, after = self._encode(x, memory, reset, mask)
        if self.n_outputs is None:
            return hidden.transpose(1, 2), after
        # decoded: (row, token, sample in token and output)
        decoded = self.decoder(hidden)
        return decoded.reshape(x.shape[0], x.shape[2], -1).transpose(1, 2), after

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up."""
        return [self.encoder, *self.layers]

    def _encode(
        self, x: Tensor, memory: Memory | None, reset: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Memory]:
        n_windows, _, n_samples = x.shape
        n_tokens = count_tokens(n_samples, self.size.steps_concat)
        tokens = x.transpose(1, 2).reshape(n_windows, n_tokens, -1)  # sample in token and lead
        before, known = _recall(memory, reset, n_windows)
        allowed = _allow(known, 0 if before is None else before.shape[2], n_tokens, mask)
        hidden = self.dropout(self.encoder(tokens) * math.sqrt(self.size.n_leads))
        remembered = []
        for number, layer in enumerate(self.layers):
            of_layer = None if before is None else before[number]
            seen = hidden if of_layer is None else torch.cat([of_layer.to(hidden.dtype), hidden], dim=1)
            remembered.append(seen[:, max(seen.shape[1] - self.mem_len, 0) :].detach())
            hidden = layer(
                hidden,
                None if of_layer is None else of_layer.to(hidden.dtype),
                self.content_bias,
                self.place_bias,
                allowed,
            )
        own = torch.full((n_windows,), n_tokens, device=x.device) + (0 if known is None else known)
        return hidden, (torch.stack(remembered), own.clamp(max=self.mem_len))


def _recall(memory: Memory | None, reset: Tensor | None, n_rows: int) -> tuple[Tensor | None, Tensor | None]:
    """Hidden states for these rows, and how many of each row's are its record's; None where no row has any."""
    if memory is None:
        return None, None
    hidden, known = memory[0][:, :n_rows], memory[1][:n_rows]
    if reset is not None:
        known = torch.where(reset, 0, known)
    # most records have one window: then the work of looking at a memory is saved
    return (hidden, known) if hidden.shape[2] and bool(known.any()) else (None, None)


def _allow(known: Tensor | None, n_before: int, n_tokens: int, mask: Tensor | None) -> Tensor | None:
    """Which query may see which key: bool, broadcastable to (row, head, token, key); None for all."""
    if mask is not None and n_before and mask.shape[1] == n_tokens:
        mask = functional.pad(mask, (n_before, 0), value=False)
    allowed = None if mask is None else ~mask[:, -(n_before + n_tokens) :]
    if known is None or bool((known >= n_before).all()):
        return allowed
    place = torch.arange(n_before + n_tokens, device=known.device)
    of_row = (place >= n_before - known[:, None])[:, None, None]
    return of_row if allowed is None else of_row & allowed
