"""Transformer-XL: attention by distance against its definition, and what is remembered from window to window."""

import math

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.networks.transformer import EncoderSize
from ecg12.ecg.models.networks.transformer_xl import RelativeAttention, TransformerXlStage

SIZE = {"n_leads": 12, "dim_model": 8, "dim_inner": 12, "num_heads": 2, "n_layers": 2, "steps_concat": 4}


def stage_of(n_outputs=5, mem_len=6, **options) -> TransformerXlStage:
    torch.manual_seed(3)
    stage = TransformerXlStage(EncoderSize(**SIZE | {"dropout": 0.0} | options), n_outputs, mem_len=mem_len).eval()
    with torch.no_grad():  # biases start at zero, where nothing would show whether they count
        stage.content_bias.normal_()
        stage.place_bias.normal_()
    return stage


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(3, 12, 32, generator=torch.Generator().manual_seed(9))


def attend_by_definition(attention, x, memory, u, v, mask):
    """Every score for itself: (q + u)·k + (q + v)·W r(distance), softmax, values; no shift and no turning."""
    seen = torch.cat([memory, x], dim=1)
    n_before, n_keys = memory.shape[1], seen.shape[1]
    projected = attention.qkv_net(seen).unflatten(2, (3, attention.num_heads, attention.dim_head))
    weight = attention.r_net.weight.view(attention.num_heads, attention.dim_head, -1)
    out = torch.zeros(*x.shape[:2], attention.num_heads, attention.dim_head)
    for window in range(len(x)):
        for head in range(attention.num_heads):
            for token in range(x.shape[1]):
                query = projected[window, n_before + token, 0, head]
                scores = torch.empty(n_keys)
                for key in range(n_keys):
                    angles = (n_before + token - key) * attention.rates
                    relative = weight[head] @ torch.cat([angles.sin(), angles.cos()])
                    score = (query + u[head]) @ projected[window, key, 1, head] + (query + v[head]) @ relative
                    scores[key] = score / math.sqrt(attention.dim_head)
                scores = scores.masked_fill(~mask[token], -torch.inf)
                out[window, token, head] = scores.softmax(0) @ projected[window, :, 2, head]
    return attention.o_net(out.flatten(2))


def test_attention_is_by_distance_as_defined():
    torch.manual_seed(5)
    attention = RelativeAttention(8, 2, 0.0)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    u, v = torch.randn(2, 4), torch.randn(2, 4)
    mask = torch.rand(5, 8) < 0.7
    mask[:, 0] = True
    expected = attend_by_definition(attention, x, memory, u, v, mask)
    torch.testing.assert_close(attention(x, memory, u, v, mask), expected, atol=1e-5, rtol=1e-5)


def test_only_distance_counts(windows):
    """The same attention in the middle of a memory that is hidden gives the same as without one."""
    torch.manual_seed(5)
    attention = RelativeAttention(8, 2, 0.0)
    x = torch.randn(2, 5, 8)
    u, v = torch.randn(2, 4), torch.randn(2, 4)
    hidden = torch.ones(5, 12, dtype=torch.bool)
    hidden[:, :7] = False
    moved = attention(x, torch.randn(2, 7, 8), u, v, hidden)
    torch.testing.assert_close(moved, attention(x, None, u, v, None), atol=1e-5, rtol=1e-5)


def test_a_stage_keeps_the_samples_and_changes_the_channels(windows):
    assert stage_of()(windows).shape == (3, 5, 32)
    assert stage_of(None)(windows).shape == (3, 8, 8)
    torch.testing.assert_close(stage_of(None)(windows), stage_of(None).features(windows))


def test_a_window_hears_of_the_one_before_through_the_memory(windows):
    stage = stage_of()
    first, memory = stage.step(windows[:1], None)
    torch.testing.assert_close(first, stage(windows[:1]))
    assert memory[0].shape == (2, 1, 6, 8)
    assert not memory[0].requires_grad
    second, _ = stage.step(windows[1:2], memory)
    assert not torch.isclose(second, stage(windows[1:2])).all()


def test_the_memory_holds_the_last_tokens_of_each_layers_input(windows):
    stage, seen = stage_of(mem_len=6), []
    for layer in stage.layers:
        layer.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    _, memory = stage.step(windows, None)
    for number, values in enumerate(seen):
        torch.testing.assert_close(memory[0][number], values[:, -6:])


def test_a_memory_longer_than_a_window_reaches_further_back(windows):
    stage = stage_of(mem_len=12)
    _, memory = stage.step(windows[:1], None)
    assert memory[0].shape[2] == 8
    _, after = stage.step(windows[1:2], memory)
    assert after[0].shape[2] == 12
    torch.testing.assert_close(after[0][:, :, :4], memory[0][:, :, 4:])


def test_a_reset_row_starts_anew_beside_rows_that_go_on(windows):
    stage = stage_of()
    _, memory = stage.step(windows, None)
    mixed, _ = stage.step(windows, memory, torch.tensor([False, True, False]))
    going_on, _ = stage.step(windows, memory)
    torch.testing.assert_close(mixed[1], stage(windows)[1])
    torch.testing.assert_close(mixed[[0, 2]], going_on[[0, 2]])


def test_rows_that_end_are_left_out(windows):
    stage = stage_of()
    _, memory = stage.step(windows, None)
    whole, _ = stage.step(windows, memory)
    short, after = stage.step(windows[:2], memory, torch.tensor([False, False]))
    torch.testing.assert_close(short, whole[:2])
    assert after[0].shape[1] == 2


def test_all_rows_reset_is_as_good_as_no_memory(windows):
    stage = stage_of()
    _, memory = stage.step(windows, None)
    torch.testing.assert_close(stage.step(windows, memory, torch.ones(3, dtype=torch.bool))[0], stage(windows))


def test_a_mask_hides_tokens_of_window_and_memory(windows):
    stage = stage_of()
    hidden = torch.zeros(8, 14, dtype=torch.bool)
    hidden[:, :6] = True
    _, memory = stage.step(windows, None)
    torch.testing.assert_close(stage.step(windows, memory, None, hidden)[0], stage(windows))
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[:7, 7] = True  # nobody but itself sees the last token
    before = stage.step(windows, None, None, inside)[0]
    windows[:, :, 28:] += 1
    after = stage.step(windows, None, None, inside)[0]
    torch.testing.assert_close(after[:, :, :28], before[:, :, :28])
    # the window's own mask leaves the memory in sight
    assert not torch.isclose(stage.step(windows, memory, None, inside)[0], after).all()


def test_every_parameter_learns(windows):
    stage = stage_of(dropout=0.1, dropout_attn=0.1).train()
    _, memory = stage.step(windows, None)
    stage.step(windows, memory, torch.tensor([False, True, False]))[0].square().mean().backward()
    assert all(values.grad is not None and values.grad.any() for values in stage.parameters())


def test_windows_must_be_whole_tokens():
    with pytest.raises(ConfigError, match="window of 30 samples in tokens of 4; expected a whole number"):
        stage_of()(torch.zeros(1, 12, 30))
