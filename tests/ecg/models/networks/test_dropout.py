"""Dropout: its rate, its mean, its seed, and where torch's own takes over."""

import pytest
import torch

from ecg12.ecg.models.networks.convolution import to_form
from ecg12.ecg.models.networks.dropout import Dropout


def flat(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return to_form(torch.ones(*shape, dtype=dtype), "flat")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_that_is_dropped_and_what_makes_up_for_it(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = flat(8, 32, 1000, dtype=dtype)
    y = Dropout(rate)(x).float()
    # 256,000 draws: the share's standard deviation is at most 0.001
    assert float((y == 0).float().mean()) == pytest.approx(rate, abs=0.005)
    kept = y[y != 0]
    assert float(kept.min()) == float(kept.max()) == pytest.approx(1 / (1 - rate), rel=4e-3)


def test_values_fall_alone() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(flat(4, 64, 512)) == 0).float().flatten() - 0.5
    for lag in (1, 2, 3, 4, 64):
        # neighbours share a random number, but no bit of it
        assert abs(float((dropped[:-lag] * dropped[lag:]).mean())) < 0.004


def test_the_gradient_goes_where_the_value_went() -> None:
    x = flat(2, 5, 7).requires_grad_()
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_the_same_seed_drops_the_same() -> None:
    x, outcomes = flat(2, 5, 7), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        outcomes.append(Dropout(0.5)(x))
    assert torch.equal(outcomes[0], outcomes[1])
    assert not torch.equal(outcomes[0], outcomes[2])


def test_nothing_is_dropped_in_prediction_or_at_rate_0() -> None:
    x = flat(2, 5, 7)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_the_plain_form_is_torchs_own() -> None:
    x = torch.randn(2, 5, 7)
    torch.manual_seed(1)
    ours = Dropout(0.3)(x)
    torch.manual_seed(1)
    assert torch.equal(ours, torch.nn.functional.dropout(x, 0.3))
