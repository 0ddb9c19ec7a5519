"""Both forms of the layers compute the same, and the folded gradient is the gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ecg12.ecg.models.networks.convolution import (
    BatchNorm,
    Convolution,
    MaxPool,
    count_folded,
    folded_gradient,
    from_form,
    to_form,
)


def gradients(layer: Convolution, x: torch.Tensor, form: str) -> tuple[torch.Tensor, ...]:
    """Output, gradient of the input and of the weights, for one and the same gradient of the output."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = from_form(layer(to_form(x, form)))
    torch.manual_seed(1)
    y.backward(torch.randn(y.shape))  # not like y, whose layout would matter
    return y.detach(), x.grad, layer.weight.grad


class TestForms:
    @pytest.mark.parametrize(("kernel", "stride"), [(17, 1), (17, 4), (5, 2), (1, 1)])
    def test_a_flat_convolution_is_a_plain_one(self, kernel: int, stride: int) -> None:
        layer = Convolution(3, 5, kernel, stride=stride, padding=max(0, (kernel - stride + 1) // 2), bias=False)
        x = torch.randn(2, 3, 64)
        for flat, plain in zip(gradients(layer, x, "flat"), gradients(layer, x, "plain"), strict=True):
            torch.testing.assert_close(flat, plain, rtol=1e-4, atol=1e-5)

    def test_flat_features_have_their_channels_side_by_side(self) -> None:
        flat = to_form(torch.randn(2, 3, 8), "flat")
        assert flat.shape == (2, 3, 1, 8)
        assert flat.stride()[1] == 1
        layer = Convolution(3, 5, 5, padding=2, bias=False)
        assert layer(flat).is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("kernel", [1, 17])
    def test_gradients_have_the_layout_of_their_weights(self, kernel: int) -> None:
        layer = Convolution(32, 32, kernel, padding=kernel // 2, bias=False)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(to_form(torch.randn(1, 32, 256), "flat"))
        y.float().sum().backward()
        assert layer.weight.grad.stride() == layer.weight.stride()  # sharing gradients among ranks wants that

    def test_batch_norm_and_pooling(self) -> None:
        x = torch.randn(4, 3, 16)
        for layer in (BatchNorm(3), MaxPool(4)):
            torch.testing.assert_close(from_form(layer(to_form(x, "flat"))), layer(x))

    def test_names_and_shapes_of_the_parameters_are_those_of_torchs_own(self) -> None:
        for ours, theirs in (
            (Convolution(3, 5, 17, bias=False), torch.nn.Conv1d(3, 5, 17, bias=False)),
            (BatchNorm(5), torch.nn.BatchNorm1d(5)),
        ):
            mine, yours = ours.state_dict(), theirs.state_dict()
            assert {name: value.shape for name, value in mine.items()} == {
                name: value.shape for name, value in yours.items()
            }


class TestFolding:
    @settings(deadline=None, max_examples=40)
    @given(
        n_windows=st.integers(1, 3),
        n_in=st.integers(1, 4),
        n_out=st.integers(1, 4),
        half_kernel=st.integers(0, 8),
        stride=st.integers(1, 4),
        rows=st.integers(1, 6),
        n_folded=st.integers(1, 8),
    )
    def test_it_is_the_gradient(
        self, n_windows: int, n_in: int, n_out: int, half_kernel: int, stride: int, rows: int, n_folded: int
    ) -> None:
        kernel, n_samples = 2 * half_kernel + 1, rows * n_folded * stride
        padding = max(0, (kernel - stride + 1) // 2)
        x = torch.randn(n_windows, n_in, n_samples, dtype=torch.float64)
        weight = torch.randn(n_out, n_in, kernel, dtype=torch.float64, requires_grad=True)
        if n_samples + 2 * padding < kernel:
            return
        y = functional.conv1d(x, weight, stride=stride, padding=padding)
        if y.shape[2] % n_folded:
            return
        gradient = torch.randn_like(y)
        y.backward(gradient)
        found = folded_gradient(to_form(x, "flat"), to_form(gradient, "flat"), kernel, stride, padding, n_folded)
        torch.testing.assert_close(found[:, :, 0], weight.grad)

    @pytest.mark.parametrize(
        ("n_in", "n_out", "length", "stride"), [(32, 32, 2048, 1), (24, 40, 256, 1), (32, 32, 256, 4)]
    )
    def test_in_bfloat16_it_is_as_near_as_torchs_own(self, n_in: int, n_out: int, length: int, stride: int) -> None:
        assert count_folded(n_in, n_out, stride, length // stride) > 0
        torch.manual_seed(2)
        layer = Convolution(n_in, n_out, 17, stride=stride, padding=(17 - stride + 1) // 2, bias=False)
        x = torch.randn(1, n_in, length)
        exact = gradients(layer, x, "plain")
        found = {}
        for folds in (False, True):
            layer.folds = folds
            with torch.autocast("cpu", torch.bfloat16):
                found[folds] = gradients(layer, x, "flat")
        for ours, torchs, truth in zip(found[True], found[False], exact, strict=True):
            error = (ours.float() - truth).norm() / truth.norm()
            assert error < 0.01
            assert error < 1.5 * (torchs.float() - truth).norm() / truth.norm()
        assert found[True][2].dtype == torch.float32

    @given(
        n_in=st.integers(1, 512),
        n_out=st.integers(1, 512),
        stride=st.sampled_from([1, 2, 4]),
        length=st.integers(1, 8192),
    )
    def test_only_what_divides_is_folded(self, n_in: int, n_out: int, stride: int, length: int) -> None:
        n_folded = count_folded(n_in, n_out, stride, length)
        assert n_folded == 0 or length % n_folded == 0

    def test_float32_prediction_and_the_plain_form_are_left_to_torch(self) -> None:
        layer = Convolution(32, 32, 17, padding=8, bias=False)
        x = torch.randn(1, 32, 2048)
        assert "Folded" not in layer(to_form(x, "flat")).grad_fn.name()
        with torch.autocast("cpu", torch.bfloat16):
            assert "Folded" in layer(to_form(x, "flat")).grad_fn.name()
            assert "Folded" not in layer(x).grad_fn.name()
            with torch.no_grad():
                assert layer(to_form(x, "flat")).grad_fn is None

    def test_weights_that_want_no_gradient_cost_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = Convolution(32, 32, 17, padding=8, bias=False).requires_grad_(False)
        assert count_folded(32, 32, 1, 2048) > 0
        monkeypatch.setattr("ecg12.ecg.models.networks.convolution.folded_gradient", None)
        x = torch.randn(1, 32, 2048, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            y = from_form(layer(to_form(x, "flat")))
        y.float().sum().backward()
        assert float(x.grad.abs().max()) > 0
