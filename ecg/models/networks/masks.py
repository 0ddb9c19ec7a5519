"""What an objective hides: how much, in the reference system's words where it has them, and which tokens."""

import torch
from torch import Tensor
from torch.nn import functional

from ecg12.ecg.models.config.objective import ObjectiveConfig


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
