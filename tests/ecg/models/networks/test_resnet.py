"""ResNet1d: its arrangement, its shapes, and what it does with sizes that do not fit."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.networks.resnet import ResidualBlock, ResNet1d, SqueezeExcitation


def small(**options) -> ResNet1d:
    values = {
        "n_leads": 12,
        "window_length": 64,
        "net_filter_size": (4, 6, 6),
        "net_seq_length": (64, 16, 4),
        "kernel_size": 17,
        "dropout_rate": 0.5,
    }
    return ResNet1d(**(values | options))


def randomise(network: nn.Module) -> nn.Module:
    """Fill everything, batch norms' statistics too, so that no term of a sum is nothing or one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in network.state_dict().values():
            if values.is_floating_point():
                values.copy_(0.5 + torch.rand(values.shape, generator=generator) * 0.5)
        for module in network.modules():
            if isinstance(module, nn.Conv1d):
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * 0.1)
    return network.eval()


class TestResidualBlock:
    @pytest.mark.parametrize(("filters_out", "stride"), [(4, 1), (4, 4), (6, 1), (6, 4)])
    def test_the_sum_before_batch_norm_is_the_second_path(self, filters_out, stride):
        block = randomise(ResidualBlock(4, filters_out, stride, 17, 0.5))
        x, y = torch.randn(2, 4, 64), torch.randn(2, 4, 64)
        hidden = torch.relu(block.bn1(functional.conv1d(x, block.conv1.weight, padding=8)))
        padding = {1: 8, 4: 7}[stride]
        skip = functional.max_pool1d(y, stride) if stride > 1 else y
        if filters_out != 4:
            skip = functional.conv1d(skip, block.skip_connection[-1].weight)
        expected_y = functional.conv1d(hidden, block.conv2.weight, stride=stride, padding=padding) + skip
        new_x, new_y = block(x, y)
        torch.testing.assert_close(new_y, expected_y)
        torch.testing.assert_close(new_x, torch.relu(block.bn2(expected_y)))
        assert new_x.shape == new_y.shape == (2, filters_out, 64 // stride)

    def test_the_skip_of_an_unchanged_shape_has_no_parameters(self):
        assert len(ResidualBlock(4, 4, 1, 17, 0.5).skip_connection) == 0
        assert list(ResidualBlock(4, 4, 4, 17, 0.5).skip_connection.parameters()) == []

    def test_dropout_acts_in_training_only(self):
        block = ResidualBlock(4, 4, 1, 17, 0.5)
        x, y = torch.randn(8, 4, 64), torch.randn(8, 4, 64)
        for output in (0, 1):  # twice in a block: before the second convolution, and at its end
            assert not torch.equal(block(x, y)[output], block(x, y)[output])
        assert (block(x, y)[0] == 0).float().mean() > 0.6  # half by the ReLU, half of the rest by dropout
        block.eval()
        for output in (0, 1):
            assert torch.equal(block(x, y)[output], block(x, y)[output])


class TestShapes:
    @pytest.mark.parametrize(
        ("window_length", "net_seq_length"),
        [(64, (64, 16, 4)), (256, (64, 16, 4)), (64, (64, 64, 64)), (60, (30, 15, 1))],
    )
    def test_features_are_filters_by_positions(self, window_length, net_seq_length):
        network = small(window_length=window_length, net_seq_length=net_seq_length).eval()
        features = network(torch.randn(3, 12, window_length))
        assert features.shape == (3, network.n_filters, network.n_positions) == (3, 6, net_seq_length[-1])

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.integers(1, 24), min_size=1, max_size=3),
        st.integers(1, 3),
        st.sampled_from([1, 3, 5, 17]),
        st.integers(1, 24),
    )
    def test_any_strides_and_any_odd_kernel(self, strides, last, kernel_size, first_stride):
        lengths = [last]
        for stride in strides:
            lengths.append(lengths[-1] * stride)
        window_length = lengths[-1] * first_stride
        network = small(
            n_leads=1,
            window_length=window_length,
            net_filter_size=(2,) * len(lengths),
            net_seq_length=tuple(lengths[::-1]),
            kernel_size=kernel_size,
        ).eval()
        assert network(torch.zeros(1, 1, window_length)).shape == (1, 2, last)

    def test_there_is_no_relu_after_the_stem(self):
        seen = []
        network = small().eval()
        network.resblock1d_0.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
        network(torch.randn(2, 12, 64))
        ((x, y),) = seen
        assert x is y
        assert (x < 0).any()

    def test_windows_do_not_touch_each_other_in_evaluation(self):
        network = randomise(small())
        windows = torch.randn(5, 12, 64)
        together = network(windows)
        alone = torch.cat([network(window[None]) for window in windows])
        torch.testing.assert_close(together, alone)

    def test_parameter_names_are_the_references(self):
        names = {name for name, _ in small().named_parameters()}
        assert {name.split(".")[0] for name in names} == {
            "conv1",
            "bn1",
            "resblock1d_0",
            "resblock1d_1",
            "resblock1d_2",
        }
        assert {name.partition(".")[2] for name in names if name.startswith("resblock1d_1")} == {
            "conv1.weight",
            "bn1.weight",
            "bn1.bias",
            "conv2.weight",
            "bn2.weight",
            "bn2.bias",
            "skip_connection.1.weight",
        }


