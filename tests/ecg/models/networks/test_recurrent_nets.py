"""ecg.models.networks.recurrent_nets: an LSTM in half precision, on processors that have none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from ecg12.ecg.models.networks import recurrent_nets as recurrent
from ecg12.ecg.models.networks.recurrent_nets import Lstm, has_half_lstm, keeps_float32, recurrent_net

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def no_half_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrent, "has_half_lstm", lambda device, dtype: False)


def make_pair() -> tuple[Lstm, nn.LSTM]:
    """Ours and torch's with the same weights."""
    torch.manual_seed(3)
    ours, theirs = Lstm(5, 7, 2, batch_first=True), nn.LSTM(5, 7, 2, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_it_is_torchs_where_nothing_else_is_asked_for() -> None:
    ours, theirs = make_pair()
    x, state = torch.randn(2, 9, 5), (torch.randn(2, 2, 7), torch.randn(2, 2, 7))
    found, (h, c) = ours(x, state)
    expected, (expected_h, expected_c) = theirs(x, state)
    assert torch.equal(found, expected)
    assert torch.equal(h, expected_h)
    assert torch.equal(c, expected_c)


def test_it_runs_in_float32_where_the_processor_has_no_other(no_half_lstm: None) -> None:
    ours, theirs = make_pair()
    x = torch.randn(2, 9, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = ours(x.bfloat16())
        assert nn.Linear(7, 3)(found).dtype == torch.bfloat16  # what comes after is as it was
    assert found.dtype == torch.float32
    assert torch.equal(found, theirs(x.bfloat16().float())[0])
    found.sum().backward()
    assert all(parameter.grad is not None for parameter in ours.parameters())


def test_only_lstms_are_kept(no_half_lstm: None) -> None:
    kept = {kind: keeps_float32(recurrent_net(kind, 2, 3, 1), "cpu", torch.bfloat16) for kind in ("rnn", "lstm", "gru")}
    assert kept == {"rnn": False, "lstm": True, "gru": False}


def test_what_is_tried_leaves_random_numbers_and_gradients_as_they_were() -> None:
    has_half_lstm.cache_clear()
    state = torch.get_rng_state()
    with torch.inference_mode():
        known = has_half_lstm("cpu", torch.bfloat16)
        assert known == has_half_lstm("cpu", torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("isa", ["SSE41", "AVX2", "DEFAULT"])
def test_it_runs_under_autocast_whatever_the_processor_has(isa: str) -> None:
    """oneDNN itself says what it lacks: told to do without AVX-512, it refuses an LSTM in bfloat16."""
    code = """
import torch
from torch import nn
from ecg12.ecg.models.networks.recurrent_nets import Lstm, has_half_lstm

def attempt(net):
    try:
        with torch.autocast("cpu", torch.bfloat16):
            net(torch.randn(2, 9, 5))[0].float().sum().backward()
    except RuntimeError:
        return False
    return True

assert attempt(nn.LSTM(5, 7)) == has_half_lstm("cpu", torch.bfloat16)
assert attempt(Lstm(5, 7))
"""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": isa}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
