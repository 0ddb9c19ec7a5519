"""How a reference model's input is cut and its windows go through the network, against a naive way through both."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.decisions.reference_rules import APRIL_CLASSES
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.predict import make_predictor, predict
from tests.pipeline.reference_folders import LAYERS_OF_CHOICE, write_april, write_august
from tests.records import pulses_uv, write_record

CPU = torch.device("cpu")


def csv_files(folder):
    """The Challenge's, without the table of them all."""
    return [path for path in folder.glob("*.csv") if path.name != TABLE]


def naive_windows(signal_uv, fs, *, fs_out=400, length=4096, generation="august"):
    """A record as the reference cut it, in float64 mV, window by window."""
    signal = signal_uv.astype(np.float64) / 1000
    if fs != fs_out:
        if fs % fs_out == 0:
            signal = scipy.signal.decimate(signal, fs // fs_out, ftype="iir", axis=1, zero_phase=True)
        else:
            signal = scipy.signal.resample_poly(signal, fs_out, fs, axis=1)
    total = signal_uv.shape[1] * fs_out // fs if generation == "august" else signal.shape[1]
    n_windows = max(1, total // length + (total % length > 2000))
    start = (total - n_windows * length) // 2 if n_windows * length < total else 0
    windows = []
    for number in range(n_windows):
        first = start + number * length
        piece = signal[:, first : min(first + length, total)]
        padded = np.zeros((12, length))
        front = (length - piece.shape[1]) // 2
        padded[:, front : front + piece.shape[1]] = piece
        windows.append(padded)
    return torch.from_numpy(np.array(windows)).float()


def naive_logits(network, windows):
    """Every window with a recurrent head by running it over all of the record's windows so far."""
    with torch.inference_mode():
        features = network[:-1](windows)
        head = network[-1]
        if not hasattr(head, "rnn"):
            return head(features)
        logits = []
        for number in range(len(features)):
            over_time = torch.cat(list(features[: number + 1]), dim=1).T[None]
            hidden = (head.rnn(over_time)[0] + head.skip_connection(over_time))[:, -features.shape[2] :]
            logits.append(head.linear(hidden.flatten(1)))
        return torch.cat(logits)


@pytest.mark.parametrize("n_samples", [300, 2500, 5120, 7620, 7621, 7622, 10241, 30003])
@pytest.mark.parametrize("generation", ["april", "august"])
def test_windows_are_cut_as_the_generation_did(tmp_path: Path, generation: str, n_samples: int) -> None:
    """7,621 samples are 6,096 by the header and 6,097 in the array: one window in August, two in April."""
    folder = write_august(tmp_path / "run") if generation == "august" else write_april(tmp_path / "run")
    predictor = make_predictor(folder)
    signal = pulses_uv(n_samples, seed=n_samples)
    windows = predictor.cut_recording(read_wfdb(write_record(tmp_path, "ecg", signal)), 0)
    expected = naive_windows(signal, 500, generation=generation)
    np.testing.assert_allclose(windows.signal / 1000, expected, atol=1e-5)
    if n_samples == 7621:
        assert len(windows) == (1 if generation == "august" else 2)


@pytest.mark.parametrize(("length", "seconds"), [(1024, 12), (2048, 9), (8192, 30)])
def test_a_rest_needs_two_thousand_samples_whatever_the_window(tmp_path: Path, length: int, seconds: int) -> None:
    predictor = make_predictor(write_august(tmp_path / "run", seq_length=length))
    signal = pulses_uv(500 * seconds)
    windows = predictor.cut_recording(read_wfdb(write_record(tmp_path, "ecg", signal)), 0)
    np.testing.assert_allclose(windows.signal / 1000, naive_windows(signal, 500, length=length), atol=1e-5)


@pytest.mark.parametrize("fs_out", [500, 400, 250, 100])
@pytest.mark.parametrize("fs", [1000, 500, 257, 250])
@pytest.mark.parametrize("head", ["linear", "gru"])
def test_logits_at_every_rate_are_the_naive_ones(tmp_path: Path, fs: int, fs_out: int, head: str) -> None:
    folder = write_august(
        tmp_path / "run", sample_freq=fs_out, seq_length=1024, pred_stage_type=head, pred_stage_n_layer=2
    )
    predictor = make_predictor(folder)
    signal = pulses_uv(13 * fs + 7, fs=fs, seed=5)
    path = write_record(tmp_path, "ecg", signal, fs=fs)
    found = predictor.compute_logits([predictor.cut_recording(read_wfdb(path), 0)], CPU).logits
    expected = naive_logits(predictor.network, naive_windows(signal, fs, fs_out=fs_out, length=1024))
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("stage", [None, "LSTM", "Transformer"])
@pytest.mark.parametrize("head", ["linear", "lstm", "gru", "rnn"])
def test_files_and_store_give_the_same(
    simulated: Path, simulated_store: Path, tmp_path: Path, stage: str | None, head: str
) -> None:
    """Half a microvolt a sample moves these scores by no more than a thousandth; labels agree off the edge."""
    folder = write_august(tmp_path / "run", stage=stage, seq_length=1024, pred_stage_type=head)
    source = simulated / "Training_CPSC"
    predict([source], tmp_path / "files", folder)
    predict([simulated_store], tmp_path / "store", folder)
    files = {path.stem: parse_prediction(path.read_text(), strict=True) for path in csv_files(tmp_path / "files")}
    assert files
    assert len(csv_files(tmp_path / "store")) == 80
    for name, one in files.items():
        other = parse_prediction((tmp_path / "store" / f"{name}.csv").read_text(), strict=True)
        assert one.codes == other.codes
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-3, atol=1e-6)


def test_offsets_of_the_store_are_put_back(tmp_path: Path) -> None:
    """A lead that lies 15 mV off is stored around zero; the network sees it where it was, and zeros beside it."""
    signal = pulses_uv(3000)
    signal[3] += 15_000
    path = write_record(tmp_path / "in", "A0001", signal)
    write_record(tmp_path / "in", "A0002", pulses_uv(3000, seed=1))
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig())
    store = Store(tmp_path / "ecg.zarr")
    assert store.column("record/offset")[0, 3] > 10_000
    predictor = make_predictor(write_august(tmp_path / "run"))
    (stored,) = predictor.cut_windows(store, np.array([0]), 64)
    read = predictor.cut_recording(read_wfdb(path), 0)
    np.testing.assert_allclose(stored.signal, read.signal, atol=0.51)
    assert not stored.signal[:, :, : int(stored.pad[0])].any()


