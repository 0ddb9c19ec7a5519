"""The gain sweep: three folders, of which only a model that feels amplitude makes three different ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.compute.window_feeds import FeedBatches, scale_windows
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, evaluate
from ecg12.pipeline.prediction.gain_sweep import GAINS, folder_of, sweep_gains
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.prediction_folders import find_outputs
from ecg12.pipeline.runs.run_folder import load_model
from tests.pipeline.reference_folders import write_august
from tests.records import pulses_uv, write_record

FOLDERS = ["gain-0.2049", "gain-1", "gain-4.88"]


def scores_of(folder: Path) -> np.ndarray:
    files = sorted(path for path in folder.glob("*.csv") if path.name != TABLE)
    return np.array([parse_prediction(path.read_text(), strict=True).scores for path in files])


def test_a_normalising_model_does_not_feel_the_gain(simulated: Path, run: Path, tmp_path: Path) -> None:
    records = simulated / "Training_CPSC"
    summary = sweep_gains([records], tmp_path / "sweep", run)
    assert [folder_of(gain) for gain in GAINS] == FOLDERS
    assert set(summary.predictions) == set(GAINS)
    one, plain, other = (scores_of(tmp_path / "sweep" / folder) for folder in FOLDERS)
    np.testing.assert_allclose(one, plain, atol=0.005)
    np.testing.assert_allclose(other, plain, atol=0.005)
    predict([records], tmp_path / "plain", run)
    np.testing.assert_array_equal(plain, scores_of(tmp_path / "plain"))
    found = evaluate(records, tmp_path / "sweep", config=EvaluateConfig(n_bootstrap=0))
    assert [gain.gain for gain in found.gains] == pytest.approx(GAINS)
    assert all(gain.largest_change < 0.005 for gain in found.gains)


def test_the_samples_are_multiplied_after_reading(tmp_path: Path) -> None:
    """A model fed millivolts gives for a gain what it gives for a record written that many times larger."""
    model = write_august(tmp_path / "model")
    for name, factor in (("plain", 1), ("larger", 4)):
        write_record(tmp_path / name, "ecg", pulses_uv(5000, amplitude_uv=400) * factor)
    predict([tmp_path / "larger"], tmp_path / "of-larger", model)
    predict([tmp_path / "plain"], tmp_path / "of-gain", model, gain=4.0)
    predict([tmp_path / "plain"], tmp_path / "of-plain", model)
    larger, by_gain, plain = (scores_of(tmp_path / name) for name in ("of-larger", "of-gain", "of-plain"))
    np.testing.assert_allclose(by_gain, larger, rtol=1e-4)
    assert np.abs(by_gain - plain).max() > 1e-3


def test_a_store_is_swept_as_its_records_are(simulated: Path, simulated_store: Path, tmp_path: Path) -> None:
    model = write_august(tmp_path / "model")
    predict([simulated], tmp_path / "files", model, gain=4.88)
    predict([simulated_store], tmp_path / "store", model, gain=4.88)
    np.testing.assert_allclose(scores_of(tmp_path / "store"), scores_of(tmp_path / "files"), rtol=5e-3, atol=2e-3)


def test_windows_of_a_store_keep_their_amplitude_in_step(simulated_store: Path, run: Path) -> None:
    predictor, store = OwnPredictor(load_model(run)), Store(simulated_store)
    (batch, *_) = predictor.cut_windows(store, np.arange(4), 64)
    scaled = scale_windows(batch, 4.88)
    assert not isinstance(scaled, FeedBatches)
    torch.testing.assert_close(scaled.signal, batch.signal.float() * 4.88)
    torch.testing.assert_close(scaled.scale, batch.scale * 4.88)
    both = scale_windows(FeedBatches((batch, None)), 4.88)
    assert isinstance(both, FeedBatches)
    assert both.batches[1] is None
    assert len(both) == len(batch)


def test_an_earlier_sweep_is_not_overwritten(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "ecg")
    sweep_gains([tmp_path / "in"], tmp_path / "sweep", run)
    assert list(find_outputs(tmp_path / "sweep").gains) == pytest.approx(GAINS)
    with pytest.raises(InputError, match="sweep: holds a gain sweep already; choose another --output, or --force"):
        sweep_gains([tmp_path / "in"], tmp_path / "sweep", run)
    sweep_gains([tmp_path / "in"], tmp_path / "sweep", run, force=True)
    (tmp_path / "predicted").mkdir()
    (tmp_path / "predicted" / "ecg.csv").write_text("mine")
    with pytest.raises(InputError, match="predicted: holds CSV files already"):
        sweep_gains([tmp_path / "in"], tmp_path / "predicted", run)