class TestBlocksLongerThanTheWindow:
    def test_they_are_left_out_with_a_warning(self):
        with pytest.warns(
            UserWarning, match=r"^1 block\(s\) of 64 positions or fewer are longer than the window of 32"
        ):
            network = small(window_length=32)
        assert (network.n_blocks, network.n_filters, network.n_positions) == (2, 6, 4)
        assert network.conv1.out_channels == 6  # the stem leads to the first block that is left
        assert network.eval()(torch.zeros(1, 12, 32)).shape == (1, 6, 4)

    def test_it_is_what_a_network_without_them_would_be(self):
        with pytest.warns(UserWarning, match="2 block"):
            left = small(window_length=8, net_seq_length=(64, 16, 4))
        own = small(window_length=8, net_filter_size=(6,), net_seq_length=(4,))
        assert {k: v.shape for k, v in left.state_dict().items()} == {k: v.shape for k, v in own.state_dict().items()}

    def test_near_miss_a_block_as_long_as_the_window(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert small(window_length=64).n_blocks == 3

    def test_no_block_left_is_an_error(self):
        with (
            pytest.warns(UserWarning, match="3 block"),
            pytest.raises(
                ConfigError, match=r"^net_seq_length \(64, 16, 4\): every block is longer than the window of 3 "
            ),
        ):
            small(window_length=3)


@pytest.mark.parametrize(
    ("window_length", "net_seq_length", "after", "before"),
    [(100, (64, 16, 4), 64, 100), (64, (64, 24, 4), 24, 64), (64, (64, 16, 3), 3, 16), (64, (16, 64, 4), 64, 16)],
)
def test_sizes_that_do_not_divide_are_an_error(window_length, net_seq_length, after, before):
    with pytest.raises(
        ConfigError, match=rf"^net_seq_length: {after} does not divide {before}; expected a whole fraction"
    ):
        small(window_length=window_length, net_seq_length=net_seq_length)


def trained_pair(**options) -> tuple[ResNet1d, ResNet1d]:
    """The same weights twice, in training mode and without dropout."""
    torch.manual_seed(3)
    one, other = (small(dropout_rate=0.0, **options) for _ in range(2))
    other.load_state_dict(one.state_dict())
    return one, other


class TestFormAndPrecision:
    @pytest.mark.parametrize("squeeze_excitation", [False, True])
    def test_the_flat_form_computes_the_same_forth_and_back(self, squeeze_excitation):
        plain, flat = trained_pair(squeeze_excitation=squeeze_excitation)
        flat.form = "flat"
        x = torch.randn(5, 12, 64)
        outcomes = [network(x) for network in (plain, flat)]
        torch.testing.assert_close(outcomes[1], outcomes[0], rtol=1e-4, atol=1e-4)
        for outcome in outcomes:
            outcome.square().sum().backward()
        for (name, one), (_, other) in zip(plain.named_parameters(), flat.named_parameters(), strict=True):
            error = (one.grad - other.grad).norm() / one.grad.norm()
            assert error < 1e-3, name
        for one, other in zip(plain.buffers(), flat.buffers(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("form", ["plain", "flat"])
    def test_bfloat16_is_near_and_gives_float32(self, form):
        exact, half = trained_pair()
        half.form, half.dtype = form, torch.bfloat16
        x = torch.randn(5, 12, 64)
        found = half(x)
        assert found.dtype == torch.float32
        error = (found - exact(x)).norm() / exact(x).norm()
        assert 1e-4 < error < 0.03  # it does run in bfloat16, and gets its two or three digits right
        found.sum().backward()
        assert all(parameter.grad.dtype == torch.float32 for parameter in half.parameters())

    def test_no_key_of_the_checkpoint_depends_on_them(self):
        plain, flat = trained_pair()
        flat.form, flat.dtype = "flat", torch.bfloat16
        flat(torch.randn(2, 12, 64))
        assert list(flat.state_dict()) == list(plain.state_dict())

    def test_products_are_counted_as_the_convolutions_do_them(self):
        network, counted = small(), []
        for module in network.modules():
            if isinstance(module, nn.Conv1d) and module.kernel_size[0] > 1:
                module.register_forward_hook(
                    lambda conv, _, y: counted.append(conv.weight.numel() * y.shape[2])  # for one window
                )
        network.eval()(torch.zeros(1, 12, 64))
        assert network.n_products == sum(counted)


class TestSqueezeExcitation:
    def test_each_filter_is_weighed_by_the_means_of_all(self):
        torch.manual_seed(0)
        layer, x = SqueezeExcitation(6), torch.randn(2, 6, 10)
        means = x.mean(dim=2)
        hidden = (means @ layer.fc1.weight.T + layer.fc1.bias).clamp(min=0)
        factors = 1 / (1 + (-(hidden @ layer.fc2.weight.T + layer.fc2.bias)).exp())
        torch.testing.assert_close(layer(x), x * factors[:, :, None])

    def test_it_stands_in_every_block_or_in_none(self):
        assert not [name for name in small().state_dict() if "squeeze" in name]
        names = [name for name in small(squeeze_excitation=True).state_dict() if "squeeze" in name]
        assert {name.split(".")[0] for name in names} == {"resblock1d_0", "resblock1d_1", "resblock1d_2"}


def test_further_channels_come_below_the_leads():
    network = small(n_patient=4)
    assert network.conv1.in_channels == 16
    assert network.eval()(torch.zeros(1, 16, 64)).shape == (1, 6, 4)
