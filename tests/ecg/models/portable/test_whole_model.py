"""A portable model of windows or of recordings, against the parts it is made of, run one after another."""

import numpy as np
import pytest
import torch

from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks.heads import RecurrentHead
from ecg12.ecg.models.output_layers import build_output_layer
from ecg12.ecg.models.portable.whole_model import PortableModel, plan_inputs
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.quality import compute_scale
from ecg12.pipeline.export.torch_file import to_program
from tests.pipeline.reference_folders import SIGMOID

TINY = {"net_filter_size": (4, 6), "net_seq_length": (64, 16), "window_length": 256, "kernel_size": 5, "fs": 100.0}
STAGE = {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "hidden_size_rnn": 5}
STAGE |= {"dim_encoder": 8, "dim_context": 8, "context_layers": 1, "mem_len": 4}


def make_portable(*, recordings: bool, **options) -> PortableModel:
    config = ModelConfig(**TINY | options)
    mapping = parse_mapping(SIGMOID)
    torch.manual_seed(3)
    network = build_model(config, mapping.n_outputs)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
    rule = ThresholdRule(
        mapping=mapping,
        correction=np.ones(3),
        thresholds=np.full(24, 0.5),
        classes=SCORED_CODES,
        by_class=CHALLENGE_COLUMNS,
    )
    return PortableModel(config, network, build_output_layer(mapping.parts), rule, recordings=recordings).eval()


def score_of(portable: PortableModel, windows: torch.Tensor) -> np.ndarray:
    """Class scores of network input, every window for a record of its own."""
    with torch.inference_mode():
        scores = portable.output_layer.compute_scores(portable.network(windows))
    rule = portable_rule()
    return rule.decide(scores.double().numpy(), np.arange(len(windows))).scores


def portable_rule() -> ThresholdRule:
    return ThresholdRule(
        mapping=parse_mapping(SIGMOID),
        correction=np.ones(3),
        thresholds=np.full(24, 0.5),
        classes=SCORED_CODES,
        by_class=CHALLENGE_COLUMNS,
    )


def signal_mv(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(8))


def test_inputs_follow_from_the_configuration() -> None:
    names = [one.name for one in plan_inputs(ModelConfig(patient=True), recordings=False)]
    assert names == ["signal", "scale", "age", "sex"]
    (only,) = plan_inputs(ModelConfig(normalisation="none", leads=("I", "II")), recordings=True)
    assert only.shape == ("batch", "windows", 2, 4096)
    assert only.default is None


def test_a_window_is_normalised_by_its_own_amplitude_unless_told() -> None:
    portable = make_portable(recordings=False)
    signal = signal_mv(2, 12, 256)
    own = torch.tensor([float(compute_scale(one.numpy() * 1000)) / 1000 for one in signal])
    with torch.inference_mode():
        untold, told, other = (portable(signal, scale)[0] for scale in (torch.zeros(2), own, own * 3))
        larger = portable(signal * 4.88, torch.zeros(2))[0]
    torch.testing.assert_close(untold, told, atol=1e-6, rtol=0)
    torch.testing.assert_close(untold, larger, atol=1e-5, rtol=0)
    assert (untold - other).abs().max() > 1e-4
    centred = (signal - signal.mean(dim=2, keepdim=True)) / own[:, None, None]
    np.testing.assert_allclose(untold, score_of(portable, centred), atol=1e-5)


