"""Masked autoencoder: which patches are hidden, that hidden ones reach nothing, and the parts in their order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.stage import count_columns
from ecg12.ecg.models.networks.mae import MaeNet, MaeSize, MaeStage, PatchMask, draw_patch_mask

SIZE = {"patch_length": 8, "dim_model": 8, "dim_inner": 12, "num_heads": 2, "n_layers": 2, "dim_decoder": 4}


def size(**options) -> MaeSize:
    return MaeSize(**SIZE | {"n_leads": 12, "n_decoder_layers": 1, "dropout": 0.0} | options)


def draw(n_windows=5, n_leads=12, n_columns=16, seed=1, **options) -> PatchMask:
    options = {"n_hidden_leads": 4, "share_hidden": 0.5, "span": 2} | options
    return draw_patch_mask(n_windows, n_leads, n_columns, generator=torch.Generator().manual_seed(seed), **options)


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(9))


@given(
    n_leads=st.integers(2, 12),
    n_columns=st.integers(1, 40),
    n_hidden=st.integers(0, 11),
    share=st.floats(0, 0.99),
    span=st.integers(1, 10),
    seed=st.integers(0, 99),
)
def test_whole_leads_and_spans_of_all_leads_are_hidden(n_leads, n_columns, n_hidden, share, span, seed):
    options = {"n_hidden_leads": n_hidden, "share_hidden": share, "span": span}
    n_spans = n_columns // span
    n_hidden_spans = min(round(share * n_spans), n_spans - 1) if n_spans else 0
    if n_hidden >= n_leads or not (n_hidden or n_hidden_spans):
        with pytest.raises(ConfigError, match="expected something to hide, and a lead to see"):
            draw(3, n_leads, n_columns, seed, **options)
        return
    mask = draw(3, n_leads, n_columns, seed, **options)
    assert mask.hidden.shape == (3, n_leads, n_columns)
    leads, columns = mask.hidden.all(dim=2), mask.hidden.all(dim=1)
    assert torch.equal(mask.hidden, leads[:, :, None] | columns[:, None])
    assert (leads.sum(dim=1) == n_hidden).all()
    assert (columns.sum(dim=1) == n_hidden_spans * span).all()
    blocks = columns[:, : n_spans * span].reshape(3, n_spans, span)
    assert torch.equal(blocks.any(dim=2), blocks.all(dim=2))
    for window in range(3):
        assert mask.seen[window].tolist() == torch.nonzero(~mask.hidden[window].flatten())[:, 0].tolist()


def test_a_mask_follows_from_its_generator_and_windows_differ():
    assert torch.equal(draw(seed=4).seen, draw(seed=4).seen)
    assert not torch.equal(draw(seed=4).seen, draw(seed=5).seen)
    assert len({tuple(seen.tolist()) for seen in draw(n_windows=50).seen}) > 40


def test_what_is_hidden_reaches_nothing(windows):
    torch.manual_seed(2)
    net = MaeNet(size()).eval()
    mask = draw(2, 12, 8)
    before = net(windows, mask)
    assert before.shape == windows.shape
    hidden = mask.hidden.repeat_interleave(8, dim=2)
    torch.testing.assert_close(net(torch.where(hidden, 100.0, windows), mask), before)
    assert not torch.isclose(net(torch.where(hidden, windows, windows + 1), mask), before).all()


def test_patches_go_back_where_they_came_from(windows):
    """With an encoder, a decoder and places that change nothing, seen patches come out as they went in."""
    net = MaeNet(size(dim_model=8, dim_decoder=8, n_layers=1, n_decoder_layers=1)).eval()
    mask = draw(2, 12, 8)
    given = windows.unflatten(2, (8, 8)).flatten(1, 2)
    seen = torch.gather(given, 1, mask.seen[:, :, None].expand(-1, -1, 8))
    placed = []
    net.reconstruction.layers[0].register_forward_hook(lambda module, args, output: placed.append(args[0]))
    net.reconstruction.narrow = torch.nn.Identity()
    net.reconstruction(seen, mask, 64)
    with torch.no_grad():
        zero = placed[0].clone()
        net.reconstruction(torch.zeros_like(seen), mask, 64)
        difference = zero - placed[1]
    hidden = mask.hidden.flatten(1)
    torch.testing.assert_close(difference[~hidden], given[~hidden], atol=1e-5, rtol=1e-5)
    assert not difference[hidden].any()


def test_lead_and_place_of_a_patch_are_told_apart(windows):
    net = MaeNet(size()).eval()
    tokens = net.encode(torch.ones(1, 12, 64))
    assert len({tuple(token.tolist()) for token in tokens[0].detach()}) == 96


def test_a_stage_is_the_mean_of_the_leads_at_each_column(windows):
    torch.manual_seed(2)
    stage = MaeStage(size(), 5).eval()
    tokens = stage.encode(windows)  # (window, lead × column, feature)
    assert tokens.shape == (2, 96, 8)
    torch.testing.assert_close(stage.features(windows)[:, :, 3], tokens[:, 3::8].mean(dim=1))
    found = stage(windows)
    assert found.shape == (2, 5, 64)
    decoded = stage.decoder(stage.features(windows)[:, :, 3])
    torch.testing.assert_close(found[:, :, 24:32], decoded.unflatten(1, (8, 5)).transpose(1, 2))
    without = MaeStage(size(), None)
    assert without.eval()(windows).shape == (2, 8, 8)
    assert [type(part).__name__ for part in without.blocks()] == ["Linear", "PreNormLayer", "ModuleList"]


def test_every_parameter_learns(windows):
    net = MaeNet(size(dropout=0.1)).train()
    net(windows, draw(2, 12, 8)).square().mean().backward()
    assert all(values.grad is not None and values.grad.any() for values in net.parameters())


def test_sizes_must_divide():
    assert count_columns(4096, 64) == 64
    for n in (60, 4):
        with pytest.raises(ConfigError, match=f"window of {n} samples in patches of 8; expected a whole number"):
            count_columns(n, 8)
    with pytest.raises(ConfigError, match="dim_decoder 5 is no multiple of num_heads 2; expected one"):
        size(dim_decoder=5)
    with pytest.raises(ConfigError, match="dim_model 9 is no multiple of num_heads 2"):
        size(dim_model=9)
