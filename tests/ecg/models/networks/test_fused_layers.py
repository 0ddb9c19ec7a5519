"""Networks in their fastest form: the same function, whatever the shapes."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from ecg12.ecg.models.networks.convolution import BatchNorm, Convolution, to_form
from ecg12.ecg.models.networks.fused_layers import (
    FusedConvolution,
    from_phases,
    fuse_for_inference,
    split_filter,
    to_phases,
)
from ecg12.ecg.models.networks.resnet import ResNet1d


def make_trained(**options: object) -> ResNet1d:
    """A network whose batch norms have seen something."""
    torch.manual_seed(0)
    values: dict[str, object] = {
        "n_leads": 12,
        "window_length": 1024,
        "net_filter_size": (16, 24, 32),
        "net_seq_length": (1024, 256, 64),
        "kernel_size": 17,
        "dropout_rate": 0.2,
        "squeeze_excitation": True,
    }
    network = ResNet1d(**(values | options)).eval()  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, BatchNorm):
            move_norm(module)
    return network


def make_pair(form: str = "flat", **options: object) -> tuple[ResNet1d, ResNet1d]:
    """A trained network, and the same fused."""
    network = make_trained(**options)
    network.form = form
    fused = copy.deepcopy(network)
    fuse_for_inference(nn.Sequential(fused))
    return network, fused


def move_norm(norm: BatchNorm) -> None:
    """Give a batch norm other values than its first."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_(0, 0.2)
    norm.running_var.uniform_(0.5, 2)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias, 0, 0.2)


@settings(deadline=None, max_examples=40)
@given(
    n_splits=st.integers(0, 3),
    half_kernel=st.integers(4, 10),
    n_each=st.integers(4, 12),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 1000),
)
def test_split_filter_is_the_convolution(
    n_splits: int, half_kernel: int, n_each: int, sizes: tuple[int, int, int], seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    n_windows, n_in, n_out = sizes
    n_phases = 2**n_splits
    half_kernel -= half_kernel % max(n_phases // 2, 1)  # padding at both ends is a whole number of steps
    weight = torch.randn(n_out, n_in, 2 * half_kernel + 1, generator=random, dtype=torch.float64)
    bias = torch.randn(n_out, generator=random, dtype=torch.float64)
    x = torch.randn(n_windows, n_each * n_phases, n_in, generator=random, dtype=torch.float64)
    expected = functional.conv1d(x.transpose(1, 2), weight, bias, padding=half_kernel).transpose(1, 2)

    run = split_filter(weight, bias, n_splits, torch.float64).run(to_phases(x, n_phases, half_kernel))

    torch.testing.assert_close(from_phases(run), expected, rtol=1e-10, atol=1e-10)


def test_phases_of_padded_samples() -> None:
    x = torch.arange(1.0, 9)[None, :, None]

    phases = to_phases(x, 4, 2)

    assert [phase.flatten().tolist() for phase in phases] == [[0, 3, 7], [0, 4, 8], [1, 5, 0], [2, 6, 0]]


@pytest.mark.parametrize(
    ("n_in", "kernel_size", "stride", "length", "splits"),
    [
        (16, 17, 1, 256, True),
        (16, 9, 1, 256, True),
        (16, 17, 1, 128, False),
        (16, 17, 1, 258, False),
        (16, 17, 4, 256, False),
        (16, 11, 1, 256, False),  # five zeros at either end are no whole number of steps of four
        (16, 7, 1, 256, False),
        (12, 17, 1, 256, False),
    ],
)
def test_convolution_and_batch_norm_as_one(n_in: int, kernel_size: int, stride: int, length: int, splits: bool) -> None:
    torch.manual_seed(1)
    padding = (kernel_size - stride + 1) // 2
    convolution = Convolution(n_in, 8, kernel_size, stride=stride, padding=padding, bias=False)
    norm = BatchNorm(8).eval()
    move_norm(norm)
    x = torch.randn(3, n_in, length)
    with torch.no_grad():
        expected = norm(convolution(x))

    fused = FusedConvolution(convolution, norm)

    torch.testing.assert_close(fused(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fused(to_form(x, "flat"))[:, :, 0], expected, rtol=1e-4, atol=1e-5)
    assert bool(fused._filters) is splits


@pytest.mark.parametrize("form", ["plain", "flat"])
@pytest.mark.parametrize("options", [{}, {"squeeze_excitation": False}, {"net_seq_length": (512, 256, 64)}])
def test_fused_network_is_the_network(form: str, options: dict[str, object]) -> None:
    network, fused = make_pair(form, **options)
    x = torch.randn(5, 12, 1024)

    with torch.inference_mode():
        expected, found = network(x), fused(x)

    assert not any(isinstance(module, BatchNorm) for name, module in fused.named_modules() if name.endswith("bn1"))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_fused_in_bfloat16_is_as_near_as_not_fused() -> None:
    network, fused = make_pair()
    x = torch.randn(8, 12, 1024)

    with torch.inference_mode():
        exact = network(x)
        network.dtype = fused.dtype = torch.bfloat16
        rounded, fused_rounded = ((each(x) - exact).abs().mean() for each in (network, fused))

    assert 0 < fused_rounded < 1.3 * rounded
    assert rounded < 0.02 * exact.abs().mean()


def test_precision_can_change_after_fusing() -> None:
    _, network = make_pair()
    x = torch.randn(2, 12, 1024)
    with torch.inference_mode():
        first = network(x)
        network.dtype = torch.bfloat16
        rounded = network(x)
        network.dtype = None
        again = network(x)

    assert torch.equal(first, again)
    assert not torch.equal(first, rounded)


def test_fusing_again_changes_nothing() -> None:
    network = make_trained()
    fuse_for_inference(network)
    before = copy.deepcopy(network.state_dict())

    fuse_for_inference(network)

    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_gradient_of_the_input_is_the_same() -> None:
    network, fused = make_pair()
    x = torch.randn(2, 12, 1024)
    with torch.inference_mode():  # as a prediction does before it is explained
        fused(x)

    gradients = []
    for each in (network, fused):
        given_x = x.clone().requires_grad_()
        each(given_x).square().sum().backward()
        gradients.append(given_x.grad)

    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-2 * float(gradients[0].abs().mean()))
