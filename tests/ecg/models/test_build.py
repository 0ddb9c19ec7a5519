"""A model from its configuration; a network of the reference system gives its numbers here too."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.build import build_for_weights, build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.normalise import to_network_input
from ecg12.ecg.signals.cleaning import to_clean_microvolts
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.resample import resample
from ecg12.ecg.signals.window import WindowConfig, cut_window, plan_windows
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.runs.presets import REFERENCE_MODEL

SMALL = {"window_length": 64, "net_filter_size": (4, 6), "net_seq_length": (64, 16)}


class TestBuildModel:
    def test_the_references_seven_million_parameters(self):
        filters = (64, 64, 128, 196, 256, 320)
        expected = 12 * 64 * 17 + 2 * 64 + 320 * 16 * 24 + 24  # stem and head
        for before, after in pairwise(filters):
            skip = before * after if before != after else 0
            expected += (before + after) * after * 17 + 4 * after + skip
        assert expected == 7_042_488
        config = ModelConfig.from_dict(REFERENCE_MODEL)
        assert sum(values.numel() for values in build_model(config, 24).parameters()) == expected

    def test_the_default_is_smaller_by_its_pooling(self):
        n_parameters = sum(values.numel() for values in build_model(ModelConfig(), 24).parameters())
        excitation = sum(2 * n * (n // 8) + n // 8 + n for n in (64, 128, 196, 256, 320))
        assert n_parameters == 7_042_488 - 15 * 320 * 24 + excitation

    @pytest.mark.parametrize("n_outputs", [1, 24, 111])
    def test_windows_become_logits(self, n_outputs):
        model = build_model(ModelConfig(**SMALL), n_outputs).eval()
        assert model(torch.zeros(3, 12, 64)).shape == (3, n_outputs)

    def test_as_many_leads_as_the_configuration_names(self):
        model = build_model(ModelConfig(**SMALL, leads=("I", "II")), 5).eval()
        assert model(torch.zeros(3, 2, 64)).shape == (3, 5)

    def test_keys_are_those_of_the_network_and_the_head(self):
        keys = build_model(ModelConfig(**SMALL), 3).state_dict().keys()
        assert {key.split(".")[0] for key in keys} == {"0", "1"}
        assert {key for key in keys if key.startswith("1")} == {"1.lin.weight", "1.lin.bias"}

    def test_a_configuration_from_json_builds_the_same(self):
        config = ModelConfig(**SMALL, kernel_size=5)
        again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
        assert again == config
        build_model(again, 3).load_state_dict(build_model(config, 3).state_dict(), strict=True)

    def test_every_parameter_learns(self):
        torch.manual_seed(0)  # some weights let a ReLU of a few units be zero for all windows
        model = build_model(ModelConfig(**SMALL), 3)
        model(torch.randn(4, 12, 64)).square().sum().backward()
        assert all(values.grad is not None and values.grad.abs().sum() > 0 for values in model.parameters())

    def test_sizes_that_do_not_divide_are_found_when_it_is_built(self):
        with pytest.raises(ConfigError, match="16 does not divide 40"):
            build_model(ModelConfig(window_length=40, net_filter_size=(4,), net_seq_length=(16,)), 3)

    def test_options_that_the_reference_lacks(self):
        config = ModelConfig(**SMALL, pooling="average", squeeze_excitation=True, patient=True)
        model = build_model(config, 3).eval()
        assert model(torch.zeros(2, 16, config.window_length)).shape == (2, 3)
        assert model[1].lin.in_features == config.net_filter_size[-1]
        assert any("squeeze_excitation" in name for name in model.state_dict())


STAGE = {"num_heads": 2, "num_trans_layers": 1, "dim_model": 8, "dim_inner": 8, "hidden_size_rnn": 6}


class TestBuildForWeights:
    @pytest.mark.parametrize(
        "options",
        [
            {"squeeze_excitation": True},
            {"pooling": "flatten", "patient": True},
            {"pred_stage_type": "lstm", "pred_stage_hidd": 5},
            {"model": "s4d", "s4d_features": 8, "s4d_layers": 1},
            *(
                {"stage": StageConfig(pretrain_model=name, **STAGE), "pretrain_output_size": 3}
                for name in ("gru", "transformer", "transformerxl")
            ),
        ],
        ids=str,
    )
    def test_with_weights_it_is_the_network_that_they_are_of(self, options):
        config = ModelConfig(**SMALL | options)
        torch.manual_seed(3)
        trained = build_model(config, 3).eval()
        made = build_for_weights(config, 3).eval()
        made.load_state_dict(trained.state_dict(), strict=True)
        x = torch.randn(2, 16 if config.patient else 12, config.window_length)
        torch.testing.assert_close(made(x), trained(x), rtol=0, atol=0)

    def test_nothing_is_drawn(self):
        before = torch.get_rng_state()
        build_for_weights(ModelConfig(**SMALL), 3)
        assert torch.equal(torch.get_rng_state(), before)


class TestModelConfig:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"fs": 0.0}, r"^fs is 0.0; expected a positive number of Hz$"),
            ({"fs": -400.0}, r"^fs is -400.0; expected a positive"),
            ({"fs": float("nan")}, r"^fs is nan; expected a positive"),
            ({"fs": float("inf")}, r"^fs is inf; expected a positive"),
            ({"leads": ()}, r"^leads are ; expected each once, from I, II, .*V6$"),
            ({"leads": ("I", "vx")}, r"^leads are I, vx; expected each once, from I, II"),
            ({"leads": ("I", "II", "I")}, r"^leads are I, II, I; expected each once"),
            ({"window_length": 0}, r"^window_length is 0; expected at least 1 sample$"),
            ({"normalisation": "lead"}, r"^normalisation is 'lead'; expected record or none$"),
            ({"net_filter_size": (8, 8)}, r"^net_filter_size has 2 entries and net_seq_length 5; expected one pair"),
            ({"net_filter_size": (), "net_seq_length": ()}, r"has 0 entries and net_seq_length 0; expected one pair"),
            (
                {"net_filter_size": (8, 8, 8, 8, 0)},
                r"^net_filter_size and net_seq_length; expected numbers of at least 1$",
            ),
            (
                {"net_seq_length": (64, 16, 4, 1, -1)},
                r"^net_filter_size and net_seq_length; expected numbers of at least",
            ),
            ({"kernel_size": 16}, r"^kernel_size is 16; expected an odd number$"),
            ({"kernel_size": -1}, r"^kernel_size is -1; expected an odd number$"),
            ({"dropout_rate": 1.0}, r"^dropout_rate is 1.0; expected 0 or more and below 1$"),
            ({"dropout_rate": -0.1}, r"^dropout_rate is -0.1; expected 0 or more and below 1$"),
            ({"dropout_rate": float("nan")}, r"^dropout_rate is nan; expected 0 or more and below 1$"),
            ({"pooling": "max"}, r"^pooling is 'max'; expected flatten or average$"),
            ({"patient": True, "stage": StageConfig()}, r"^patient is set, but a pretrained stage sees leads alone"),
        ],
    )
    def test_values_out_of_range_are_an_error(self, options, message):
        with pytest.raises(ConfigError, match=message):
            ModelConfig(**options)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"window_length": "4096"}, r"^ModelConfig: window_length is '4096'; expected int$"),
            ({"net_filter_size": 64}, r"^ModelConfig: net_filter_size is 64; expected tuple"),
            ({"net_seq_length": [64.5]}, r"^ModelConfig: net_seq_length is 64.5; expected int$"),
            ({"leads": "I"}, r"^ModelConfig: leads is 'I'; expected tuple"),
            ({"seq_length": 4096}, r"^ModelConfig: unknown seq_length; expected fs, leads, "),
        ],
    )
    def test_values_of_another_type_are_an_error(self, values, message):
        with pytest.raises(ConfigError, match=message):
            ModelConfig.from_dict(values)

    def test_the_defaults_are_the_references_and_the_twelve_leads(self):
        config = ModelConfig()
        assert (config.fs, config.window_length, config.leads) == (400.0, 4096, LEADS)
        assert config.normalisation == "record"


def reference_model(folder: Path) -> nn.Sequential:
    """The network of a folder that the reference system wrote."""
    stated = json.loads((folder / "config.json").read_text())
    options = {key: stated[key] for key in ("net_filter_size", "net_seq_length", "kernel_size", "dropout_rate")}
    config = ModelConfig.from_dict(
        dict(REFERENCE_MODEL) | {"fs": stated["sample_freq"], "window_length": stated["seq_length"], **options}
    )
    assert config.net_filter_size == (8, 12, 16, 20, 24)
    model = build_model(config, 24)
    state = torch.load(folder / "model.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"], strict=True)
    return model.eval()


def reference_windows(path: Path) -> torch.Tensor:
    """Windows in mV as the reference cuts them to predict, from the length it computes from the header."""
    record = read_record(path)
    signal_uv = resample(to_clean_microvolts(record)[0], record.fs, 400.0)
    length = int(record.n_samples * 400.0 / record.fs)
    plan = plan_windows(np.array([length]), WindowConfig(min_piece=2000))
    windows = np.empty((len(plan), 12, plan.window_length), np.float32)
    for number, window in enumerate(windows):
        cut_window(signal_uv, plan.start[number], plan.valid[number], plan.pad[number], window)
    return to_network_input(
        torch.from_numpy(windows),
        torch.from_numpy(plan.valid),
        torch.from_numpy(plan.pad),
        torch.ones(len(plan)),
        normalisation="none",
    )


@pytest.mark.shared
def test_a_reference_network_gives_the_references_logits(shared):
    """Stated with six decimals; the worst difference seen is 5.2e-7."""
    folder = shared / "fixtures" / "reference_models" / "resnet_linear_sigmoid"
    model = reference_model(folder)
    records = json.loads((folder / "expected.json").read_text())["records"]
    assert len(records) == 9
    for name, expected in records.items():
        windows = reference_windows(shared / "data" / "challenge2020" / f"{name}.hea")
        assert len(windows) == expected["n_windows"], name
        with torch.inference_mode():
            difference = model(windows) - torch.tensor(expected["logits"])
        assert difference.abs().max() < 2e-5, name
