"""Integrated gradients: complete, nothing where nothing is looked at, and a matter of the weights."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecg12.ecg.models.attribution import integrate_gradients
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig

TINY = {"net_filter_size": (4, 6), "net_seq_length": (64, 16), "window_length": 256, "kernel_size": 5}
TINY |= {"s4d_features": 6, "s4d_layers": 1, "s4d_state": 4}
STAGE = {"hidden_size_rnn": 5, "num_heads": 2, "num_trans_layers": 1, "dim_model": 8, "dim_inner": 12}
STAGE |= {"dropout": 0.2, "k_steps_ahead": (4,)}


def network_of(seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    network = build_model(ModelConfig(**(TINY | options)), 3).eval()
    for module in network.modules():  # as if it had been trained
        if isinstance(module, nn.BatchNorm1d) and module.affine:
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Conv1d) and module.bias is not None:
            nn.init.normal_(module.bias)  # norms make much of next to nothing
    return network


def windows(n: int = 1, channels: int = 12) -> Tensor:
    return torch.randn(n, channels, 256, generator=torch.Generator().manual_seed(1))


def test_of_a_linear_score_the_shares_are_its_terms() -> None:
    weights = torch.linspace(-1, 1, 2 * 3 * 8).view(2, 3, 8)
    x = torch.arange(24.0).view(1, 3, 8)
    found = integrate_gradients(lambda x: (weights * x).sum(dim=(1, 2)), x, n_leads=3, n_steps=1)
    np.testing.assert_allclose(found.values[:, 0], weights * x, rtol=1e-5)
    np.testing.assert_allclose(found.score, (weights * x).sum(dim=(1, 2)), rtol=1e-5)
    assert found.silent.tolist() == [0, 0]


def test_of_a_quadratic_score_two_steps_are_exact_and_the_mean_of_the_gradient_counts() -> None:
    x = torch.tensor([[[1.0, -2.0, 3.0]]])
    found = integrate_gradients(lambda x: (x**3).sum()[None], x, n_leads=1, n_steps=2)
    np.testing.assert_allclose(found.values[0], x**3, rtol=1e-5)  # ∫ 3 s² x³ ds


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"squeeze_excitation": False, "pooling": "flatten"},
        {"patient": True},
        {"model": "s4d"},
        {"pred_stage_type": "gru", "pred_stage_hidd": 5},
        *(
            {"stage": StageConfig(pretrain_model=name, **STAGE), "pretrain_output_size": 3}
            for name in ("lstm", "transformer")
        ),
        {"stage": StageConfig(pretrain_model="transformer", **STAGE), "probe": True},
        {"stage": StageConfig(pretrain_model="lstm", **STAGE), "pretrain_output_size": 3, "eval_transformer": True},
    ],
    ids=lambda options: "-".join(map(str, options)) or "default",
)
def test_shares_add_up_to_what_the_signal_changes(options: dict) -> None:
    network = network_of(**options)
    x = windows(1, 12 + 4 * ("patient" in options))
    found = integrate_gradients(lambda x: torch.sigmoid(network(x))[0, :2], x, n_leads=12, n_steps=32)
    assert found.values.shape == (2, 1, 12, 256)
    change = found.score - found.silent
    largest = float(change.abs().max())
    assert largest > 1e-3
    np.testing.assert_allclose(found.values.sum(dim=(1, 2, 3)), change, atol=0.05 * largest)
    np.testing.assert_allclose(found.gap, change - found.values.sum(dim=(1, 2, 3)), atol=1e-6)


def test_more_steps_come_closer() -> None:
    network = network_of()
    gaps = [
        float(integrate_gradients(lambda x: network(x)[0], windows(), n_leads=12, n_steps=n).gap.abs().max())
        for n in (1, 50)
    ]
    assert gaps[1] < gaps[0] / 3


def test_what_is_known_of_the_patient_is_not_faded_in() -> None:
    x = torch.ones(1, 3, 8)
    seen = []

    def score(x: Tensor) -> Tensor:
        seen.append(x[0, 2].tolist())
        return x.sum()[None]

    found = integrate_gradients(score, x, n_leads=2, n_steps=3)
    assert found.values.shape == (1, 1, 2, 8)
    assert all(one == [1.0] * 8 for one in seen)
    assert float(found.score - found.silent) == pytest.approx(16)


def test_a_net_that_looks_at_one_lead_at_one_time_gives_that_all() -> None:
    """A matched filter for a spike in lead 7, read between samples 100 and 140."""
    torch.manual_seed(3)
    convolution = nn.Conv1d(12, 4, 9, padding=4)
    nn.init.zeros_(convolution.weight)
    nn.init.normal_(convolution.weight[:, 7], std=0.5)
    network = nn.Sequential(convolution, nn.ReLU(), nn.Conv1d(4, 4, 9, padding=4), nn.ReLU())

    def score(x: Tensor) -> Tensor:
        return torch.sigmoid(network(x)[:, :, 100:141].sum(dim=(1, 2)) - 1)

    found = integrate_gradients(score, windows(), n_leads=12, n_steps=50)
    values = found.values[0, 0]
    assert float(values[7, 92:149].abs().sum()) > 0
    values[7, 92:149] = 0  # the kernels' reach beside it
    assert float(values.abs().max()) == 0


def test_other_weights_give_another_map() -> None:
    """The test of Adebayo et al., "Sanity checks for saliency maps", 2018: an edge detector would not notice."""

    def map_of(network: nn.Module) -> np.ndarray:
        values = integrate_gradients(lambda x: network(x)[0, :1], windows(), n_leads=12, n_steps=20).values
        return values.abs().numpy().ravel()

    network = network_of()
    before = map_of(network)
    np.testing.assert_array_equal(before, map_of(network_of()))
    torch.manual_seed(9)
    for name in ("1.lin", "0.resblock1d_1.conv2", "0.conv1"):  # from the top down, as there
        nn.init.normal_(network.get_submodule(name).weight, std=0.1)
        ranks = [np.argsort(np.argsort(one)) for one in (before, map_of(network))]
        correlation = np.corrcoef(ranks)[0, 1]
        assert correlation < 0.9, name
    assert correlation < 0.6


def test_weights_get_no_gradient_and_memory_does_not_grow_with_steps() -> None:
    network = network_of()
    integrate_gradients(lambda x: network(x)[0], windows(), n_leads=12, n_steps=2)
    assert all(parameter.grad is None for parameter in network.parameters())