def test_without_normalisation_it_sees_millivolts() -> None:
    portable = make_portable(recordings=False, normalisation="none")
    signal = signal_mv(3, 12, 256)
    with torch.inference_mode():
        scores, labels = portable(signal)
    np.testing.assert_allclose(scores, score_of(portable, signal), atol=1e-6)
    np.testing.assert_array_equal(labels[:, 0], scores[:, 0] > 0.5)
    assert (scores.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_age_and_sex_are_channels() -> None:
    portable = make_portable(recordings=False, normalisation="none", patient=True)
    signal, age, sex = signal_mv(2, 12, 256), torch.tensor([61.0, torch.nan]), torch.tensor([1.0, -1.0])
    channels = torch.from_numpy(make_patient_features([61.0, np.nan], [1, -1]))[:, :, None].expand(-1, -1, 256)
    with torch.inference_mode():
        scores, _ = portable(signal, age, sex)
    np.testing.assert_allclose(scores, score_of(portable, torch.cat([signal, channels], dim=1)), atol=1e-6)


def test_windows_of_a_recording_are_pooled_and_absent_ones_left_out() -> None:
    single, whole = (make_portable(recordings=recordings, patient=True) for recordings in (False, True))
    signal = signal_mv(2, 3, 12, 256)
    signal[1, 2] = torch.nan
    scale, age, sex = torch.tensor([0.7, 1.1]), torch.tensor([30.0, 80.0]), torch.tensor([0.0, 1.0])
    with torch.inference_mode():
        scores, _ = whole(signal, scale, age, sex)
        of_windows = [
            single(signal[row, :n], *(one[row].expand(n) for one in (scale, age, sex)))[0].mean(dim=0)
            for row, n in ((0, 3), (1, 2))
        ]
    torch.testing.assert_close(scores, torch.stack(of_windows), atol=1e-6, rtol=0)


@pytest.mark.parametrize("recordings", [False, True])
def test_one_value_stands_for_all_recordings(recordings: bool) -> None:
    """As the defaults of an ONNX file do."""
    portable = make_portable(recordings=recordings, patient=True)
    signal = signal_mv(3, 2, 12, 256) if recordings else signal_mv(3, 12, 256)
    one = (torch.tensor([0.6]), torch.tensor([50.0]), torch.tensor([1.0]))
    with torch.inference_mode():
        found, each = portable(signal, *one)[0], portable(signal, *(value.expand(3) for value in one))[0]
    torch.testing.assert_close(found, each)


def test_the_amplitude_of_a_recording_is_that_of_all_its_windows() -> None:
    portable = make_portable(recordings=True)
    signal = signal_mv(2, 2, 12, 256)
    signal[0, 0] *= 5
    signal[1, 1] = torch.nan
    together = [signal[0].transpose(0, 1).flatten(1), signal[1, 0]]
    scale = torch.tensor([float(compute_scale(one.numpy() * 1000)) / 1000 for one in together])
    with torch.inference_mode():
        torch.testing.assert_close(portable(signal, torch.zeros(2))[0], portable(signal, scale)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_head_goes_through_a_recording(kind: str) -> None:
    portable = make_portable(recordings=True, normalisation="none", pred_stage_type=kind, pred_stage_hidd=7)
    signal = signal_mv(2, 3, 12, 256)
    signal[1, 1:] = torch.nan
    head = portable.network[-1]
    assert isinstance(head, RecurrentHead)
    with torch.inference_mode():
        scores, _ = portable(signal)
        features = portable.network[:-1](torch.cat([signal[0], signal[1, :1]]))
        record = torch.tensor([0, 0, 0, 1])
        logits = head.over_records(features, record)
    expected = portable_rule().decide(torch.sigmoid(logits).double().numpy(), record.numpy())
    np.testing.assert_allclose(scores, expected.scores, atol=1e-6)


@pytest.mark.parametrize("stage", ["transformer", "transformerxl", "cpc", "mae", "lstm"])
def test_a_stage_can_be_followed_for_any_number_of_records(stage: str) -> None:
    """What torch.export makes of it is not tied to the batch that it was shown; recurrent nets are left to ONNX."""
    config = StageConfig(pretrain_model=stage, **STAGE)
    portable = make_portable(recordings=False, normalisation="none", stage=config, pretrain_output_size=3)
    signal = signal_mv(3, 12, 256)
    module: torch.nn.Module = portable
    if stage != "lstm":
        module = to_program(portable).module()
    with torch.inference_mode():
        scores, _ = module(signal)
    np.testing.assert_allclose(scores, score_of(portable, signal), atol=1e-6)
