"""Models from Python predict what the command predicts, whatever way the recordings come."""

import copy
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ecg12
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.errors import ConfigError, InputError, RunFolderError, SignalError
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.predict import predict
from tests.records import pulses_uv, write_record


@pytest.fixture(scope="module")
def model(run: Path) -> ecg12.Model:
    return ecg12.load_model(run)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five recordings at three rates, one of them an .npy that says nothing, one with two leads alone, one flat."""
    folder = tmp_path_factory.mktemp("recordings")
    write_record(folder, "A", pulses_uv(5000, seed=1))
    write_record(folder, "B", pulses_uv(2570, fs=257, seed=2), fs=257)
    write_record(folder, "C", pulses_uv(9000, fs=1000, seed=3), fs=1000)
    return folder


def assert_equal_to_files(predictions: ecg12.Predictions, folder: Path) -> None:
    """The Challenge CSVs and the table that the command wrote say the same, digit by digit."""
    written = {
        path.stem: parse_prediction(path.read_text(), strict=True)
        for path in folder.glob("*.csv")
        if path.name != "predictions.csv"
    }
    assert set(predictions.names) == set(written)
    for name, scores, labels in zip(predictions.names, predictions.scores, predictions.labels, strict=True):
        assert written[name].codes == predictions.classes
        assert written[name].labels == tuple(labels.tolist())
        np.testing.assert_array_equal(np.array(written[name].scores, np.float32), scores)
    with (folder / "predictions.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["record"])
    frame = predictions.to_frame().sort_values("record", kind="stable")
    assert list(frame.columns) == list(rows[0])
    for row, (_, own) in zip(rows, frame.iterrows(), strict=True):
        assert (row["record"], row["class"], row["name"]) == (own["record"], own["class"], own["name"])
        assert np.float32(row["score"]) == np.float32(own["score"])
        assert (int(row["label"]), row["quality"]) == (own["label"], own["quality"])
        assert (row["threshold"] == "") == pd.isna(own["threshold"])
        assert row["threshold"] == "" or float(row["threshold"]) == own["threshold"]


def test_files_as_the_command(model: ecg12.Model, run: Path, recordings: Path, tmp_path: Path) -> None:
    predict([recordings], tmp_path / "p", run)
    predictions = model.predict(recordings)
    assert predictions.names == ("A", "B", "C")
    assert_equal_to_files(predictions, tmp_path / "p")
    # one by one, in another order: the same but for rounding in another batch
    others = model.predict([recordings / "C.hea", str(recordings / "A")])
    np.testing.assert_allclose(others.scores, predictions.scores[[0, 2]], atol=1e-5)
    assert others.names == ("A", "C")


def test_a_store_as_the_command(model: ecg12.Model, run: Path, simulated_store: Path, tmp_path: Path) -> None:
    predict([simulated_store], tmp_path / "p", run, told=InputConfig(keep_flat=True))
    store = ecg12.open_store(simulated_store)
    predictions = model.predict(store, keep_flat=True)
    assert predictions.names == store.names
    assert_equal_to_files(predictions, tmp_path / "p")
    by_path = model.predict(simulated_store, keep_flat=True)
    np.testing.assert_array_equal(by_path.scores, predictions.scores)
    some = model.predict([store[7], store[2], store[7]], keep_flat=True)
    assert some.names == (store.names[7], store.names[2], f"{store.names[7]}-2")
    np.testing.assert_allclose(some.scores, predictions.scores[[7, 2, 7]], atol=1e-5)


def test_recordings_and_arrays_as_their_files(model: ecg12.Model, recordings: Path) -> None:
    expected = model.predict(recordings)
    read = [ecg12.read_recording(recordings / f"{name}.hea") for name in "ABC"]
    from_memory = model.predict(read)
    assert from_memory.names == ("A", "B", "C")
    np.testing.assert_array_equal(from_memory.scores, expected.scores)
    np.testing.assert_array_equal(from_memory.labels, expected.labels)
    arrays = model.predict([read[0].signal, read[0].signal * 1], fs=500)
    assert arrays.names == ("0", "1")
    np.testing.assert_allclose(arrays.scores, expected.scores[[0, 0]], atol=1e-5)
    for given, options in (
        (read[0].signal, {}),
        (read[0].signal[None], {}),
        (np.round(read[0].signal * 1000).astype(np.int16), {"units": "uV"}),
        (read[0].signal[[6, 7, 8, 9, 10, 11, 1, 0]], {"leads": "V1 V2 V3 V4 V5 V6 II I".split()}),
    ):
        one = model.predict(given, fs=500, **options)
        np.testing.assert_allclose(one.scores, expected.scores[:1], atol=2e-3)
        assert len(one) == 1


def test_a_store_does_not_filter_its_records_twice(run: Path, recordings: Path, tmp_path: Path) -> None:
    """A recording of a store is predicted from its row, as the store's own are; or refused, as they are."""
    filtered = ecg12.build_store(recordings, tmp_path / "f.zarr", highpass=0.5)
    with pytest.raises(ConfigError, match=r"high-pass and notch filter at 0\.5"):
        ecg12.load_model(run).predict([filtered[0]])


