"""What is hidden: blocks of tokens, as many as asked for, of attention as the reference does it and of the input."""

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.objective import ObjectiveConfig
from ecg12.ecg.models.networks.masks import count_blocks, draw_attention_mask, draw_input_mask


def generator(seed=1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_attention_mask_is_the_references():
    """For each query ⌊0.15 T / 8⌋ blocks of eight tokens, which may fall together."""
    config = ObjectiveConfig()
    assert count_blocks(1024, config) == 19
    hidden = draw_attention_mask(1024, 1024, config, generator())
    blocks = hidden.unflatten(1, (128, 8))
    assert torch.equal(blocks.any(dim=2), blocks.all(dim=2))
    n = blocks.all(dim=2).sum(dim=1)
    assert n.max() <= 19
    assert 17 < n.float().mean() < 18.5  # 19 draws of 128 with replacement: 17.7
    assert not hidden.all(dim=1).any()
    assert draw_attention_mask(3, 1030, config, generator())[:, 1024:].sum() == 0  # less than a block is left alone


def test_the_input_mask_hides_as_much_in_every_window():
    hidden = draw_input_mask(50, 1024, ObjectiveConfig(), generator())
    assert (hidden.sum(dim=1) == 19 * 8).all()
    blocks = hidden.unflatten(1, (128, 8))
    assert torch.equal(blocks.any(dim=2), blocks.all(dim=2))
    assert len({tuple(row.tolist()) for row in hidden}) == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "all"}, "mask is 'all'; expected attention, input, both"),
        ({"num_masked_samples": 0}, "num_masked_samples is 0; expected at least 1"),
        ({"perc_masked_samp": 1.0}, r"perc_masked_samp is 1\.0; expected 0 or more and below 1"),
        ({"hidden_leads": -1}, "hidden_leads is -1; expected at least 0"),
        ({"hidden_share": -0.1}, r"hidden_share is -0\.1; expected 0 or more"),
        ({"hidden_span": 0}, "hidden_span is 0; expected at least 1"),
        ({"negatives": 1}, "negatives is 1; expected at least 2"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        ObjectiveConfig(**options)
