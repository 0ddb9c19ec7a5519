"""What an objective hides: how much, in the reference system's words where it has them, and which tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ecg.config import Config
from ecg.errors import ConfigError

MASKS = ("attention", "input", "both")

MASKING_OPTIONS = frozenset({"mask", "num_masked_samples", "perc_masked_samp"})

OPTIONS_OF: Mapping[str, frozenset[str]] = {
    **{name: frozenset({"transformer", "transformerxl"}) for name in MASKING_OPTIONS},
    **{name: frozenset({"mae"}) for name in ("hidden_leads", "hidden_share", "hidden_span")},
    "negatives": frozenset({"cpc"}),
}
"""Which nets an option means something to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig(Config):
    """What is hidden, and what is compared with; names and defaults are the reference system's where it has them.

    Attributes
    ----------
    mask : of the masking objective. "attention", as the reference system: each token may not look at some others,
        the input stays whole and every sample counts. "input": some tokens are zero in the input, and theirs are the
        samples that count, so that unseen signal has to be predicted. "both": both, and the hidden samples count
    num_masked_samples : tokens on end that are masked together
    perc_masked_samp : share of the tokens to mask
    hidden_leads : leads that mae hides whole
    hidden_share, hidden_span : share of the time that mae hides in all leads, in spans of so many patches
    negatives : latents that cpc tells the true one from; half of them from the same window
    """

    mask: str = "both"
    num_masked_samples: int = 8
    perc_masked_samp: float = 0.15
    hidden_leads: int = 4
    hidden_share: float = 0.5
    hidden_span: int = 4
    negatives: int = 128

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ConfigError(f"mask is {self.mask!r}; expected {', '.join(MASKS)}")
        for name, least in (("num_masked_samples", 1), ("hidden_leads", 0), ("hidden_span", 1), ("negatives", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least {least}")
        for name in ("perc_masked_samp", "hidden_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more and below 1")


def count_blocks(n_tokens: int, config: ObjectiveConfig) -> int:
    """Blocks of tokens to mask."""
    return int(config.perc_masked_samp * n_tokens // config.num_masked_samples)


def draw_attention_mask(n_queries: int, n_keys: int, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """Keys that each query must not see: bool (query, key), blocks drawn with replacement as the reference does."""
    n_masked, device = count_blocks(n_keys, config), generator.device
    blocks = n_keys // config.num_masked_samples
    chosen = torch.randint(blocks, (n_queries, n_masked), generator=generator, device=device)
    hidden = torch.zeros(n_queries, blocks, dtype=torch.bool, device=device).scatter_(1, chosen, True)
    return _widen(hidden, config.num_masked_samples, n_keys)


def draw_input_mask(n_windows: int, n_tokens: int, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """Tokens of each window to hide: bool (window, token), the same number in all, in blocks that do not overlap."""
    blocks = n_tokens // config.num_masked_samples
    ranks = torch.rand(n_windows, blocks, generator=generator, device=generator.device).argsort(dim=1)
    return _widen(ranks < count_blocks(n_tokens, config), config.num_masked_samples, n_tokens)


def _widen(blocks: Tensor, width: int, n: int) -> Tensor:
    """Each block as its tokens; what is left over at the end is not masked."""
    tokens = blocks.repeat_interleave(width, dim=1)
    return functional.pad(tokens, (0, n - tokens.shape[1]), value=False)
