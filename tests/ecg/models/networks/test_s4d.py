"""Diagonal state spaces: the convolution against its recurrence, step by step, and the classifier of them."""

import math

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig, S4dConfig
from ecg12.ecg.models.networks.s4d import ChannelNorm, DiagonalStateSpace, S4dBlock, S4dNet, initial_frequencies
from ecg12.pipeline.compute.float_precision import Arithmetic

SMALL = {"n_features": 6, "n_layers": 2, "n_state": 4, "dropout": 0.0}


def space_of(**options) -> DiagonalStateSpace:
    torch.manual_seed(2)
    return DiagonalStateSpace(3, 8, **options)


def run_recurrence(space: DiagonalStateSpace, u: torch.Tensor, direction: int) -> torch.Tensor:
    """x_l = exp(dt A) x_{l-1} + (exp(dt A) - 1)/A u_l and y_l = 2 Re C x_l, in double precision."""
    a = torch.complex(-space.log_a_real.double().exp(), space.a_imag.double())[direction]
    decay = (a * space.log_dt.double().exp()[direction, :, None]).exp()
    c = torch.view_as_complex(space.c.double())[direction]
    state = torch.zeros(len(u), *a.shape, dtype=torch.complex128)
    outputs = []
    for position in range(u.shape[2]):
        state = decay * state + (decay - 1) / a * u[:, :, position, None].double()
        outputs.append(2 * (c * state).sum(dim=2).real)
    return torch.stack(outputs, dim=2)


@pytest.mark.parametrize("initialisation", ["lin", "inv"])
@pytest.mark.parametrize("n", [1, 2, 37, 64])
def test_the_convolution_is_the_recurrence(initialisation, n):
    space = space_of(initialisation=initialisation)
    u = torch.randn(2, 3, n)
    expected = run_recurrence(space, u, 0) + space.d[:, None] * u
    torch.testing.assert_close(space(u), expected.float(), atol=1e-4, rtol=1e-4)


def test_the_other_direction_is_the_recurrence_from_the_end_without_the_position_itself():
    space = space_of(bidirectional=True)
    u = torch.randn(2, 3, 29)
    backwards = run_recurrence(space, u.flip(2), 1).flip(2)
    after = torch.cat([backwards[:, :, 1:], torch.zeros(2, 3, 1)], dim=2)
    expected = run_recurrence(space, u, 0) + after + space.d[:, None] * u
    torch.testing.assert_close(space(u), expected.float(), atol=1e-4, rtol=1e-4)


def test_the_kernel_is_the_sum_over_states_written_out():
    space = space_of()
    step, taken = space.discretise()
    positions = torch.arange(50)
    expected = 2 * (taken[..., None] * torch.exp(step[..., None] * positions)).real.sum(dim=2)
    torch.testing.assert_close(space.kernel(50), expected, atol=1e-5, rtol=1e-5)


def test_it_starts_as_published():
    """S4D-Lin: A_n = -1/2 + iπn; S4D-Inv: A_n = -1/2 + i (N/π)(N/(2n+1) - 1)."""
    assert initial_frequencies("lin", 8).tolist() == pytest.approx([0, math.pi, 2 * math.pi, 3 * math.pi])
    assert initial_frequencies("inv", 4).tolist() == pytest.approx([4 / math.pi * 3, 4 / math.pi * (4 / 3 - 1)])
    space = space_of()
    torch.testing.assert_close(-space.log_a_real.exp(), torch.full((1, 3, 4), -0.5))
    assert ((space.log_dt.exp() >= 1e-3) & (space.log_dt.exp() <= 1e-1)).all()


def test_it_sees_the_past_only_unless_it_runs_both_ways():
    for both, same in ((False, True), (True, False)):
        space = space_of(bidirectional=both)
        u = torch.randn(1, 3, 20)
        before = space(u)
        u[:, :, 12:] += 1
        assert torch.allclose(space(u)[:, :, :12], before[:, :, :12], atol=1e-5) == same


def test_a_block_adds_to_what_went_in_and_every_parameter_learns():
    torch.manual_seed(1)
    block = S4dBlock(3, 4, dropout=0.0, bidirectional=True, initialisation="lin")
    x = torch.randn(2, 3, 16)
    block(x).square().sum().backward()
    assert all(values.grad is not None and values.grad.any() for values in block.parameters())
    with torch.no_grad():
        block.mix.weight.zero_()
        block.mix.bias.zero_()
    torch.testing.assert_close(block(x), x)


def test_half_precision_around_it_changes_little():
    space = space_of()
    u = torch.randn(2, 3, 32)
    with torch.autocast("cpu", torch.bfloat16):
        half = space(u.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), space(u), atol=0.1, rtol=0.1)


def test_a_norm_at_each_position_passes_nothing_between_them():
    x = torch.randn(2, 5, 9)
    normed = ChannelNorm(5)(x)
    torch.testing.assert_close(normed.mean(dim=1), torch.zeros(2, 9), atol=1e-6, rtol=0)
    x[:, :, 4] *= 7
    torch.testing.assert_close(ChannelNorm(5)(x)[:, :, :4], normed[:, :, :4])


def test_the_net_makes_a_position_of_a_stride():
    net = S4dNet(S4dConfig(**SMALL, stride=4), 12).eval()
    assert net(torch.randn(2, 12, 64)).shape == (2, 6, 16)
    assert [type(block).__name__ for block in net.blocks()] == ["Conv1d", "S4dBlock", "ModuleList"]


def test_the_net_runs_in_half_precision_where_that_is_asked_for():
    torch.manual_seed(3)
    model, x = build_model(ModelConfig(window_length=64, model="s4d", s4d_features=6), 3).eval(), torch.randn(2, 12, 64)
    full = model(x)
    Arithmetic(precision="bf16", kernels="plain").apply(model)
    half = model(x)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, atol=0.1, rtol=0.1)


def test_a_classifier_of_it_learns():
    options = {f"s4d_{name.removeprefix('n_')}": value for name, value in SMALL.items()}
    config = ModelConfig(window_length=64, model="s4d", **options)
    again = ModelConfig.from_dict(config.to_dict())
    torch.manual_seed(1)
    model = build_model(again, 3)
    x, wanted = torch.randn(16, 12, 64), (torch.arange(16) % 2).float()[:, None].expand(-1, 3)
    x[::2, :, 20:30] += 2
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(values.grad is not None for values in model.parameters())


def test_about_three_million_parameters_by_default():
    n = sum(values.numel() for values in build_model(ModelConfig(model="s4d"), 24).parameters())
    assert 2_000_000 < n < 4_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_features": 0}, "n_features is 0; expected at least 1"),
        ({"stride": 0}, "stride is 0; expected at least 1"),
        ({"n_state": 3}, "n_state is 3; expected an even number of at least 2"),
        ({"n_state": 0}, "n_state is 0; expected an even number"),
        ({"dropout": 1.0}, r"dropout is 1\.0; expected 0 or more and below 1"),
        ({"initialisation": "legs"}, "initialisation is 'legs'; expected lin or inv"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        S4dConfig(**options)


def test_a_layer_checks_what_it_is_given():
    with pytest.raises(ConfigError, match="n_state is 5; expected an even number of at least 2"):
        DiagonalStateSpace(3, 5)
    with pytest.raises(ConfigError, match="state-space initialisation 'legs'; expected lin or inv"):
        initial_frequencies("legs", 4)