def test_a_store_that_was_resampled_otherwise_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001")
    write_record(tmp_path / "in", "ward", pulses_uv(2000, fs=250), fs=250)
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig(fs=250))
    folder = write_august(tmp_path / "run", sample_freq=250)
    with pytest.raises(ConfigError, match=r"1 of its 2 records were resampled from an integer multiple of 250 Hz"):
        predict([tmp_path / "ecg.zarr"], tmp_path / "out", folder)
    with pytest.raises(ConfigError, match=r"at 250 Hz; the model expects .* at 400 Hz: build such a store"):
        predict([tmp_path / "ecg.zarr"], tmp_path / "out", write_august(tmp_path / "other"))
    assert predict([tmp_path / "in"], tmp_path / "out", folder).n_records == 2


def test_april_predictions_have_aprils_names(simulated: Path, tmp_path: Path) -> None:
    folder = write_april(tmp_path / "run", "LSTM")
    predict([simulated / "Training_PTB"], tmp_path / "out", folder)
    for path in csv_files(tmp_path / "out"):
        one = parse_prediction(path.read_text(), strict=True)
        assert one.codes == APRIL_CLASSES
        labels = dict(zip(one.codes, one.labels, strict=True))
        assert labels.pop("Normal") == int(not any(labels.values()))


def test_a_choice_is_one_class_or_none(simulated: Path, tmp_path: Path) -> None:
    """Through everything: of the two classes of a softmax no record gets both."""
    folder = write_august(tmp_path / "run", LAYERS_OF_CHOICE["softmax"], scale_by_n_predictions=[1.0, 1.0])
    predict([simulated / "Training_CPSC"], tmp_path / "out", folder)
    for path in csv_files(tmp_path / "out"):
        assert sum(parse_prediction(path.read_text(), strict=True).labels) <= 1
