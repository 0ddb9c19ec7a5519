"""Half precision: what runs in it, what a step does to the weights, and which devices have it."""

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.compute.autocast import Autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    linear = torch.nn.Linear(3, 2)
    with Autocast(precision, CPU).forward():
        assert linear(torch.ones(1, 3)).dtype == dtype
    assert linear.weight.dtype == torch.float32


def test_a_step_is_that_of_the_clipped_gradient() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    loss = (weight * torch.tensor([3.0, 4.0])).sum()  # a gradient of norm 5
    Autocast("fp32", CPU).update(loss, optimizer, [weight], 1.0)
    torch.testing.assert_close(weight.detach(), torch.tensor([1.0 - 0.6, 2.0 - 0.8]))


def test_its_state_goes_round() -> None:
    one, other = Autocast("bf16", CPU), Autocast("bf16", CPU)
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == one.state_dict()


def test_half_precision_with_a_short_exponent_needs_a_gpu(monkeypatch) -> None:
    with pytest.raises(ConfigError, match="precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda with it"):
        Autocast("fp16", CPU)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(ConfigError, match="precision is 'bf16', which this GPU has not got; expected fp32 or fp16"):
        Autocast("bf16", torch.device("cuda"))
