"""Masked autoencoder: a plain vision-transformer encoder of the patches that are seen, a narrow decoder of all.

After He et al. 2022. A patch is a stretch of one lead. Hidden are whole leads, so that a lead has to be told from the
others, and spans of time in all leads, so that time has to be told from what is around. The encoder reads only the
patches that are left; the same number of them in every window, so that they go through it side by side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.stage import count_columns
from ecg12.ecg.models.networks.half_precision_stage import HalfStage, in_half
from ecg12.ecg.models.networks.transformer import compute_positions


@dataclass(frozen=True, kw_only=True, slots=True)
class MaeSize:
    """What the encoder is built from, and the decoder that pretraining adds."""

    n_leads: int
    patch_length: int
    dim_model: int
    dim_inner: int
    num_heads: int
    n_layers: int
    dim_decoder: int
    n_decoder_layers: int
    dropout: float

    def __post_init__(self) -> None:
        for name in ("dim_model", "dim_decoder"):
            if getattr(self, name) % self.num_heads:
                raise ConfigError(
                    f"{name} {getattr(self, name)} is no multiple of num_heads {self.num_heads}; expected one"
                )


@dataclass(frozen=True, slots=True, eq=False)
class PatchMask:
    """Which patches of each window are hidden, the same number in all.

    Attributes
    ----------
    seen : int64 (window, n_seen): numbers of the patches that are not, ascending; patch = lead × columns + column
    hidden : bool (window, lead, column)
    """

    seen: Tensor
    hidden: Tensor


def draw_patch_mask(
    n_windows: int,
    n_leads: int,
    n_columns: int,
    *,
    n_hidden_leads: int,
    share_hidden: float,
    span: int,
    generator: torch.Generator,
) -> PatchMask:
    """Hide whole leads, and spans of columns in all leads.

    Parameters
    ----------
    n_hidden_leads : leads of each window to hide whole
    share_hidden : of the spans to hide, as nearly as whole spans allow, and never all of them
    span : columns that are hidden together

    Raises
    ------
    ConfigError
        If nothing would be left to see, or nothing to hide.
    """
    n_spans = n_columns // span
    n_hidden_spans = min(round(share_hidden * n_spans), n_spans - 1) if n_spans else 0
    if n_hidden_leads >= n_leads or not (n_hidden_leads or n_hidden_spans):
        raise ConfigError(
            f"{n_hidden_leads} of {n_leads} leads and {n_hidden_spans} of {n_spans} spans hidden; expected something "
            "to hide, and a lead to see"
        )
    hidden_leads = _random_ranks(n_windows, n_leads, generator) < n_hidden_leads
    hidden_columns = (_random_ranks(n_windows, n_spans, generator) < n_hidden_spans).repeat_interleave(span, dim=1)
    # columns beyond the last whole span are not hidden, so that as many are left in every window
    hidden_columns = functional.pad(hidden_columns, (0, n_columns - hidden_columns.shape[1]), value=False)
    hidden = hidden_leads[:, :, None] | hidden_columns[:, None]
    seen = torch.nonzero(~hidden.flatten(1))[:, 1].view(n_windows, -1)
    return PatchMask(seen, hidden)


def _random_ranks(n_windows: int, n: int, generator: torch.Generator) -> Tensor:
    """A random permutation of n in each row."""
    return torch.rand(n_windows, n, generator=generator, device=generator.device).argsort(dim=1).argsort(dim=1)


class PreNormLayer(nn.Module):
    """Norm and self-attention, norm and two linear layers with GELU; each added to what went in."""

    def __init__(self, dim_model: int, dim_inner: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_attention = nn.LayerNorm(dim_model)
        self.qkv = nn.Linear(dim_model, 3 * dim_model)
        self.out = nn.Linear(dim_model, dim_model)
        self.norm_inner = nn.LayerNorm(dim_model)
        self.inner = nn.Sequential(nn.Linear(dim_model, dim_inner), nn.GELU(), nn.Linear(dim_inner, dim_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, patch, feature)."""
        query, key, value = (
            self.qkv(self.norm_attention(x)).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.inner(self.norm_inner(x)))


