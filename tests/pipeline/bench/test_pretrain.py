"""The benchmark of pretraining runs, its baseline does the same work, and its figures are about what they say."""

import numpy as np
import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks.masks import draw_attention_mask
from ecg12.ecg.models.pretraining_objectives import make_objective
from ecg12.ecg.models.stages import build_pretraining_net
from ecg12.pipeline.bench import pretrain as benchmark
from ecg12.pipeline.bench import pretrain_baseline as baseline
from ecg12.pipeline.bench.pretrain import BASELINE, NETS, PretrainResult, PretrainRow
from ecg12.pipeline.runs.pretrain_config import PretrainConfig

TINY = {"hidden_size_rnn": 4, "k_steps_ahead": (3, 8), "dim_model": 8, "dim_inner": 12, "num_heads": 2, "mem_len": 8}
TINY |= {"num_trans_layers": 1, "dim_encoder": 4, "dim_context": 6, "context_layers": 1, "dim_decoder": 4}


def test_every_net_is_measured_beside_its_baseline() -> None:
    result = benchmark.run(batch_size=2, window_length=512, rounds=1, memory=False, ways=("fp32",), options=TINY)
    ways = {(row.net, row.way) for row in result.rows}
    assert {net for net, _ in ways} == set(NETS)
    without = {"cpc-lstm", "cpc-s4d", "mae"}
    assert {net for net, way in ways if way == BASELINE} == set(NETS) - without
    for row in result.rows:
        assert len(row.seconds) == len(row.processor_s) == 1
        assert row.rate > 0
        assert (result.ratio(row) is None) == (row.net in without)
        assert (row.n_parameters is None) == (row.way == BASELINE)


def test_the_peak_of_a_process_is_measured() -> None:
    assert benchmark.measure_peak("mae", "bf16", {"batch_size": 1, "window_length": 512} | TINY) > 10_000_000
    assert benchmark.measure_peak("mae", BASELINE, {"batch_size": 1, "window_length": 512} | TINY) is None


def test_a_ratio_is_the_median_of_rounds() -> None:
    rows = [
        PretrainRow(net="gru", way=way, n_parameters=1, batch_size=4, seconds=seconds, processor_s=processor)
        for way, seconds, processor in (
            (BASELINE, [6.0, 8.0, 9.0], [1.0, 1.0, 1.0]),
            ("fp32", [2.0, 2.0, 9.0], [0.5, 0.5, 0.5]),
        )
    ]
    result = PretrainResult(rows)
    assert (result.ratio(rows[1]), result.ratio(rows[1], "processor_s"), rows[1].rate) == (3.0, 2.0, 2.0)
    assert result.ratio(rows[0]) == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nets": ("gpt",)}, "nets gpt; expected some of rnn, lstm, gru, flipping, masking, transformerxl, cpc-lstm"),
        ({"ways": ("fp8",)}, "precisions fp8; expected some of fp32, bf16, fp16"),
        ({"nets": ("mae",), "window_length": 100}, "window of 100 samples in patches of 64"),
    ],
)
def test_what_is_unknown_is_named(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        benchmark.run(**options)


def test_the_baseline_of_masking_does_the_same_work(monkeypatch) -> None:
    """With our weights, our mask and no dropout its loss is ours, but for the sum instead of the mean."""
    stage = StageConfig(
        pretrain_model="transformer", trans_train_type="masking", dim_model=8, dim_inner=12, num_heads=2, dropout=0.0
    )
    config = PretrainConfig.from_flat({"mask": "attention"})
    net = build_pretraining_net(stage, 12, 512)
    theirs = baseline._Transformer(stage, 12, 512)
    ours = {name: values for name, values in net.state_dict().items() if not name.startswith("pos_encoder")}
    theirs.load_state_dict(
        {name.replace("transformer_encoder", "layers"): values for name, values in ours.items()}, strict=False
    )
    x = torch.randn(2, 12, 512)
    objective = make_objective(stage, config.objective, n_leads=12, window_length=512)
    generator = torch.Generator().manual_seed(3)
    expected = objective.compute_loss(net, benchmark.Windows(x, x, torch.ones(2, 512, dtype=torch.bool)), generator)
    hidden = draw_attention_mask(128, 128, config.objective, torch.Generator().manual_seed(3))
    mask = torch.zeros(128, 128).masked_fill(hidden, -torch.inf)
    monkeypatch.setattr(baseline, "_draw_mask", lambda n_queries, n_keys: mask)
    torch.testing.assert_close(theirs(x), expected.total, rtol=1e-4, atol=1e-2)


def test_the_baselines_mask_is_of_the_same_kind() -> None:
    np.random.seed(2)
    mask = baseline._draw_mask(200, 1024)
    hidden = torch.isinf(mask).unflatten(1, (128, 8))
    assert torch.equal(hidden.any(dim=2), hidden.all(dim=2))
    assert 17 < hidden.all(dim=2).sum(dim=1).float().mean() < 18.5


def test_the_baselines_flips_are_told() -> None:
    np.random.seed(2)
    x = torch.randn(3, 12, 16)
    flipped, choice = baseline._flip(x)
    for window, lead in np.ndindex(3, 12):
        expected = x[window, lead].flip(0) if choice[window, lead] >= 2 else x[window, lead]
        assert torch.equal(flipped[window, lead], -expected if choice[window, lead] % 2 else expected)