def test_what_cannot_be_predicted_is_an_error_or_a_reject(model: ecg12.Model, recordings: Path) -> None:
    good, flat = ecg12.read_recording(recordings / "A.hea"), np.zeros((12, 5000))
    with pytest.raises(InputError, match="1: no deflection in any lead"):
        model.predict([good, flat], fs=500)
    predictions = model.predict([flat, good, flat], fs=500, on_error="reject")
    assert predictions.names == ("A",)
    assert [name for name, _ in predictions.rejects] == ["0", "2"]
    assert all("no deflection" in reason for _, reason in predictions.rejects)
    assert model.predict([flat], fs=500, keep_flat=True).names == ("0",)
    nothing = model.predict([flat], fs=500, on_error="reject")
    assert (len(nothing), nothing.scores.shape, nothing.to_frame().shape) == (0, (0, 27), (0, 7))


def test_missing_leads(model: ecg12.Model) -> None:
    two = ecg12.Recording(pulses_uv(5000)[:2] / 1000, 500, leads=["I", "II"], name="two")
    with pytest.raises(InputError, match=r"two: .*V1"):
        model.predict(two)
    predictions = model.predict(two, missing_leads="zero")
    assert "zeros: V1" in predictions.quality[0]


@pytest.mark.parametrize(
    ("given", "options", "error", "text"),
    [
        ([], {}, InputError, "nothing to predict on"),
        ([3], {}, InputError, "int among recordings; expected a store, paths alone, or recordings and arrays"),
        (["a", np.zeros((12, 9))], {"fs": 500}, InputError, "str among recordings"),
        (np.zeros((12, 500)), {}, SignalError, "array 0: has no sampling frequency; tell it with fs"),
        (np.zeros((500, 12)), {"fs": 500}, SignalError, "transpose it"),
        ("nowhere.edf", {}, InputError, "does not exist"),
        (np.ones((12, 500)), {"fs": 500, "on_error": "skip"}, ConfigError, "on_error is 'skip'; expected raise or rej"),
        (np.ones((12, 500)), {"fs": 500, "missing_leads": "guess"}, ConfigError, "missing_leads is 'guess'"),
    ],
)
def test_what_makes_no_sense_is_refused(model: ecg12.Model, given, options, error, text: str) -> None:
    with pytest.raises(error, match=text):
        model.predict(given, **options)


def test_several_models_are_one(run: Path, recordings: Path, tmp_path: Path) -> None:
    both = ecg12.load_model([run, run], average="scores")
    assert both.folders == (str(run), str(run))
    alone = ecg12.load_model(run).predict(recordings)
    np.testing.assert_allclose(both.predict(recordings).scores, alone.scores, atol=1e-6)
    with pytest.raises(RunFolderError):
        ecg12.load_model(tmp_path)
    with pytest.raises(ConfigError, match="precision is 'half'"):
        ecg12.load_model(run, precision="half")
    with pytest.raises(InputError, match="expected a folder of this machine"):
        ecg12.load_model("memory://models/run")


