"""Contrastive predictive coding: no look ahead, a predictor for each step, sizes and their checks."""

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.stage import StageConfig, count_positions
from ecg12.ecg.models.networks.cpc import CpcEncoder, CpcNet, CpcSize, CpcStage, sample_negatives
from ecg12.ecg.models.stages import build_pretraining_net

SIZE = {"n_leads": 12, "dim_encoder": 6, "strides": (4, 2), "dim_context": 8, "n_layers": 2, "n_state": 4}


def size(context="lstm", **options) -> CpcSize:
    return CpcSize(**SIZE | {"context": context, "dropout": 0.0} | options)


def net_of(context="lstm", n_steps=3) -> CpcNet:
    torch.manual_seed(6)
    return CpcNet(size(context), n_steps).eval()


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("context", ["lstm", "s4d"])
def test_a_net_gives_latents_and_what_it_expects_of_them(context, windows):
    net = net_of(context)
    latent, predicted = net(windows)
    assert latent.shape == (2, 8, 6)
    assert predicted.shape == (2, 3, 8, 6)
    expected = torch.einsum("wfp,sef->wspe", net.features(windows), net.predictor.weight.unflatten(0, (3, 6)))
    torch.testing.assert_close(predicted, expected)


@pytest.mark.parametrize("context", ["lstm", "s4d"])
def test_nothing_far_ahead_reaches_context_or_latents(context, windows):
    """Position p reads samples up to its own end and the half width of each convolution, here 4 + 4 · 2 samples."""
    encoder = CpcEncoder(size(context)).eval()
    context_before, latent_before = encoder.features(windows), encoder.encode(windows)
    windows[:, :, 44:] *= 5
    torch.testing.assert_close(encoder.encode(windows)[:, :, :4], latent_before[:, :, :4])
    torch.testing.assert_close(encoder.features(windows)[:, :, :4], context_before[:, :, :4])
    assert not torch.isclose(encoder.features(windows)[:, :, 6:], context_before[:, :, 6:]).all()


@pytest.mark.parametrize("context", ["lstm", "s4d"])
def test_a_stage_keeps_the_samples_and_changes_the_channels(context, windows):
    stage = CpcStage(size(context), 5).eval()
    found = stage(windows)
    assert found.shape == (2, 5, 64)
    # each position becomes its eight samples, and nothing else does
    decoded = stage.decoder(stage.features(windows)[:, :, 3])
    torch.testing.assert_close(found[:, :, 24:32], decoded.unflatten(1, (8, 5)).transpose(1, 2))
    without = CpcStage(size(context), None).eval()
    torch.testing.assert_close(without(windows), without.features(windows))
    assert without.n_features == 8


def test_its_parts_from_the_input_up():
    assert [type(part).__name__ for part in CpcStage(size("s4d"), 5).blocks()] == [
        *("ConvEncoder", "Conv1d", "S4dBlock", "ModuleList")
    ]
    assert [type(part).__name__ for part in CpcStage(size("lstm"), 5).blocks()] == ["ConvEncoder", "Lstm"]


@pytest.mark.parametrize("context", ["lstm", "s4d"])
def test_about_four_million_parameters_by_default(context):
    net = build_pretraining_net(StageConfig(pretrain_model="cpc", context=context), 12, 4096)
    assert 3_500_000 < sum(values.numel() for values in net.parameters()) < 6_000_000


def test_positions_are_windows_over_strides():
    assert count_positions(4096, (4, 2, 2)) == 256
    with pytest.raises(
        ConfigError, match=r"window of 100 samples in positions of 8 \(strides 4, 2\); expected a whole"
    ):
        net_of()(torch.zeros(1, 12, 100))
    with pytest.raises(ConfigError, match="window of 4 samples in positions of 8"):
        count_positions(4, (4, 2))


def test_a_context_must_be_known():
    with pytest.raises(ConfigError, match="context is 'gru'; expected lstm or s4d"):
        CpcEncoder(size("gru"))


def test_negatives_are_drawn_anew_and_again():
    one = sample_negatives(5, 7, 200, torch.Generator().manual_seed(3))
    assert one.shape == (5, 200)
    assert set(one.flatten().tolist()) == set(range(7))
    assert torch.equal(one, sample_negatives(5, 7, 200, torch.Generator().manual_seed(3)))