class MaeEncoder(nn.Module):
    """Patches → tokens (window, patch, dim_model): a linear layer, lead and place added, pre-norm layers."""

    def __init__(self, size: MaeSize) -> None:
        super().__init__()
        self.size, self.n_features = size, size.dim_model
        self.embed = nn.Linear(size.patch_length, size.dim_model)
        self.of_lead = nn.Parameter(torch.randn(size.n_leads, size.dim_model) * 0.02)
        self.layers = nn.ModuleList(
            PreNormLayer(size.dim_model, size.dim_inner, size.num_heads, size.dropout) for _ in range(size.n_layers)
        )
        self.norm = nn.LayerNorm(size.dim_model)

    def encode(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Tokens of all patches, or of those that are seen.

        Parameters
        ----------
        x : (window, lead, sample)
        seen : int64 (window, n_seen), see `PatchMask`

        Returns
        -------
        (window, patch or seen patch, dim_model)
        """
        patches = to_patches(x, self.size.patch_length)
        # of_place: (lead, column, feature)
        of_place = self.of_lead[:, None] + compute_positions(patches.shape[2], self.size.dim_model, x.device)
        of_place = of_place.flatten(0, 1).expand(x.shape[0], -1, -1)
        patches = patches.flatten(1, 2)
        if seen is not None:
            patches, of_place = take(patches, seen), take(of_place, seen)
        tokens = self.embed(patches) + of_place
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up; the norm belongs to the last."""
        return [self.embed, *self.layers[:-1], nn.ModuleList([self.layers[-1], self.norm])]


class MaeStage(HalfStage, MaeEncoder):
    """(window, lead, sample) → (window, output, sample): the leads' mean at each column becomes its samples again.

    Without `n_outputs` there is no last layer, and it gives its `features`.
    """

    def __init__(self, size: MaeSize, n_outputs: int | None) -> None:
        super().__init__(size)
        self.n_outputs = n_outputs
        if n_outputs is not None:
            self.decoder = nn.Linear(size.dim_model, n_outputs * size.patch_length)

    def features(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, feature, column)."""
        return self.encode(x).unflatten(1, (self.size.n_leads, -1)).mean(dim=1).transpose(1, 2)

    @in_half
    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        found = self.features(x)
        if self.n_outputs is None:
            return found
        decoded = self.decoder(found.transpose(1, 2))  # (window, column, sample in column and output)
        return decoded.reshape(x.shape[0], x.shape[2], self.n_outputs).transpose(1, 2)


class MaeNet(MaeEncoder):
    """The net that pretraining trains: the encoder over what is seen, and a narrow decoder over everything."""

    def __init__(self, size: MaeSize) -> None:
        super().__init__(size)
        self.reconstruction = MaeDecoder(size)

    def forward(self, x: Tensor, mask: PatchMask) -> Tensor:
        """(window, lead, sample) → all its samples as told from the patches seen, the same shape."""
        return self.reconstruction(self.encode(x, mask.seen), mask, x.shape[2])


class MaeDecoder(nn.Module):
    """Tokens of the patches seen → samples of all patches."""

    def __init__(self, size: MaeSize) -> None:
        super().__init__()
        self.size = size
        self.narrow = nn.Linear(size.dim_model, size.dim_decoder)
        self.unseen = nn.Parameter(torch.randn(size.dim_decoder) * 0.02)
        self.of_lead = nn.Parameter(torch.randn(size.n_leads, size.dim_decoder) * 0.02)
        self.layers = nn.ModuleList(
            PreNormLayer(size.dim_decoder, 4 * size.dim_decoder, size.num_heads, size.dropout)
            for _ in range(size.n_decoder_layers)
        )
        self.norm = nn.LayerNorm(size.dim_decoder)
        self.to_samples = nn.Linear(size.dim_decoder, size.patch_length)

    def forward(self, tokens: Tensor, mask: PatchMask, n_samples: int) -> Tensor:
        """tokens: (window, seen patch, feature)."""
        n_columns = n_samples // self.size.patch_length
        of_place = self.of_lead[:, None] + compute_positions(n_columns, self.size.dim_decoder, tokens.device)
        narrow = self.narrow(tokens)
        everything = self.unseen.to(narrow.dtype).expand(len(tokens), self.size.n_leads * n_columns, -1)
        everything = everything.scatter(1, mask.seen[:, :, None].expand(-1, -1, narrow.shape[2]), narrow)
        everything = everything + of_place.flatten(0, 1)
        for layer in self.layers:
            everything = layer(everything)
        return self.to_samples(self.norm(everything)).reshape(len(tokens), self.size.n_leads, n_samples)


def to_patches(x: Tensor, patch_length: int) -> Tensor:
    """(window, lead, sample) → (window, lead, column, sample of patch).

    Raises
    ------
    ConfigError
        If the window is no whole number of patches.
    """
    count_columns(x.shape[2], patch_length)
    return x.unflatten(2, (-1, patch_length))


def take(values: Tensor, places: Tensor) -> Tensor:
    """values (window, n, feature) at places (window, m) → (window, m, feature)."""
    return torch.gather(values, 1, places[:, :, None].expand(-1, -1, values.shape[2]))