def test_a_model_says_what_it_is(model: ecg12.Model, run: Path, recordings: Path) -> None:
    assert repr(model) == f"Model({str(run)!r}, 27 classes)"
    assert (len(model.classes), len(model.thresholds), len(model.leads)) == (27, 27, 12)
    predictions = model.predict(recordings)
    assert predictions.class_names[1] == "atrial fibrillation"
    assert predictions.scores.dtype == np.float32
    assert predictions.labels.dtype == np.uint8


def test_predictions_are_scored_as_their_files(
    model: ecg12.Model, run: Path, simulated: Path, simulated_store: Path, tmp_path: Path
) -> None:
    predict([simulated_store], tmp_path / "p", run, told=InputConfig(keep_flat=True))
    store = ecg12.open_store(simulated_store)
    predictions = model.predict(store, keep_flat=True)
    for labels in (store, simulated_store, simulated):
        of_memory = ecg12.evaluate(labels, predictions, n_bootstrap=20)
        of_files = ecg12.evaluate(labels, tmp_path / "p", n_bootstrap=20)
        assert of_memory.figures == of_files.figures
        assert of_memory.intervals == of_files.intervals
        pd.testing.assert_frame_equal(of_memory.classes, of_files.classes)
        pd.testing.assert_frame_equal(of_memory.datasets, of_files.datasets)
    assert list(of_memory.figures) == [*of_memory.intervals, "calibration_error"]
    assert of_memory.classes.loc["164889003", "abbreviation"] == "AF"
    assert of_memory.datasets["n_records"].sum() == of_memory.n_records == 80
    assert "challenge_metric" in repr(of_memory)


def test_some_records_are_scored_by_name(model: ecg12.Model, simulated_store: Path) -> None:
    store = ecg12.open_store(simulated_store)
    _, valid = store.split(seed=5)
    names = [store.names[row] for row in valid]
    predictions = model.predict([store[row] for row in valid], keep_flat=True)
    assert ecg12.evaluate(store, predictions, records=names, n_bootstrap=0).n_records == len(names)
    assert ecg12.evaluate(store, predictions, records=names, n_bootstrap=0).intervals == {}
    with pytest.raises(InputError, match=r"of 80 records have no prediction, the first is"):
        ecg12.evaluate(store, predictions, n_bootstrap=0)
    with pytest.raises(ConfigError, match="n_bins is 0"):
        ecg12.evaluate(store, predictions, n_bins=0)
    with pytest.raises(ConfigError, match="records are named, but predictions are a folder"):
        ecg12.evaluate(store, "predictions", records=names)


def test_training_from_python_is_the_commands(simulated_store: Path, run: Path, tmp_path: Path) -> None:
    rows = []
    store = ecg12.open_store(simulated_store)
    options = {"net_filter_size": (4, 6), "net_seq_length": (256, 16), "dropout_rate": 0.0}
    trained = ecg12.train(store, tmp_path / "run", epochs=1, seed=5, report=rows.append, **options)
    assert (trained.folder, trained.best_epoch, trained.interrupted) == (tmp_path / "run", 0, False)
    assert (trained.n_train, trained.n_valid) == tuple(map(len, store.split(seed=5)))
    assert [row["epoch"] for row in rows] == [0] == trained.history.index.tolist()
    assert trained.history.loc[0, "train_loss"] == rows[0]["train_loss"]
    assert "1 epochs" in repr(trained)
    assert ecg12.load_model(trained.folder).predict(store[0], keep_flat=True).names == (store.names[0],)
    with pytest.raises(ConfigError, match="unknown epochz"):
        ecg12.train(store, tmp_path / "other", epochz=1)
    with pytest.raises(InputError, match="expected a folder of this machine"):
        ecg12.train(store, "memory://runs/a")
    with pytest.raises(RunFolderError, match="begun otherwise"):
        ecg12.train(store, copy.copy(trained.folder), epochs=1, seed=6)
